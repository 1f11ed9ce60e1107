"""Any bytes as a capture: libFuzzer over the reader, with ASan and UBSan, from one capture of each kind."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUNS, LONG_RUNS = 20_000, 2_000_000
SANITIZE = ["-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=undefined"]
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
    program, corpus = tmp_path / "fuzz_pcap", tmp_path / "corpus"
    flags = ["-g", "-O1", "-std=gnu11", *SANITIZE, "-I.", "tests/fuzz/fuzz_pcap.c", "vns/pcap_read.c", "vns/pcapng.c"]
    built = subprocess.run(
        ["clang", *flags, "-o", program, "-lpcap"], cwd=ROOT, capture_output=True, text=True
    )
    if "fuzzer" in built.stderr and "cannot find" in built.stderr:
        pytest.skip("this clang has no libFuzzer (apt: libclang-rt-dev)")
    assert built.returncode == 0, built.stderr
    corpus.mkdir()
    for link, header in HEADERS.items():
        (corpus / f"pcap-{link}").write_bytes(pcap(link, header + IP))
        (corpus / f"pcapng-{link}").write_bytes(pcapng(link, header + IP))
    runs = LONG_RUNS if long_run else RUNS
    command = [program, f"-runs={runs}", "-max_len=2048", "-rss_limit_mb=1024", "-seed=1", corpus]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
