"""Who hangs, by what stands in the segment: real structs, a clock that the test moves."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from coven.keeper.hosts.process import CONFIGURE_SECONDS, DIED, HUNG
from coven.keeper.hosts.watchdog import EXCEPTIONS, EXCEPTIONS_SECONDS, IDLE_SECONDS, LOOK_SECONDS, Watchdog
from itf.segment import C, ffi


class Host:
    """What the watchdog sees of a host process."""

    def __init__(self, name: str, number: int, debug: bool = False):
        self.name, self.number, self.generation, self.state = name, number, 1, "running"
        self.plan = SimpleNamespace(debug=debug)
        self.head = ffi.new("struct hop_header *")
        self.killed: list[tuple[Any, str]] = []

    def kill(self, kind: Any, why: str) -> None:
        self.killed.append((kind, why))

    def hung(self, why: str) -> None:
        self.kill(HUNG, why)

    def waiting(self, packets: int) -> None:
        """So many packets are in its ring."""
        self.head.to_vnfc_head.position = self.head.to_vnfc_tail.position + packets


class Bed:
    def __init__(self, monkeypatch: pytest.MonkeyPatch, *hosts: Host):
        self.now = 1000.0
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.published = ffi.new("struct statistics *")
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        loop: Any = SimpleNamespace(later=self._later)
        seen: Any = SimpleNamespace(published=self.published)
        watched: Any = hosts
        self.watchdog = Watchdog(lambda: watched, seen, loop, lambda: None)

    def _later(self, seconds: float, call: Callable[[], None]) -> Any:
        self.timers.append((seconds, call))
        return SimpleNamespace(cancel=self.timers.clear)

    def look(self, late: float = 0.0) -> float:
        """The next look, so many seconds late; gives the time to the one after."""
        [(seconds, call)] = self.timers
        self.timers.clear()
        self.now += seconds + late
        call()
        return self.timers[0][0]

    def has(self, host: Host, packets: int) -> None:
        """So many packets are at the host, outside its ring."""
        self.published.place[C.PLACE_HOP + host.number].in_flight = packets


def test_a_second_without_progress_is_a_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host("a", 0)
    bed = Bed(monkeypatch, host)
    assert bed.look() == IDLE_SECONDS, "nothing to do, seldom looked at"
    host.waiting(1)
    assert [bed.look() for _ in range(4)] == [LOOK_SECONDS] * 4
    assert host.killed == []
    bed.look()  # a second after it was first seen to do nothing
    [(kind, why)] = host.killed
    assert kind is HUNG and "no progress for 1 s" in why


def test_progress_or_nothing_to_do_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host("a", 0)
    bed = Bed(monkeypatch, host)
    for round_ in range(3):
        host.waiting(1)
        for _ in range(3):
            bed.look()
        if round_ == 0:
            host.head.progress += 1
        else:
            host.waiting(0)
        bed.look()
    assert host.killed == []


def test_a_machine_that_stood_still_is_nobodys_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host("a", 0)
    bed = Bed(monkeypatch, host)
    host.waiting(1)
    bed.look()
    bed.look(late=3600)
    assert host.killed == [], "an hour counts as half a second"


def test_what_it_holds_is_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host("a", 2)
    bed = Bed(monkeypatch, host)
    bed.has(host, 5)
    host.head.held = 5
    assert bed.look() == IDLE_SECONDS
    host.head.held = 4
    assert bed.look() == LOOK_SECONDS, "one is being worked on"
    host.head.host_asleep = 1
    assert bed.look() == IDLE_SECONDS, "who sleeps has given all back that it will"


def test_each_is_looked_at_for_itself_and_debugged_ones_never(monkeypatch: pytest.MonkeyPatch) -> None:
    stuck, fine, debugged, down = Host("a", 0), Host("b", 1), Host("c", 2, debug=True), Host("d", 3)
    bed = Bed(monkeypatch, stuck, fine, debugged, down)
    down.state = "down"
    for host in (stuck, fine, debugged, down):
        host.waiting(1)
    for _ in range(5):
        fine.head.progress += 1
        bed.look()
    assert [len(host.killed) for host in (stuck, fine, debugged, down)] == [1, 0, 0, 0]
    stuck.generation, stuck.killed = 2, []  # its successor has a second of its own
    for _ in range(4):
        fine.head.progress += 1
        bed.look()
    assert stuck.killed == []
    bed.look()
    assert len(stuck.killed) == 1


def test_configure_has_more_time(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host("a", 0)
    bed = Bed(monkeypatch, host)
    host.waiting(1)
    host.head.phase, host.head.busy_since = C.PHASE_CONFIGURING, int(bed.now * 1e9)
    while bed.now + LOOK_SECONDS <= 1000 + CONFIGURE_SECONDS:
        bed.look()
    assert host.killed == []
    bed.look()
    [(kind, why)] = host.killed
    assert kind is HUNG and "configure took longer" in why


def test_a_storm_of_exceptions(monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host("a", 0)
    bed = Bed(monkeypatch, host)
    bed.look()
    host.head.exceptions = EXCEPTIONS
    bed.look()
    assert host.killed == []
    while bed.now < 1000 + IDLE_SECONDS + EXCEPTIONS_SECONDS:
        bed.look()
    host.head.exceptions += EXCEPTIONS  # of another ten seconds
    bed.look()
    assert host.killed == []
    host.head.exceptions += 1
    bed.look()
    [(kind, why)] = host.killed
    assert kind is DIED and why == f"more than {EXCEPTIONS} exceptions in {EXCEPTIONS_SECONDS:g} s"


def test_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    bed = Bed(monkeypatch, Host("a", 0))
    bed.watchdog.stop()
    assert bed.timers == []
