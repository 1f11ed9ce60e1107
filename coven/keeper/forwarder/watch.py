"""Whether the forwarder is there: reports asked of it for whoever reads figures, and what its silence means.

The forwarder answers MESSAGE_REPORT between two turns, after publishing figures that are complete up to then. One
that gives no sign of life (neither a turn nor an answer) for HUNG_SECONDS is ended, and so started again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from coven.keeper.loop import Loop, Timer
from itf.segment import C, Forwarder

LOOK_SECONDS = 1.0  #: between two looks; a forwarder at rest is woken as often
HUNG_SECONDS = 3.0  #: of silence, as far as we looked
TELL_SECONDS = 1.5  #: of silence, from which on health tells it
REPORT_SECONDS = 0.25  #: readers get the figures as they are when the forwarder takes longer
TRIES = 3  #: ends in a row without a turn, after which it counts as one that cannot start

_STATES = {
    C.FORWARDER_STARTING: "starting", C.FORWARDER_RUNNING: "running", C.FORWARDER_DRAINING: "draining",
    C.FORWARDER_DONE: "done",
}  # fmt: skip


@dataclass
class _Asked:
    number: int
    done: Callable[[], None]
    timer: Timer


class Reports:
    """`ask(done)`: call `done` once the published figures are complete up to now, or after REPORT_SECONDS. `send`
    sends the forwarder a number to answer. The forwarder is asked for one report at a time, however many wait."""

    def __init__(self, loop: Loop, send: Callable[[int], None]):
        self.loop = loop
        self.send = send
        self._number = 0
        self._answered = 0
        self._waiting: list[_Asked] = []

    def ask(self, done: Callable[[], None]) -> None:
        # one that is under way may have been made before the caller asked: the next one is his
        under_way = self._number > self._answered
        asked = _Asked(self._number + 1, done, self.loop.later(REPORT_SECONDS, lambda: self._late(asked)))
        self._waiting.append(asked)
        if not under_way:
            self._next()

    def ping(self) -> None:
        """Ask for one that nobody waits for."""
        self._next()

    def _next(self) -> None:
        self._number += 1
        self.send(self._number)

    def _late(self, asked: _Asked) -> None:
        self._waiting.remove(asked)
        asked.done()

    def answered(self, number: int) -> None:
        self._answered = number
        ready = [asked for asked in self._waiting if asked.number <= number]
        self._waiting = [asked for asked in self._waiting if asked.number > number]
        for asked in ready:
            asked.timer.cancel()
            asked.done()
        if self._waiting and self._number <= self._answered:
            self._next()

    def forget(self) -> None:
        """The forwarder ended: nobody answers what it was asked."""
        self._answered = self._number
        waiting, self._waiting = self._waiting, []
        for asked in waiting:
            asked.timer.cancel()
            asked.done()


class ForwarderWatch:
    """Watches the forwarder of a live VNF (a capture's may wait for a slow disk). `kill(why)` is called once when it
    hangs; `began` and `ended` tell of its processes."""

    def __init__(self, loop: Loop, forwarder: Forwarder, reports: Reports, kill: Callable[[str], None]):
        self.loop = loop
        self.forwarder = forwarder
        self.reports = reports
        self.kill = kill
        self.restarts = -1
        self.why: str | None = None  #: it cannot start, or hung: the last time
        self._up = False
        self._killed = False
        self._heartbeat = self._first = 0
        self._silent = 0.0  #: seconds, as far as we looked, without a sign of life
        self._alive = self._looked = time.monotonic()
        self._fruitless = 0
        self._timer: Timer | None = None

    def start(self) -> None:
        self._timer = self.loop.later(LOOK_SECONDS, self._look)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def began(self) -> None:
        self.restarts += 1
        self._up, self._killed = True, False
        self._heartbeat = self._first = int(self.forwarder.head.heartbeat)
        self._silent = 0.0
        self._alive = time.monotonic()

    def ended(self, why: str) -> None:
        moved = int(self.forwarder.head.heartbeat) != self._first
        self._first = int(self.forwarder.head.heartbeat)
        self._fruitless = 0 if moved else self._fruitless + 1
        if not self._killed:
            self.why = why
        self._up = False

    def sign(self) -> None:
        """It said something."""
        self._silent = 0.0
        self._fruitless = 0
        self._alive = time.monotonic()

    def _look(self) -> None:
        self._timer = self.loop.later(LOOK_SECONDS, self._look)
        now = time.monotonic()
        # where the whole machine stood still, or this process did, the forwarder is not to blame
        passed, self._looked = min(now - self._looked, LOOK_SECONDS), now
        if not self._up or self._killed:
            return
        heartbeat = int(self.forwarder.head.heartbeat)
        if heartbeat != self._heartbeat:
            self._heartbeat = heartbeat
            self.sign()
        else:
            self._silent += passed
        if self._silent >= HUNG_SECONDS:
            self._killed = True
            self.why = f"it hung: no turn and no answer for {self._silent:.0f} s"
            self.kill(self.why)
        else:
            self.reports.ping()

    @property
    def silence(self) -> float:
        """Seconds since its last sign of life; one at rest gives one a second."""
        return max(0.0, time.monotonic() - self._alive)

    @property
    def state(self) -> str:
        """starting | running | draining | done; hung: without a sign of life, and ended soon; down: ended, started
        again soon; failed: it ended each time before its first turn, which is tried again for ever."""
        if self._fruitless >= TRIES:
            return "failed"
        if not self._up:
            return "down"
        if self._timer is not None and (self._killed or self._silent >= TELL_SECONDS):
            return "hung"
        return _STATES.get(int(self.forwarder.head.state), "starting")

    def document(self, pid: int | None) -> dict[str, object]:
        """Its part of the status document."""
        return {
            "pid": pid, "state": self.state, "restarts": max(self.restarts, 0),
            "silent_seconds": round(self.silence, 1) if self._timer is not None else 0.0, "why": self.why,
        }  # fmt: skip
