"""Small packages and captures that tests write for themselves."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw
from scapy.utils import wrpcap

FORWARD_C = "#include <coven/vnfc.h>\nVNFC_HANDLE { return VNFC_FORWARD; }\n"
SMALL_C = """#include <coven/vnfc.h>
VNFC_REASON(small, "too small a packet");
VNFC_HANDLE { return p->len < 60 ? VNFC_DROP(small) : VNFC_FORWARD; }
"""
ODD_PY = """from vnfc import config, counter, drop, forward, reason
odd = reason("odd", "an odd source port")
seen = counter("seen", "packets seen", "packets")
def handle(packet):
    seen.add()
    return drop(odd) if packet.udp and packet.udp.sport % config["modulus"] else forward()
"""


def package(folder: Path, descriptor: str, **sources: str) -> Path:
    """A package: `filter_c="..."` becomes filter.c. Returns the folder."""
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    (folder / "vnf.yaml").write_text('name: tested\nversion: "1"\n' + descriptor)
    for name, text in sources.items():
        (folder / ".".join(name.rsplit("_", 1))).write_text(text)
    return folder


def two_languages(folder: Path) -> Path:
    """A Python VNFC, then one in C."""
    return package(
        folder,
        "vnfcs:\n"
        "  analyzer: {source: analyzer.py, config: {modulus: 2}}\n"
        "  filter: {source: filter.c}\n"
        "chain: in -> analyzer -> filter -> out\n",
        analyzer_py=ODD_PY,
        filter_c=SMALL_C,
    )


def datagram(number: int, size: int) -> Packet:
    """A UDP packet from port `number`, with `size` bytes of payload."""
    packet = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(src="10.0.0.1", dst="10.0.0.2")
    return packet / UDP(sport=number, dport=9) / Raw(bytes(size))


def capture(path: Path, packets: Iterable[Packet], spacing: float = 0.001) -> Path:
    """Write a capture that begins at 1000 s, packets `spacing` seconds apart."""
    timed = list(packets)
    for number, packet in enumerate(timed):
        packet.time = 1000 + number * spacing
    wrpcap(str(path), timed)
    return path
