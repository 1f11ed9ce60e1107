"""What docs/authors.md says of debuggers: breakpoint() in a Python VNFC, gdb on one in C, while packets wait."""

from __future__ import annotations

import json
import os
import pty
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from coven.keeper.hosts.cores import PATTERN
from coven.package.scaffold import new
from tests.rigs.packages import capture, datagram
from tests.rigs.packages import package as make_package

ROOT = Path(__file__).resolve().parents[3]


class Terminal:
    """`coven run PACKAGE --debug filter` at a terminal of its own."""

    def __init__(self, folder: Path, package: Path):
        wire = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(src="192.0.2.1", dst="198.51.100.2")
        source = capture(folder / "in.pcap", [wire / TCP(sport=40000, dport=23)])
        self.master, other = pty.openpty()
        words = ("run", str(package), "--in", str(source), "--out", str(folder / "out.pcap"), "--debug", "filter")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "coven", *words],
            cwd=ROOT, stdin=other, stdout=other, stderr=other, start_new_session=True,
            env={**os.environ, "COVEN_STATE": str(folder / "state")},
        )  # fmt: skip
        os.close(other)
        self.said = ""

    def until(self, word: str) -> str:
        while word not in self.said:
            try:
                data = os.read(self.master, 4096)
            except OSError:  # it has ended
                data = b""
            assert data, f"no {word!r} in {self.said}"
            self.said += data.decode("utf-8", "replace")
        before, self.said = self.said.split(word, 1)
        return before

    def type(self, line: str) -> None:
        os.write(self.master, f"{line}\n".encode())

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(60)
        os.close(self.master)


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        terminal.close()


def test_a_breakpoint_in_python(tmp_path: Path, terminals: list[Terminal]) -> None:
    package = tmp_path / "fw"
    new(package, "python")
    source = package / "filter.py"
    source.write_text(source.read_text().replace("        return drop", "        breakpoint()\n        return drop"))
    terminals.append(terminal := Terminal(tmp_path, package))
    terminal.until("(Pdb) ")
    terminal.type("p packet.tcp.dport, packet.ip.src")
    assert "(23, '192.0.2.1')" in terminal.until("(Pdb) ")
    terminal.type("continue")
    terminal.until("in: drop filter.telnet")
    total = terminal.until("dropped:").split("the whole VNF")[1].split()
    assert total[0] == "1" and total[-1] == "0", "received, unaccounted"


@pytest.mark.root
@pytest.mark.skipif(shutil.which("gdb") is None, reason="needs gdb")
def test_gdb_on_c(tmp_path: Path, terminals: list[Terminal]) -> None:
    package = tmp_path / "fw"
    new(package, "c")
    source = package / "filter.c"
    source.write_text('#pragma GCC optimize("O0")\n' + source.read_text())
    line = next(n for n, text in enumerate(source.read_text().splitlines(), 1) if "return tcp" in text)
    terminals.append(terminal := Terminal(tmp_path, package))
    found = re.search(r"gdb -p (\d+)", terminal.until("Enter lets packets come"))
    assert found is not None
    commands = (f"break filter.c:{line}", "echo ready\\n", "continue", "print net16(tcp->dport)", "print p->len")
    gdb = subprocess.Popen(
        ["gdb", "-q", "-nx", "-batch", "-p", found[1], *(w for c in commands for w in ("-ex", c))],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert gdb.stdout is not None
    for text in gdb.stdout:
        if text.startswith("ready"):
            break
    terminal.type("")
    told = gdb.stdout.read()
    gdb.stdout.close()
    assert gdb.wait(60) == 0 and "$2 = 54" in told, told
    terminal.until("in: drop filter.telnet")


CRASH_C = """#include <coven/vnfc.h>
VNFC_HANDLE
{
	uint32_t len = p->len;
	if (vnfc_udp(p))
		*(volatile uint32_t *)8 = len;
	return VNFC_FORWARD;
}
"""


@pytest.mark.skipif(shutil.which("gdb") is None, reason="needs gdb")
@pytest.mark.skipif(resource.getrlimit(resource.RLIMIT_CORE)[1] == 0, reason="core dumps are forbidden here")
@pytest.mark.skipif(PATTERN.read_text().startswith("|"), reason="core dumps go to a program here")
def test_a_core_dump_in_c(tmp_path: Path) -> None:
    made = make_package(tmp_path / "p", "vnfcs: {one: {source: one.c}}\nchain: in -> one -> out\n", one_c=CRASH_C)
    source = capture(tmp_path / "in.pcap", [datagram(1, 20)])
    words = ("run", str(made), "--in", str(source), "--debug", "one", "--json", str(tmp_path / "figures.json"))
    done = subprocess.run(
        [sys.executable, "-P", "-m", "coven", *words], cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=120, check=False, env={**os.environ, "COVEN_STATE": str(tmp_path / "state")},
    )  # fmt: skip
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["dropped"] == {"one.died": 1} and figures["unaccounted"] == 0
    assert not list((tmp_path / "state" / "run").glob("run-*"))
    found = re.search(r"one: core dump: (gdb .*)", done.stderr)
    assert found is not None, done.stderr
    assert {path.name for path in (tmp_path / "one.core").iterdir()} == {"core", "one.so"}
    command = f"{found[1]} -q -nx -batch -ex bt -ex 'print *p' -ex 'x/2xb p->data + 12'"
    told = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=120, check=False).stdout
    assert "one.c:6" in told and "SIGSEGV" in told, told
    assert re.search(r"0x08\s+0x00", told), f"the packet is in it, too: {told}"
