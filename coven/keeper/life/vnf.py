"""One running VNF: its forwarder, its ports and its hosts, put together and kept going.

    Vnf(...)  ->  instantiate()  ->  start() <-> stop()  ->  end()  ->  close()

Everything happens in the loop's thread. `instantiate`, `quiesce` and `end` run the loop themselves and return when
they are done; what is asked of a running VNF gets its answer through a callback.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum, auto
from pathlib import Path
from typing import Any, Protocol

from coven.keeper.figures import object as figures_object
from coven.keeper.figures.keeping import Figures
from coven.keeper.forwarder.running import RunningForwarder
from coven.keeper.forwarder.wiring import Wiring
from coven.keeper.health.running import RunningHealth
from coven.keeper.hosts.placement import Placement
from coven.keeper.hosts.process import HostPlan
from coven.keeper.hosts.running import RunningHosts
from coven.keeper.journal import Journal
from coven.keeper.life.status import document
from coven.keeper.life.turns import Answer, Turns
from coven.keeper.logs import PLATFORM, Logs
from coven.keeper.loop import Loop, Timer
from coven.keeper.plan import Plan
from coven.keeper.ports.opening import frame_size
from coven.keeper.ports.running import RunningPorts
from coven.package.descriptor import Descriptor
from itf.mistakes import Mistake, Refused

READY_SECONDS = 5.0  #: the forwarder takes a new wiring up much quicker
DRAIN_SECONDS = 3.0  #: it drains for 0.5 s at most, then counts what is left


class Life(Enum):
    MADE = auto()
    STOPPED = auto()  #: instantiated, ports open and not wired
    STARTING = auto()
    STARTED = auto()
    STOPPING = auto()
    ENDING = auto()  #: nothing is begun any more
    ENDED = auto()


TRANSITIONS = {
    Life.MADE: {Life.STOPPED, Life.ENDING},
    Life.STOPPED: {Life.STARTING, Life.ENDING},
    Life.STARTING: {Life.STARTED, Life.STOPPED, Life.ENDING},
    Life.STARTED: {Life.STOPPING, Life.ENDING},
    Life.STOPPING: {Life.STOPPED, Life.ENDING},
    Life.ENDING: {Life.ENDED},
    Life.ENDED: set[Life](),
}


class Abandonable(Protocol):
    """What is going on and can be given up; see `coven.keeper.life.upgrade`."""

    def abandon(self) -> None: ...


class Vnf:
    """Raises OSError when its segment cannot be made. See `coven.keeper.life.hosting` for what it is made of."""

    def __init__(
        self, plan: Plan, descriptor: Descriptor, wiring: Wiring, program: Path, placement: Placement, loop: Loop,
        journal: Journal, logs: Logs,
    ):  # fmt: skip
        self.plan = plan
        self.descriptor = descriptor
        self.loop = loop
        self.journal = journal
        self.logs = logs
        self.placement = placement
        self.capture = plan.capture
        self.life = Life.MADE
        self.on_end: Callable[[], None] = lambda: None
        self.memory_groups = ""  #: what the names of its processes' memory groups begin with
        statistics, unnamed = figures_object.make(plan.name, plan.capture, journal)
        if unnamed is not None:
            logs.say(PLATFORM, f"the statistics object has no name: {unnamed}")
        self.forwarder = RunningForwarder(
            program, wiring, plan.frames, frame_size(plan), plan.capture, statistics, placement, loop, journal, logs,
            self,
        )  # fmt: skip
        self.hosts = RunningHosts(
            self.forwarder, plan.capture, loop, journal, logs, lambda: self.stop(lambda mistakes: None)
        )
        self.ports = RunningPorts(self)
        self.health = RunningHealth(lambda: self.descriptor, self.forwarder, self.hosts, self.ports)
        self.figures = Figures(self, statistics)
        self.turns = Turns(loop, None) if plan.capture else Turns(loop)
        self.upgrading: Abandonable | None = None
        self._attempt: object = None  #: the start or stop that is going on, and was not given up
        self._drain_timer: Timer | None = None
        self._on_drained: Callable[[], None] | None = None

    def _become(self, life: Life) -> None:
        assert life in TRANSITIONS[self.life], f"{self.life} -> {life}"
        self.life = life

    @property
    def forwarding(self) -> bool:
        return self.life in (Life.STARTED, Life.STOPPING)

    @property
    def busy(self) -> bool:
        """A start, stop or upgrade is going on, or everything ends."""
        return self.turns.now is not None or self.life in (Life.ENDING, Life.ENDED)

    @property
    def state(self) -> str:
        """ETSI's operational state."""
        return "STARTED" if self.forwarding else "STOPPED"

    def port_messages(self) -> dict[str, dict[str, Any]]:
        return self.ports.messages()

    def status(self) -> dict[str, Any]:
        """The status document. Raises TimeoutError while figures stay half-written (the forwarder died)."""
        return {
            "name": self.plan.name,
            "state": self.state,
            "operation": self.turns.now,
            "forwarder": self.forwarder.watch.document(self.forwarder.process.pid),
            "statistics": self.forwarder.statistics.name,
            **self.health.told(document(
                self.descriptor, self.forwarder.segment, self.forwarder.statistics, self.ports.shown(), self.hosts,
                self.hosts.retired, self.ports.retired,
            )),
        }  # fmt: skip

    # coming up

    def instantiate(self, hosts: Mapping[str, HostPlan]) -> None:
        """Start the forwarder and all hosts (built and checked); returns when every VNFC is ready. The ports are
        open. Raises Refused with the mistakes of all hosts; the caller then calls `end`."""
        try:
            self.forwarder.start()
        except OSError as problem:
            file = str(self.forwarder.process.program)
            mistake = Mistake.of(problem, file=file, expected="a program", remedy="run `make native`")
            raise Refused(mistake, title="not instantiated") from None
        _check(self.hosts.start(hosts))
        if not self.capture:  # a capture's time begins when everything is there
            self._await_move()
            self.forwarder.watch.start()
        self.hosts.watch(self.health.look)
        self.figures.start()
        self._become(Life.STOPPED)

    def _await_move(self) -> None:
        taken_up: list[list[tuple[int, str]]] = []
        self.forwarder.epochs.move(taken_up.append)
        if not self.loop.run_until(lambda: bool(taken_up), READY_SECONDS):
            _check([Mistake(field=PLATFORM, found="the forwarder does not answer")])
        _check([mistake for errors in taken_up for mistake in self.forwarder.stage_mistakes(errors)])

    # forwarding

    def start(self, answer: Answer, missing: bool = False) -> None:
        """Begin to forward. `answer` gets the mistakes; with any, nothing is forwarded. `missing`: interfaces that
        are not there are no mistake."""
        self.turns.ask("start", lambda done: self._start(done, missing), self._start_late, answer)

    def _start(self, answer: Answer, missing: bool) -> None:
        if self.life != Life.STOPPED:
            answer([])
            return
        self.hosts.revive()
        if mistakes := self.ports.open_missing(missing):
            answer(mistakes)
            return
        self._become(Life.STARTING)
        attempt = self._attempt = object()
        self.forwarder.done = False
        for name in self.ports:
            self.ports.wire(name)

        def taken_up(errors: list[tuple[int, str]]) -> None:
            if self._attempt is not attempt or self.life != Life.STARTING:
                return
            if errors:
                mistakes = self.forwarder.stage_mistakes(errors)
                self._not_started()
                self.forwarder.epochs.move(lambda _: answer(mistakes))
                return
            self._become(Life.STARTED)
            self.journal.note("started")
            answer([])

        self.forwarder.epochs.move(taken_up)

    def _not_started(self) -> None:
        self._attempt = None
        self.ports.unwire()
        if self.life == Life.STARTING:
            self._become(Life.STOPPED)

    def _start_late(self, answer: Answer) -> None:
        """Undone: a forwarder that comes up later finds the ports unwired."""
        self._not_started()
        self.forwarder.epochs.move()
        answer([self.forwarder.unresponsive()])

    def stop(self, answer: Answer) -> None:
        """Take nothing more in, let out what is on its way, count the rest as `shutdown`."""
        self.turns.ask("stop", self._stop, self._stop_late, answer)

    def _stop(self, answer: Answer) -> None:
        if self.life != Life.STARTED:
            answer([])
            return
        self._become(Life.STOPPING)
        attempt = self._attempt = object()

        def stopped(_: object) -> None:
            if self._attempt is attempt:
                self._stopped(answer)

        self._drain(stopped)

    def _drain(self, done: Callable[[object], None]) -> None:
        """Let out what is on its way, and unwire the ports."""

        def drained() -> None:
            if not self.capture:  # detached first: the kernel must not write to frames that are given back
                self.ports.close()
            self.ports.unwire()
            self.forwarder.epochs.move(done)

        self._on_drained = drained
        self.forwarder.drain(True)
        self._drain_timer = self.loop.later(DRAIN_SECONDS, self.forwarder_done)

    def _stopped(self, answer: Answer) -> None:
        self.forwarder.drain(False)
        if self.life == Life.STOPPING:
            self._become(Life.STOPPED)
            if not self.capture:
                self._open_fresh()
        self.journal.note("stopped")
        answer([])

    def _stop_late(self, answer: Answer) -> None:
        """No forwarder takes it up, so none forwards; one that comes up later finds the ports unwired."""
        self._attempt = None
        self._stopped(answer)

    def _open_fresh(self) -> None:
        """Ports in which nothing old waits to be forwarded; what cannot be opened now is tried again."""
        self.ports.close()
        for mistake in self.ports.open_missing():
            self.logs.say(PLATFORM, str(mistake))

    # what the forwarder says

    def send_everything(self) -> None:
        self.ports.send_everything()
        self.hosts.send_everything()

    def wiring_follows(self) -> None:
        self.figures.refresh()

    def forwarder_done(self) -> None:
        """Drained, or late."""
        if self._drain_timer is not None:
            self._drain_timer.cancel()
            self._drain_timer = None
        call, self._on_drained = self._on_drained, None
        if call is not None:
            call()

    def hop_finished(self, number: int, generation: int) -> None:
        self.hosts.finished(number, generation)

    def hop_ended_in(self, number: int, what: str) -> None:
        self.hosts.ended_in(number, what)

    # going down

    def quiesce(self) -> None:
        """Stop for good and wait until nothing moves any more: then the figures are final."""
        if self.life in (Life.ENDING, Life.ENDED):
            return
        self.turns.refuse_waiting(Mistake(found="the VNF ends"))
        if self.upgrading is not None:
            self.upgrading.abandon()
        if self.turns.now is not None:
            self.loop.run_until(lambda: self.turns.now is None, DRAIN_SECONDS + READY_SECONDS)
        forwarding = self.forwarding
        self._become(Life.ENDING)
        if forwarding:
            drained: list[object] = []
            self._drain(drained.append)
            self.loop.run_until(lambda: bool(drained), DRAIN_SECONDS + READY_SECONDS)
            self._stopped(lambda mistakes: None)

    def end(self) -> None:
        """Everything ends and is given back. Also after a failed `instantiate`, and twice."""
        if self.life == Life.ENDED:
            return
        self.quiesce()
        self._become(Life.ENDED)
        self.forwarder.watch.stop()
        self.figures.stop()
        self.hosts.end()
        self.forwarder.end()
        self.ports.end()
        self.forwarder.statistics.unlink()
        self.on_end()

    def close(self) -> None:
        """Let go of the segment; figures cannot be read any more."""
        self.hosts.close()
        self.forwarder.close()


def _check(mistakes: list[Mistake]) -> None:
    if mistakes:
        raise Refused(mistakes, title="not instantiated")
