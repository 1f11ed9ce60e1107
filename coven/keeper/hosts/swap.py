"""A VNFC of a running VNF gets another version, comes, or goes, without losing a packet.

What runs goes on as always while the new process gets ready. `commit` puts the change into the wiring: a hop that stays
gets the next generation, and the one before as `previous`: the forwarder hands packets to the new one and takes back
what the old one has (itf/swap.c). A hop that goes has no generation but `previous`. Once the forwarder has everything
back, or after FINISH_SECONDS, the old process ends, and then `previous` leaves the wiring.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Protocol

from coven.keeper.forwarder.running import RunningForwarder
from coven.keeper.forwarder.wiring import HopState
from coven.keeper.hosts.process import GENERATIONS, HostPlan, HostProcess
from coven.keeper.hosts.state import State
from coven.keeper.loop import Loop, Timer
from itf.mistakes import Mistake
from itf.segment import REASONS, C

FINISH_SECONDS = 3.0  #: how long a version that was swapped out may hold packets
SHUTDOWN = next(number for number, reason in REASONS.items() if reason.name == "shutdown")

Answer = Callable[[list[Mistake]], None]
Reasons = Mapping[int, tuple[str, str]]


class Phase(Enum):
    STARTING = auto()
    READY = auto()
    COMMITTED = auto()  #: in the wiring
    FINISHING = auto()  #: the old process has been told to end
    OVER = auto()


TRANSITIONS = {
    Phase.STARTING: {Phase.READY, Phase.OVER},
    Phase.READY: {Phase.COMMITTED, Phase.OVER},
    Phase.COMMITTED: {Phase.FINISHING, Phase.OVER},
    Phase.FINISHING: {Phase.OVER},
    Phase.OVER: set[Phase](),
}


@dataclass(frozen=True)
class Retired:
    """A hop that no VNFC has any more. What was counted there counts for its VNFC, and in the VNF's sums."""

    name: str
    number: int
    generation: int  #: the last one
    reasons: Reasons  #: declared: number -> name, explanation
    outputs: tuple[str, ...]


class Changing(Protocol):
    """Whose VNFC it is: `coven.keeper.hosts.running`."""

    forwarder: RunningForwarder
    loop: Loop
    retired: list[Retired]

    @property
    def swaps(self) -> dict[str, Swap]: ...
    def make(self, plan: HostPlan) -> HostProcess: ...
    def put(self, host: HostProcess) -> None: ...
    def drop(self, name: str) -> HostProcess: ...
    def send(self, host: HostProcess) -> None: ...
    def let_go(self, host: HostProcess, then: Callable[[], None] = ...) -> None: ...
    def host_ready(self, host: HostProcess) -> None: ...
    def host_lost(self, host: HostProcess, reason: int) -> None: ...
    def host_refused(self, host: HostProcess, mistakes: list[Mistake]) -> None: ...


def same_reasons(old: Reasons, new: Reasons) -> str | None:
    """Drops are counted by a reason's number: the name of the first that would be called something else."""
    return next((name for number, (name, _) in old.items() if number in new and new[number][0] != name), None)


