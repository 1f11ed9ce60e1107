"""`coven run --capture`: exactly what passes each place, when the capture that is read says, and why it is dropped."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agents.pcapng import Blocks, Packet
from tests.integration.run.test_run import PACKETS, ROOT, run, sample
from tests.rigs.packages import two_languages


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COVEN_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def read(data: bytes) -> dict[str, list[Packet]]:
    """The packets of each place."""
    blocks = Blocks()
    packets = [packet for _, packet in blocks.feed(data) if packet is not None]
    for each in blocks.interfaces:
        assert each.figures["missed"] == 0 and each.figures["delivered"] == each.captured
    return {each.name: [packet for packet in packets if packet.interface is each] for each in blocks.interfaces}


def test_what_passes_and_what_is_dropped(tmp_path: Path) -> None:
    pkg, source, file = two_languages(tmp_path / "p"), sample(tmp_path), tmp_path / "all.pcapng"
    at = "in:arriving,analyzer:behind,filter:before,filter.small,out"
    done = run(pkg, "--in", source, "--out", tmp_path / "o.pcap", "--capture", file, "--at", at)
    assert done.returncode == 0 and "missing" not in done.stderr, done.stderr
    found = read(file.read_bytes())
    even = [i for i in range(PACKETS) if (i + 1) % 2 == 0]
    left = [i for i in even if 42 + i % 100 >= 60]
    assert {name: len(packets) for name, packets in found.items()} == {
        "in:arriving": PACKETS, "analyzer:behind": PACKETS, "filter:before": len(even),
        "filter.small": len(even) - len(left), "out": len(left),
    }  # fmt: skip
    assert [packet.time_ns for packet in found["in:arriving"]] == [
        1000 * 10**9 + i * 10**6 for i in range(PACKETS)
    ]  # fmt: skip
    assert {packet.comments for packet in found["filter.small"]} == {("drop filter.small (too small a packet)",)}

    done = run(pkg, "--in", source, "--capture", file, "--drops", "--filter", "udp src port 1 or udp src port 3")
    assert done.returncode == 0, done.stderr
    assert [packet.comments[0].split()[1] for packet in read(file.read_bytes())["drops"]] == ["analyzer.odd"] * 2


def test_into_a_pipe(tmp_path: Path) -> None:
    pkg, source = two_languages(tmp_path / "p"), sample(tmp_path)
    words = [sys.executable, "-m", "coven.run", str(pkg), "--in", str(source), "--capture", "-", "--at", "in"]
    done = subprocess.run(words, capture_output=True, cwd=ROOT, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert len(read(done.stdout)["in"]) == PACKETS and b"the whole VNF" in done.stderr


def test_mistakes(tmp_path: Path) -> None:
    pkg, source = two_languages(tmp_path / "p"), sample(tmp_path)
    done = run(pkg, "--in", source, "--at", "in", "--drops")
    assert done.returncode == 2 and "--at: found" in done.stderr and "--drops: found" in done.stderr, done.stderr
    done = run(pkg, "--in", source, "--out", "-", "--capture", "-")
    assert done.returncode == 2 and "--capture: found - twice" in done.stderr, done.stderr
    done = run(pkg, "--in", source, "--capture", tmp_path / "no" / "x.pcapng")
    assert done.returncode == 1 and "--capture" in done.stderr and "no/x.pcapng" in done.stderr, done.stderr
    file = tmp_path / "x.pcapng"
    done = run(pkg, "--in", source, "--capture", file, "--at", "inn,filter.smal", "--filter", "udp prot 9")
    assert done.returncode == 1 and not file.exists(), done.stderr
    assert all(word in done.stderr for word in ("found inn", "found filter.smal", "udp prot 9")), done.stderr
