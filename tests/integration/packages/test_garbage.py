"""What we give as models survives garbage: no process of theirs ends, nothing is dropped for an exception."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from scapy.utils import wrpcap

from coven.package.descriptor import load
from coven.package.languages import unavailable
from coven.run.foreground import run_captures
from tests.rigs.keeper import KeeperRig
from tests.rigs.packages import datagram

ROOT = Path(__file__).resolve().parents[3]
DESCRIPTORS = sorted(
    file for file in (ROOT / "packages").glob("*/*.yaml") if "\nchain" in file.read_text() and file.is_file()
)


def garbage() -> list[bytes]:
    """Packets cut at each byte of their headers, and random ones that begin like IP, ARP, a tag, or nothing."""
    dice = random.Random(7)
    whole = bytes(datagram(7, 60))
    cut = [whole[:n] for n in range(1, len(whole))]
    starts = (b"", *(bytes(12) + kind for kind in (b"\x08\x00", b"\x86\xdd", b"\x08\x06", b"\x81\x00", b"\x89\x4f")))
    noise = [(start + dice.randbytes(100))[: dice.randrange(1, 114)] for start in starts for _ in range(40)]
    return cut + noise


@pytest.mark.parametrize("file", DESCRIPTORS, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_garbage(tmp_path: Path, file: Path) -> None:
    descriptor = load(file)
    if absent := unavailable(descriptor):
        pytest.skip(str(absent[0].found))
    packets = garbage()
    read = tmp_path / "in.pcap"
    wrpcap(str(read), packets, linktype=1)
    first, *others = descriptor.ports
    ports = {first: {"read": str(read)}, **{name: {"write": str(tmp_path / f"{name}.pcap")} for name in others}}
    status = run_captures(file, ports, {}, 1)
    KeeperRig.assert_accounted(status)
    assert status["received"] == len(packets) and status["in_flight"] == 0
    bad = {name: n for name, n in status["dropped"].items() if name.endswith((".died", ".exception", ".down", ".hung"))}
    assert not bad, status["logs"]
    assert {name: vnfc["restarts"] for name, vnfc in status["vnfcs"].items()} == dict.fromkeys(status["vnfcs"], 0)
