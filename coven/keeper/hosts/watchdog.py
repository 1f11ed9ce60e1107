"""Who hangs: hosts that have packets to work on and do nothing.

One look at a time, a few times a second while packets move and hardly ever while none do. What counts is
in the segment: `progress` grows with every packet, timer and request.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from coven.keeper.hosts.process import CONFIGURE_SECONDS, DIED, HostProcess
from coven.keeper.hosts.state import State
from coven.keeper.loop import Loop
from itf.segment import C
from itf.statistics import Statistics

HUNG_SECONDS = 1.0
HUNG_WHY = (
    f"no progress for {HUNG_SECONDS:g} s with packets waiting: an endless loop, or too much work for one packet "
    "(coven run --debug VNFC leaves it alone, for a debugger to look)"
)
EXCEPTIONS, EXCEPTIONS_SECONDS = 1000, 10.0  #: more in that time and the VNFC counts as failed
LOOK_SECONDS, IDLE_SECONDS = 0.25, 0.5  #: between two looks


@dataclass
class _Seen:
    generation: int
    progress: int = 0
    idle: float | None = None  #: seconds, as far as we looked, that it has had something to do and done nothing
    exceptions: int = 0
    exceptions_since: float = 0.0


class Watchdog:
    """`hosts` gives those that there are at the moment; `looked` is called after each look."""

    def __init__(
        self, hosts: Callable[[], Iterable[HostProcess]], statistics: Statistics, loop: Loop, looked: Callable[[], None]
    ):  # fmt: skip
        self.hosts = hosts
        self.looked = looked
        self.statistics = statistics
        self.loop = loop
        self._seen: dict[str, _Seen] = {}
        self._looked = time.monotonic()
        self._timer = loop.later(IDLE_SECONDS, self._look)

    def stop(self) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        busy = False
        now = time.monotonic()
        # Where nobody had the core, or the whole machine stood still, no VNFC is to blame: a look that comes late
        # counts as one in time.
        passed, self._looked = min(now - self._looked, IDLE_SECONDS), now
        for host in self.hosts():
            if host.state == State.RUNNING and not host.plan.debug:
                busy = self._look_at(host, now, passed) or busy
        self._timer = self.loop.later(LOOK_SECONDS if busy else IDLE_SECONDS, self._look)
        self.looked()

    def idle(self, name: str) -> float:
        """Seconds, as far as we looked, that a VNFC has had something to do and done nothing."""
        seen = self._seen.get(name)
        return 0.0 if seen is None or seen.idle is None else seen.idle

    def _look_at(self, host: HostProcess, now: float, passed: float) -> bool:
        """Whether it has something to do."""
        head = host.head
        seen = self._seen.get(host.name)
        if seen is None or seen.generation != host.generation:
            seen = self._seen[host.name] = _Seen(host.generation, exceptions_since=now)
        self._exceptions(host, seen, now)
        if head.phase == C.PHASE_CONFIGURING:
            # its time begins with configure itself, and is its own
            seen.idle = None
            began = head.busy_since / 1e9
            if began and now - began > CONFIGURE_SECONDS:
                host.hung(f"configure took longer than {CONFIGURE_SECONDS:g} s")
            return True
        if not self._has_work(host):
            seen.idle = None
            return False
        progress = head.progress
        if seen.idle is None or progress != seen.progress:
            seen.progress, seen.idle = progress, 0.0
            return True
        seen.idle += passed
        if seen.idle >= HUNG_SECONDS:
            host.hung(HUNG_WHY)
        return True

    def _has_work(self, host: HostProcess) -> bool:
        head = host.head
        if head.to_vnfc_head.position != head.to_vnfc_tail.position:
            return True
        # taken out of the ring, neither given back nor held: it is working on them
        having = self.statistics.published.place[C.PLACE_HOP + host.number].in_flight
        return not head.host_asleep and having > head.held

    def _exceptions(self, host: HostProcess, seen: _Seen, now: float) -> None:
        count = int(host.head.exceptions)
        if count - seen.exceptions > EXCEPTIONS:
            host.kill(DIED, f"more than {EXCEPTIONS} exceptions in {EXCEPTIONS_SECONDS:g} s")
        if now - seen.exceptions_since >= EXCEPTIONS_SECONDS:
            seen.exceptions, seen.exceptions_since = count, now