class Swap:
    """`old`: what runs; None: the VNFC is new. `plan`: what is to run; None: the VNFC goes. `ready` is called when
    the change can be committed, or cannot be made. `numbers`: other hops that the new version may be, if it gives
    the old one's drop reasons other names."""

    def __init__(
        self, hosts: Changing, old: HostProcess | None, plan: HostPlan | None, ready: Answer,
        numbers: Iterable[int] = (),
    ):  # fmt: skip
        self.hosts = hosts
        self.old = old
        self.ready = ready
        self.phase = Phase.STARTING
        self.new: HostProcess | None = None
        self._numbers = iter(numbers)
        self._timer: Timer | None = None
        if plan is not None:
            self._make(plan)
        self.name = plan.vnfc.name if plan is not None else old.name if old is not None else ""
        hosts.swaps[self.name] = self

    def _become(self, phase: Phase) -> None:
        assert phase in TRANSITIONS[self.phase], f"{self.name}: {self.phase} -> {phase}"
        self.phase = phase

    @property
    def processes(self) -> list[HostProcess]:
        return [host for host in (self.old, self.new) if host is not None]

    # the new one

    def _make(self, plan: HostPlan) -> None:
        self.new = self.hosts.make(plan)
        self.new.observer = self
        if self.old is not None:
            self.new.restarts = self.old.restarts
            if self.old.number == plan.vnfc.number:
                self.new.take_over(self.old)
                return
        for hop in self.hosts.retired:
            if hop.number == plan.vnfc.number:
                self.new.generation = hop.generation + GENERATIONS

    def start(self) -> None:
        if self.new is None:
            self._become(Phase.READY)
            self.ready([])
            return
        if mistakes := self.new.begin():
            self._fail(mistakes)

    def host_ready(self, host: HostProcess) -> None:
        if host is not self.new or self.phase != Phase.STARTING:  # given up: it had said so before it was told
            return
        renamed = same_reasons(self._reasons(host.number), host.reasons)
        if renamed is None:
            self._become(Phase.READY)
            self.ready([])
            return
        number = next(self._numbers, None)
        if number is None:
            self._fail([Mistake(
                field=f"vnfcs.{host.name}", found=f"the reason {renamed} moved or went away",
                expected="reasons in the order that figures are counted by",
                remedy="declare new ones last, or start anew"
            )])  # fmt: skip
            return
        self.hosts.let_go(host)
        self._make(replace(host.plan, vnfc=replace(host.plan.vnfc, number=number)))
        self.start()

    def _reasons(self, number: int) -> Reasons:
        """What drops are called that have been counted at this hop."""
        if self.old is not None and self.old.number == number:
            return self.old.reasons
        return next((each.reasons for each in self.hosts.retired if each.number == number), {})

    def host_refused(self, host: HostProcess, mistakes: list[Mistake]) -> None:
        self._fail(mistakes)

    def host_lost(self, host: HostProcess, reason: int) -> None:
        if host is self.new:
            self._fail([Mistake(field=f"vnfcs.{host.name}", found="it ended before it was ready")])

    def _fail(self, mistakes: list[Mistake]) -> None:
        self.abandon()
        self.ready(mistakes)

    def abandon(self) -> None:
        """Not committed: what ran goes on as if nothing had been."""
        if self.phase not in (Phase.STARTING, Phase.READY):
            return
        self._become(Phase.OVER)
        del self.hosts.swaps[self.name]
        if self.new is not None:
            self.hosts.let_go(self.new)

    # in the wiring

    def commit(self) -> None:
        """Into the wiring, which is then to be moved to; `committed` when it has been taken up."""
        self._become(Phase.COMMITTED)
        hosts, old, new = self.hosts, self.old, self.new
        wiring = hosts.forwarder.wiring
        stays = old is not None and new is not None and old.number == new.number
        previous = 0
        if old is not None:
            # from here on nobody starts it again, nor is anything said of its end
            old.wanted, old.observer = False, self
            if old.state == State.RUNNING:
                previous = old.generation
            else:
                old.stop()
            if not stays:
                hosts.retired.append(Retired(old.name, old.number, old.generation, old.reasons, old.plan.vnfc.outputs))
                wiring.leaving[old.number] = old.name, HopState(C.HOP_DOWN, old.generation, SHUTDOWN, previous)
        if new is None:
            hosts.drop(self.name)
            return
        hosts.retired[:] = [each for each in hosts.retired if each.number != new.number]
        new.observer, new.predecessor = hosts, old
        hosts.put(new)
        wiring.hops[new.name] = HopState(C.HOP_UP, new.generation, SHUTDOWN, previous if stays else 0)
        hosts.send(new)

    def committed(self) -> None:
        if self.phase != Phase.COMMITTED:
            return
        if self.old is None:
            self._over()
        elif self.old.finished:
            self.finish()
        else:
            self._timer = self.hosts.loop.later(FINISH_SECONDS, self.finish)

    # the old one

    def finished(self, number: int, generation: int) -> None:
        """The forwarder has everything back that this generation of that hop had."""
        if self.old is not None and (self.old.number, self.old.generation) == (number, generation):
            self.finish()

    def finish(self) -> None:
        """The old one has given everything back, or had its time."""
        if self.phase != Phase.COMMITTED or self.old is None:
            return
        self._become(Phase.FINISHING)
        if self._timer is not None:
            self._timer.cancel()
        self.hosts.let_go(self.old, self._gone)

    def _gone(self) -> None:
        wiring, old = self.hosts.forwarder.wiring, self.old
        assert old is not None
        wiring.leaving.pop(old.number, None)
        if self.new is not None:
            state = wiring.hops[self.name]
            if state.previous == old.generation:
                wiring.hops[self.name] = replace(state, previous=0)
            self.new.inherit(old)
        self._over()
        self.hosts.forwarder.epochs.move()

    def _over(self) -> None:
        self._become(Phase.OVER)
        del self.hosts.swaps[self.name]
