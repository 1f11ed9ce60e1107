"""Measurements are what IFA 027 says of readings that are known; thresholds are crossed as SOL003 says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coven.rest.sol.vnfpm import measurements
from coven.rest.sol.vnfpm.collecting import DOWN, UP, _next, crossing, wanted
from coven.rest.sol.vnfpm.measurements import MEASUREMENTS, WHOLE, ObjectType, Reading, Window

IN, OUT = ("in", "in"), ("in", "out")


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two cores, 1000 bytes."""
    monkeypatch.setattr(measurements, "_cores", lambda: 2)
    monkeypatch.setattr(measurements, "_bytes", lambda: 1000)


def reading(at: float, cpu: float, memory: int = 100, packets: int = 0, source: object = "one") -> Reading:
    return Reading(at, source, {WHOLE: cpu, "a": cpu / 2}, {WHOLE: memory, "a": 10}, {IN: packets, OUT: 0},
                   {IN: packets * 60, OUT: 0})  # fmt: skip


def measured(kind: ObjectType, window: Window, part: str) -> dict[str, float | None]:
    return {name: value(window, part) for name, value in MEASUREMENTS[kind].items()}


def test_shares_and_counts() -> None:
    window = Window()
    for each in (reading(10, 1.0, 100, 5), reading(11, 2.5, 300, 7), reading(13, 3.0, 200, 25)):
        window.add(each)
    assert measured(ObjectType.VNF, window, WHOLE) == {
        "VCpuUsageMeanVnf": 33.333, "VCpuUsagePeakVnf": 75.0, "VMemoryUsageMeanVnf": 20.0, "VMemoryUsagePeakVnf": 30.0,
    }  # fmt: skip
    assert measured(ObjectType.VNFC, window, "a")["VCpuUsagePeakVnf"] == 37.5
    assert measured(ObjectType.EXTERNAL, window, "in") == {
        "ByteIncomingVnfExtCp": 1200, "ByteOutgoingVnfExtCp": 0, "PacketIncomingVnfExtCp": 20,
        "PacketOutgoingVnfExtCp": 0,
    }  # fmt: skip
    # the next window begins where this one ends: nothing is counted twice, or not at all
    following = window.following()
    following.add(reading(14, 3.0, 200, 30))
    assert measured(ObjectType.EXTERNAL, following, "in")["PacketIncomingVnfExtCp"] == 5


def test_what_was_not_there_has_no_value() -> None:
    empty, single, gone, other = Window(), Window(), Window(), Window()
    single.add(reading(1, 1.0))
    for each in (reading(1, 1.0), None):
        gone.add(each)
    for each in (reading(1, 9.0, packets=100), reading(2, 1.0, packets=3, source="two"),
                 reading(3, 2.0, packets=4, source="two")):  # fmt: skip
        other.add(each)
    for window in (empty, single, gone):
        assert measured(ObjectType.EXTERNAL, window, "in")["PacketIncomingVnfExtCp"] is None
        assert measured(ObjectType.VNF, window, WHOLE)["VCpuUsageMeanVnf"] is None
    # another life of the VNF: its own packets, no difference to those of the one before
    assert measured(ObjectType.EXTERNAL, other, "in")["PacketIncomingVnfExtCp"] == 1
    assert measured(ObjectType.VNFC, other, "b") == dict.fromkeys(MEASUREMENTS[ObjectType.VNFC])


@given(st.lists(st.tuples(st.floats(0.5, 5), st.integers(0, 100)), min_size=2, max_size=20), st.integers(1, 5))
def test_windows_lose_nothing(steps: list[tuple[float, int]], size: int) -> None:
    at, packets, window, counted = 0.0, 0, Window(), 0
    window.add(reading(at, 0.0))
    for number, (seconds, more) in enumerate(steps, 1):
        at, packets = at + seconds, packets + more
        window.add(reading(at, 0.0, packets=packets))
        if number % size == 0 or number == len(steps):
            counted += int(MEASUREMENTS[ObjectType.EXTERNAL]["PacketIncomingVnfExtCp"](window, "in") or 0)
            window = window.following()
    assert counted == packets


def test_crossing() -> None:
    details = {"thresholdValue": 10, "hysteresis": 2}
    directions, told = None, []
    for value in (5, 11, 12, 15, 9, 12, 8, 7, 13):
        found = crossing(details, value, directions)
        told.append(found)
        directions = found or directions
    assert told == [DOWN, None, UP, None, None, None, DOWN, None, UP]
    assert crossing(details, None, UP) is None
    # without hysteresis a value that stays where it is crosses once
    assert [crossing({"thresholdValue": 0}, 0, before) for before in (None, UP, DOWN)] == [UP, None, UP]


def test_which_measurements_are_wanted() -> None:
    criteria = {"performanceMetric": ["VCpuUsageMeanVnf.one", "VCpuUsagePeakVnf"],
                "performanceMetricGroup": ["VirtualisedComputeResource"]}  # fmt: skip
    assert wanted(ObjectType.VNF, criteria, "one") == [
        "VCpuUsageMeanVnf.one", "VCpuUsagePeakVnf", "VCpuUsageMeanVnf", "VMemoryUsageMeanVnf", "VMemoryUsagePeakVnf"
    ]  # fmt: skip
    assert "VCpuUsageMeanVnf.one" not in wanted(ObjectType.VNF, criteria, "two")


@given(st.floats(0, 1e6), st.floats(0.5, 1e4), st.floats(0, 1e5))
def test_what_was_slept_through_is_not_made_up_for(due: float, period: float, late: float) -> None:
    following = _next(due, period, due + late)
    assert following > due + late - 1e-6 * max(1.0, due) and following - (due + late) <= period * 1.001
