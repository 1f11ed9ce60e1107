"""Captures as ports on the keeper's side: what vns/pcap.py opens, and what it refuses with which words."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vns.pcap as captures


def pcap(link: int = 1) -> bytes:
    """A pcap file with one packet of 14 bytes."""
    packet = struct.pack("<IIII", 1, 2, 14, 14) + bytes(14)
    return struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, link) + packet


def pcapng(*links: int, order: str = "<") -> bytes:
    """A pcapng file that describes interfaces and holds no packet."""
    bodies = [(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))]
    bodies += [(1, struct.pack(order + "HHI", link, 0, 0)) for link in links]
    out = b""
    for kind, body in bodies:
        length = struct.pack(order + "I", len(body) + 12)
        out += struct.pack(order + "I", kind) + length + body + length
    return out


def refused(action: Callable[[], Any]) -> list[dict[str, Any]]:
    with pytest.raises(captures.PortRefused) as caught:
        action()
    for mistake in caught.value.mistakes:
        assert mistake.file and mistake.found and mistake.expected
    return [mistake.as_dict() for mistake in caught.value.mistakes]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "an empty file"),
        (b"hello, this is no capture at all", "not a capture (it begins with 68 65 6c 6c)"),
        (b"\xd4", "not a capture"),
        (pcap()[:20], "cut short (20 of 24 bytes)"),
        (b"\x1f\x8b\x08" + bytes(50), "gzip"),
        (pcapng(), "describes no interface"),
        (pcap(127), "link type IEEE802_11_RADIO (127)"),
        (pcap(65000), "link type unknown (65000)"),
        (pcapng(220, 1), "link type USB_LINUX_MMAPPED (220)"),
    ],
)
def test_what_is_no_capture_is_refused_with_its_reason(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(data)
    (mistake,) = refused(lambda: captures.open("in", path))
    assert words in mistake["found"] and mistake["field"] == "ports.in.read" and mistake["file"] == str(path)
    if "link type" in words:
        assert "Linux cooked v1 and v2" in mistake["expected"]
    assert words in (captures.probe(path) or "")


def test_both_files_are_judged_at_once_and_nothing_is_left(tmp_path: Path) -> None:
    fds = os.listdir("/proc/self/fd")
    mistakes = refused(lambda: captures.open("in", tmp_path / "missing", tmp_path / "no" / "folder.pcap"))
    assert [m["field"] for m in mistakes] == ["ports.in.read", "ports.in.write"]
    assert "missing does not exist" in mistakes[0]["found"]
    assert f"{tmp_path / 'no'} does not exist" in mistakes[1]["found"]
    refused(lambda: captures.open("in", tmp_path / "missing", tmp_path / "new.pcap"))
    assert list(tmp_path.iterdir()) == []
    assert os.listdir("/proc/self/fd") == fds


def test_a_failed_start_keeps_the_old_file(tmp_path: Path) -> None:
    old = tmp_path / "old.pcap"
    old.write_bytes(pcap())
    refused(lambda: captures.open("out", tmp_path / "missing", old))
    captures.open("out", None, old).close()
    assert old.read_bytes() == pcap()


def test_folders_and_devices_are_refused(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path in tmp_path, fifo, Path("/dev/zero"):
        (mistake,) = refused(lambda path=path: captures.open("in", path))
        assert mistake["found"] in ("a directory", "not a regular file")
    (mistake,) = refused(lambda: captures.open("in", None, tmp_path))
    assert mistake["found"] == "a directory"
    refused(lambda: captures.open("in", None, Path("/dev/full")))


def test_no_two_ports_write_one_file_or_what_another_reads(tmp_path: Path) -> None:
    path, link = tmp_path / "x.pcap", tmp_path / "link.pcap"
    path.write_bytes(pcap())
    link.symlink_to(path)
    (mistake,) = refused(lambda: captures.open("in", path, path))
    assert mistake["field"] == "ports.in.write" and "reads or writes now" in mistake["found"]
    reader = captures.open("in", path)
    again = captures.open("other", path)  # two readers are fine
    refused(lambda: captures.open("out", None, link))
    reader.close()
    again.close()
    writer = captures.open("out", None, path)
    refused(lambda: captures.open("in", link))
    refused(lambda: captures.open("out2", None, path))
    writer.close()
    captures.open("in", path).close()


def test_what_an_open_port_says(tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(pcapng(101, order=">"))
    port = captures.open("in", path)
    assert (port.parameters, port.link, port.kind, port.mtu, len(port.fds)) == ([2], 1, 3, 1500, 1)
    assert port.why == f"reads {path}"
    port.close()
    port.close()
