"""How well one VNFC is: by its process, its ring, and what it says of itself."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from coven.keeper.forwarder.wiring import QUEUE_MOST
from coven.keeper.health.state import Health, Judgement, Standing
from coven.keeper.hosts.asked import REQUEST_SECONDS, request
from coven.keeper.hosts.process import HostProcess
from coven.keeper.hosts.state import State
from itf.printable import one_line
from itf.segment import C

STUCK_SECONDS = 0.5  #: with packets waiting and none taken; a VNFC that stays so is ended after 1 s
OVERLOADED_SECONDS = 1.0  #: with more than half of its queue taken at each look
RESTARTED_SECONDS = 60.0  #: after a restart it counts as degraded
MOVING_SECONDS = 2.0  #: after the last packet it counts as progressing
ASKED_SECONDS = 1.0  #: between questions how it finds that it is
SENTENCE = 500  #: characters of its answer

_PROCESS = {State.STOPPED: "its process has ended", State.FAILED: "its process cannot start, or ended for good"}


def backlog(host: HostProcess, in_flight: int) -> int:
    """Packets that it has and does not keep on purpose. It can write what it likes into its own cells: less than none
    counts as none."""
    head = host.head
    return max(0, in_flight - max(0, int(head.held) - int(head.lent)))


@dataclass
class VnfcHealth:
    """`port_fed`: packets come to it from a port, which the forwarder reads no faster than it takes them."""

    port_fed: bool
    standing: Standing = field(default_factory=Standing)
    says: str | None = None  #: what it finds is wrong with itself
    _full_since: float | None = None
    _seen: tuple[int, ...] = ()
    _moved_at: float = -MOVING_SECONDS
    _restarts: int = 0
    _restarted_at: float = -RESTARTED_SECONDS
    _asked_at: float = -ASKED_SECONDS

    def look(self, host: HostProcess, idle: float, in_flight: int) -> None:
        """`idle`: seconds that it has had something to do and done nothing; `in_flight`: packets that it has."""
        now = time.monotonic()
        if host.restarts != self._restarts:
            self._restarts, self._restarted_at, self.says = host.restarts, now, None
        self.standing.become(self._judged(host, idle, in_flight, now))
        if host.state == State.RUNNING and not host.plan.capture:
            self._ask(host, now)

    def _judged(self, host: HostProcess, idle: float, in_flight: int, now: float) -> Judgement:
        if host.state != State.RUNNING:
            self._full_since = None
        if host.state == State.STARTING:
            return Judgement(Health.ALIVE, "its process runs, and is not ready yet")
        if host.state != State.RUNNING:
            return Judgement(Health.DOWN, _PROCESS.get(host.state) or host.ended_why or "its process has ended")
        count, most = backlog(host, in_flight), C.SEG_HOST_BURST if self.port_fed else QUEUE_MOST
        if count * 2 <= most:
            self._full_since = None
        elif self._full_since is None:
            self._full_since = now
        if idle >= STUCK_SECONDS:
            return Judgement(Health.STUCK, f"it has {count} packets, and did nothing for {idle:.1f} s", idle)
        full = 0.0 if self._full_since is None else now - self._full_since
        if full >= OVERLOADED_SECONDS:
            return Judgement(Health.OVERLOADED, f"it has had more than half of the {most} packets that wait for it at "
                             f"most for {full:.0f} s: more come than it works on", full)  # fmt: skip
        if self.says is not None:
            return Judgement(Health.DEGRADED, f"it says: {self.says}")
        if now - self._restarted_at < RESTARTED_SECONDS:
            why = f" ({host.ended_why})" if host.ended_why else ""
            return Judgement(Health.DEGRADED, f"it restarted {now - self._restarted_at:.0f} s ago{why}")
        head = host.head
        seen = (host.generation, head.to_vnfc_tail.position, head.from_vnfc_head.position)
        if seen != self._seen:
            if self._seen:
                self._moved_at = now
            self._seen = seen
        return Judgement(Health.PROGRESSING if now - self._moved_at < MOVING_SECONDS else Health.READY)

    def _ask(self, host: HostProcess, now: float) -> None:
        """What its author has it say of itself, where he does."""
        if now - self._asked_at < ASKED_SECONDS or not any(each["name"] == "health" for each in host.requests):
            return
        self._asked_at = now
        generation = host.generation

        def answered(answer: dict[str, Any] | None) -> None:
            if host.generation != generation or host.state != State.RUNNING:
                return
            if answer is None:
                self.says = f"nothing: its health request was not answered within {REQUEST_SECONDS:g} s"
            elif answer.get("ok") is True:
                self.says = _sentence(answer.get("value"))
            else:
                self.says = f"its health request failed: {one_line(str(answer.get('error'))[:SENTENCE])}"

        request(host, "health", [], answered)


def _sentence(value: Any) -> str | None:
    """None, true, an empty text and "ok" mean that all is well."""
    if value is None or value is True or value in ("", "ok"):
        return None
    return "it is not well" if value is False else one_line(str(value)[:SENTENCE])
