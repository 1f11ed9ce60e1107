"""Time in captures: gaps between packets, what is due after the last one, seconds of other centuries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from coven.cases.packets import Packet, read_capture, write_captures
from coven.run.foreground import run_captures
from tests.rigs.packages import datagram, package

S = 10**9
VNF = "vnfcs: {one: {source: one.py}}\nchain: in -> one -> out\n"
#: where what leaves by `in` is written too, this joins: one packet at a time is let in
TWO = "vnfcs: {one: {source: one.py}, two: {source: two.py}}\nchain: in -> one -> two -> out\n"
FORWARD = "from vnfc import forward\ndef handle(packet):\n    return forward()\n"
EVERY = """
from vnfc import counter, every, forward
runs = counter("runs", "runs of the timer", "runs")
@every(0.01)
def tick():
    runs.add()
def handle(packet):
    return forward()
"""
LATE = """
from vnfc import after, consume, emit, new_packet
def handle(packet):
    raw = bytes(packet.data)
    after(DELAY, lambda: emit(new_packet(raw)))
    return consume()
"""
HELD = """
from vnfc import after, forward, hold, release
def handle(packet):
    kept = hold(packet)
    after(DELAY, lambda: release(packet, forward()))
    return kept
"""


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVEN_STATE", str(tmp_path / "state"))


def run(folder: Path, source: str, times: list[int], descriptor: str = VNF) -> tuple[dict[str, Any], list[Packet]]:
    """The figures, and what left; a packet came in at each of the times (ns)."""
    pkg = package(folder / "p", descriptor, one_py=source, two_py=FORWARD)
    packets = [Packet("in", when, 1, (data := bytes(datagram(i, 20))), len(data)) for i, when in enumerate(times, 1)]
    read, out = write_captures(packets, folder, "in")["in"], folder / "out.pcap"
    back = {"write": str(folder / "back.pcap")} if descriptor == TWO else {}
    ports = {"in": {"read": str(read), **back}, "out": {"write": str(out)}}
    document = run_captures(pkg / "vnf.yaml", ports, {}, 1)
    assert document["unaccounted"] == document["in_flight"] == 0
    return document, read_capture(out)


@pytest.mark.parametrize("gap", [100 * S, 1_700_000_000 * S])
@pytest.mark.parametrize("descriptor", [VNF, TWO])
def test_a_gap_is_gone_through_for_a_minute_and_then_one_step(tmp_path: Path, descriptor: str, gap: int) -> None:
    document, left = run(tmp_path, EVERY, [1 * S, 1 * S + gap], descriptor)
    assert document["vnfcs"]["one"]["metrics"]["runs"] == 60 * 100 + 1
    assert [p.time_ns for p in left] == [1 * S, 1 * S + gap]


def test_a_gap_within_a_minute_runs_every_timer(tmp_path: Path) -> None:
    document, _ = run(tmp_path, EVERY, [1 * S, 61 * S])
    assert document["vnfcs"]["one"]["metrics"]["runs"] == 60 * 100


def test_what_is_due_in_a_gap_comes_with_its_end(tmp_path: Path) -> None:
    _, left = run(tmp_path, LATE.replace("DELAY", "600"), [1 * S, 10_000 * S])
    assert [p.time_ns for p in left] == [10_000 * S]


def test_what_is_due_after_the_last_packet_comes(tmp_path: Path) -> None:
    document, left = run(tmp_path, LATE.replace("DELAY", "0.5"), [5 * S, 6 * S])
    assert document["originated"] == document["forwarded"] == document["consumed"] == 2
    assert [p.time_ns for p in left] == [5 * S + S // 2, 6 * S + S // 2]


def test_a_minute_after_the_last_packet_is_the_end(tmp_path: Path) -> None:
    document, left = run(tmp_path, LATE.replace("DELAY", "60.5"), [5 * S, 6 * S])
    assert [p.time_ns for p in left] == [65 * S + S // 2]
    assert document["originated"] == 1 and document["consumed"] == 2


@pytest.mark.parametrize("descriptor", [VNF, TWO])
def test_what_is_held_longer_is_dropped_by_name(tmp_path: Path, descriptor: str) -> None:
    document, left = run(tmp_path, HELD.replace("DELAY", "60.5"), [5 * S, 6 * S], descriptor)
    assert [p.time_ns for p in left] == [65 * S + S // 2]
    assert document["dropped"] == {"one.shutdown": 1}


@pytest.mark.parametrize("second", [2**31 + 5, 2**32 - 1])
def test_seconds_until_2106(tmp_path: Path, second: int) -> None:
    _, left = run(tmp_path, LATE.replace("DELAY", "0.25"), [second * S])
    assert [p.time_ns for p in left] == [second * S + S // 4]
