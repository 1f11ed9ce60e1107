"""Captures of every kind through a real forwarder and a real VNFC."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from coven.cases.packets import Packet, read_capture, write_captures
from coven.run.foreground import run_captures

ROOT = Path(__file__).resolve().parents[3]
FORWARD = ROOT / "packages" / "forward" / "c.yaml"
IP = bytes.fromhex("4500001c00000000401166c0c0000201c000020203e8003500080000")
ETHERNET = bytes(12) + b"\x08\x00" + IP
KINDS = {
    1: bytes(12) + b"\x08\x00",
    101: b"",
    113: bytes(14) + b"\x08\x00",
    276: b"\x08\x00" + bytes(18),
    0: struct.pack("<I", 2),
    108: struct.pack(">I", 2),
}


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVEN_STATE", str(tmp_path / "state"))


def arriving(folder: Path, packets: list[bytes], link: int = 1) -> str:
    made = [Packet("in", 10**18 + i * 1001, link, data, len(data)) for i, data in enumerate(packets)]
    return str(write_captures(made, folder, "in")["in"])


def through(folder: Path, source: str) -> tuple[dict[str, Any], list[Packet]]:
    out = folder / "out.pcap"
    document = run_captures(FORWARD, {"in": {"read": source}, "out": {"write": str(out)}}, {}, 1)
    assert document["unaccounted"] == document["in_flight"] == 0
    return document, read_capture(out)


@pytest.mark.parametrize("link", KINDS)
def test_every_link_type(tmp_path: Path, link: int) -> None:
    packets = [KINDS[link] + IP + bytes([i]) for i in range(100)]
    document, left = through(tmp_path, arriving(tmp_path, packets, link))
    assert document["forwarded"] == 100 and document["ports"]["in"]["backend"] == "pcap"
    assert [p.data[-29:] for p in left] == [p[-29:] for p in packets]
    assert {p.link for p in left} == {1 if link == 1 else 101}
    assert [p.time_ns for p in left] == [10**18 + i * 1001 for i in range(100)]


def test_what_cannot_come_in_is_dropped_by_name(tmp_path: Path) -> None:
    source = arriving(tmp_path, [ETHERNET, ETHERNET + bytes(9000), b"runt", ETHERNET])
    with open(source, "ab") as file:  # and a packet that breaks off
        file.write(struct.pack("<IIII", 1, 2, 100, 100) + b"cut")
    document, left = through(tmp_path, source)
    assert document["dropped"] == {"in.oversize": 1, "in.truncated": 2}
    assert document["received"] == 5 and len(left) == 2
    assert any("breaks off" in str(line) for line in document["logs"])


def test_a_run_gives_the_same_bytes_again(tmp_path: Path) -> None:
    source = arriving(tmp_path, [ETHERNET + bytes([i % 256]) * (i % 1400) for i in range(5000)])
    through(tmp_path, source)
    first = (tmp_path / "out.pcap").read_bytes()
    through(tmp_path, source)
    assert (tmp_path / "out.pcap").read_bytes() == first
