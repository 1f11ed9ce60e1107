"""Any bytes as a capture: libFuzzer over the reader, with ASan and UBSan, from one capture of each kind."""

from __future__ import annotations

import struct
from pathlib import Path

from tests.rigs.fuzzer import survives

RUNS, LONG_RUNS = 20_000, 2_000_000
IP = bytes.fromhex("4500001c00000000401166c0c0000201c000020203e8003500080000")
HEADERS = {
    1: bytes(12) + b"\x08\x00",
    101: b"",
    113: bytes(14) + b"\x08\x00",
    276: b"\x08\x00" + bytes(18),
    0: struct.pack("<I", 2),
    108: struct.pack(">I", 2),
}


def pcap(link: int, data: bytes) -> bytes:
    record = struct.pack("<IIII", 5, 6, len(data), len(data)) + data
    return struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, link) + 2 * record


def pcapng(link: int, data: bytes) -> bytes:
    out = b""
    for kind, body in (
        (0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)),
        (1, struct.pack("<HHI", link, 0, 0)),
        (6, struct.pack("<IIIII", 0, 1, 2, len(data), len(data)) + data + bytes(-len(data) % 4)),
    ):
        length = struct.pack("<I", len(body) + 12)
        out += struct.pack("<I", kind) + length + body + length
    return out


def test_the_reader_survives_any_file(tmp_path: Path, long_run: bool) -> None:
    sources = ["tests/fuzz/fuzz_pcap.c", "vns/pcap_read.c", "vns/pcapng.c"]
    seeds = {f"pcap-{link}": pcap(link, header + IP) for link, header in HEADERS.items()}
    seeds |= {f"pcapng-{link}": pcapng(link, header + IP) for link, header in HEADERS.items()}
    survives(tmp_path, sources, seeds, LONG_RUNS if long_run else RUNS, largest=2048, libs=["-lpcap"])
