"""C code for arm64: cross-built here, run under qemu-user-static, and of one mind with the native build.

`make test-arm64` runs the whole C unit tests so; this is the part that needs no arm64 libraries.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrHopByHop
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw

ROOT = Path(__file__).resolve().parents[3]
LIBRARY_ROOT = "/usr/aarch64-linux-gnu"
TOOLS = {
    "aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
    "qemu-aarch64-static": "qemu-user-static",
}
lacking = [package for tool, package in TOOLS.items() if shutil.which(tool) is None]
pytestmark = pytest.mark.skipif(
    bool(lacking), reason=f"no cross tools for arm64: apt install {' '.join(lacking)}"
)
FLAGS = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", f"-I{ROOT}"]
ETH = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
PACKETS = [
    ETH / IP(src="10.0.0.1", dst="10.0.0.2") / TCP(sport=1, dport=2) / Raw(b"hello"),
    ETH / Dot1Q(vlan=5) / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=3, dport=4) / Raw(b"x" * 37),
    ETH / IPv6(src="fd20::1", dst="fd20::2") / IPv6ExtHdrHopByHop() / TCP(sport=5, dport=6),
    ETH / IP(src="10.0.0.1", dst="10.0.0.2", frag=7) / ICMP(),
    ETH / ARP(),
]


def answers(program: list[str], questions: str) -> str:
    done = subprocess.run(program, input=questions, capture_output=True, text=True, timeout=300, check=True)
    return done.stdout


def test_packets_are_parsed_and_changed_as_natively(tmp_path: Path) -> None:
    source = str(ROOT / "tests" / "rigs" / "packet_driver.c")
    native, foreign = tmp_path / "native", tmp_path / "arm64"
    subprocess.run(["gcc", *FLAGS, "-o", str(native), source], check=True)
    subprocess.run(["aarch64-linux-gnu-gcc", *FLAGS, "-o", str(foreign), source], check=True)
    head = foreign.read_bytes()[:20]
    assert head[:4] == b"\x7fELF" and head[18:20] == b"\xb7\x00"  # EM_AARCH64
    whole = [bytes(packet) for packet in PACKETS]
    cut = [data[:length] for data in whole for length in range(0, len(data), 3)]
    questions = "".join(f"parse 0 0 {data.hex() or '-'}\n" for data in [*whole, *cut])
    questions += "".join(f"fix 0 0 {data.hex()}\n" for data in whole)
    emulated = answers(["qemu-aarch64-static", "-L", LIBRARY_ROOT, str(foreign)], questions)
    assert emulated == answers([str(native)], questions)
    assert len(emulated.splitlines()) == len(whole) * 2 + len(cut)


@pytest.mark.long
@pytest.mark.parametrize("source", sorted((ROOT / "itf").glob("*.c")), ids=lambda path: path.name)
def test_the_forwarder_compiles_without_a_warning(source: Path, tmp_path: Path) -> None:
    if "<pcap/" in source.read_text():
        pytest.skip("needs libpcap's headers for arm64: make test-arm64 fetches them")
    words = ["aarch64-linux-gnu-gcc", *FLAGS, "-c", str(source), "-o", str(tmp_path / "made.o")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
