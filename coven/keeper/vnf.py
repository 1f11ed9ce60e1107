"""One running VNF: its segment, its forwarder, its ports and its hosts, put together and kept going.

    Vnf(...)  ->  instantiate()  ->  start() <-> stop()  ->  end()

Everything happens in the loop's thread. `instantiate` and `end` run the loop themselves and return when it
is done; what is asked of a running VNF gets its answer through a callback.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agents.summary import summary
from coven.keeper.forwarder.epochs import Epochs, stage_name
from coven.keeper.forwarder.process import NAME, ForwarderProcess
from coven.keeper.forwarder.watch import ForwarderWatch, Reports
from coven.keeper.forwarder.wiring import HopState, Wiring
from coven.keeper.hosts.placement import Placement
from coven.keeper.hosts.process import HostPlan, HostProcess
from coven.keeper.journal import Journal
from coven.keeper.logs import Logs
from coven.keeper.loop import Loop, Timer
from coven.keeper.plan import Plan
from coven.keeper.ports.opening import OpenPort, frame_size
from coven.keeper.ports.watch import PortWatch
from coven.keeper.status import PortFacts, document
from coven.keeper.swap import Swap
from coven.keeper.turns import Answer, Turns
from coven.keeper.watchdog import Watchdog
from coven.package.descriptor import Descriptor
from itf import limits
from itf.mistakes import Mistake, Refused
from itf.segment import C, Config, Forwarder, Pool, Trace

READY_SECONDS = 5.0  #: the forwarder takes a new wiring up much quicker
DRAIN_SECONDS = 3.0  #: it drains for 0.5 s at most, then counts what is left
FORWARDER_BACKOFF = 0.1, 10.0  #: seconds before it is started again, doubling; the first time at once
PLATFORM = "keeper"  #: in logs


class Vnf:
    """`hosts` gives a HostPlan for each VNFC (built and checked); see `coven.keeper.hosting`."""

    def __init__(
        self, plan: Plan, descriptor: Descriptor, loop: Loop, journal: Journal, logs: Logs, program: Path,
        placement: Placement,
    ):  # fmt: skip
        self.plan = plan
        self.descriptor = descriptor
        self.loop = loop
        self.journal = journal
        self.logs = logs
        self.program = program
        self.placement = placement
        self.on_end: Callable[[], None] = lambda: None
        self.memory_groups = ""  #: what the names of its processes' memory groups begin with
        self.forwarding = False
        self.done = False  #: a capture has ended, or a drain
        self.capture = plan.capture
        self.hosts: dict[str, HostProcess] = {}
        self.swaps: dict[str, Swap] = {}  #: by VNFC, until the version swapped out has ended
        self.leaving: list[HostProcess] = []  #: processes that end, and are no hop's any more
        self.ports: dict[str, OpenPort] = {}
        self.port_watch: PortWatch | None = None
        self.on_port_back: Callable[[str, str], None] = lambda port, interface: None
        self.trace: tuple[Trace, int] | None = None
        self._mistakes: list[Mistake] = []
        self._ended = self._ending = False
        self.turns = Turns(loop, None) if plan.capture else Turns(loop)
        self._attempt: object = None  #: the start or stop that is going on, and was not given up
        self._watchdog: Watchdog | None = None
        self._drain_timer: Timer | None = None
        self._on_drained: Callable[[], None] | None = None
        self._backoff = 0.0
        self._forwarder_started = 0.0

    # coming up

    def open(self, wiring: Wiring) -> list[Mistake]:
        """Make the segment and open the ports; the mistakes of all ports together."""
        self.wiring = wiring
        self.pool = Pool.make(self.plan.frames, frame_size(self.plan))
        self.segment = Forwarder.make(self.pool.geometry)
        self.config = Config.make(C.CLOCK_CAPTURE if self.capture else C.CLOCK_LIVE)
        self.epochs = Epochs(wiring, self.config, self.segment, self.loop, self._kick)
        self.process = ForwarderProcess(
            self.program, self.loop, self.journal, self.logs, self._forwarder_said, self._forwarder_ended
        )
        self.reports = Reports(self.loop, lambda number: self.process.send(C.MESSAGE_REPORT, 0, number))
        self.forwarder_watch = ForwarderWatch(self.loop, self.segment, self.reports, self._forwarder_hangs)
        self.port_watch = PortWatch(self)
        return self.port_watch.open_missing(self.plan.missing)

    @property
    def facts(self) -> dict[str, PortFacts]:
        """Of every port that is or was open."""
        return self.port_watch.shown() if self.port_watch is not None else {}

    @property
    def busy(self) -> bool:
        """A start or stop is going on, or everything ends."""
        return self.turns.now is not None or self._ending

    def port_messages(self) -> dict[str, dict[str, Any]]:
        """The ports as hosts are told of them."""
        return {
            name: {"number": self.descriptor.ports[name].number, "mtu": port.mtu,
                   "mac": port.mac.hex(":") if port.mac else None}
            for name, port in self.wiring.ports.items()
        }  # fmt: skip

    def instantiate(self, hosts: dict[str, HostPlan]) -> None:
        """Start the forwarder and all hosts; returns when every VNFC is ready. Raises Refused with the
        mistakes of all hosts; the caller then calls `end`."""
        try:
            self._start_forwarder()
        except OSError as problem:
            remedy = "run `make native`"
            mistake = Mistake.of(problem, file=str(self.program), expected="a program", remedy=remedy)
            raise Refused(mistake, title="not instantiated") from None
        for name, plan in hosts.items():
            self.hosts[name] = HostProcess(plan, self.pool, self.loop, self.journal, self.logs, self)
        for host in self.hosts.values():
            try:
                host.start()
            except Refused as refused:
                self._mistakes += refused.mistakes
            except OSError as problem:
                self._mistakes.append(Mistake.of(problem, field=f"vnfcs.{host.name}"))
        self.loop.run_until(lambda: all(h.state != "starting" for h in self.hosts.values()))
        self._check()
        if not self.capture:  # a capture's time begins when everything is there
            self._await_move()
            self.forwarder_watch.start()
        self._watchdog = Watchdog(self.hosts.values(), self.segment, self.loop)

    def _await_move(self) -> None:
        taken_up: list[list[tuple[int, str]]] = []
        self.epochs.move(taken_up.append)
        if not self.loop.run_until(lambda: bool(taken_up), READY_SECONDS):
            self._mistakes.append(Mistake(field=PLATFORM, found="the forwarder does not answer"))
        for errors in taken_up:
            self._mistakes += [self._stage_mistake(*error) for error in errors]
        self._check()

    def _check(self) -> None:
        if self._mistakes:
            mistakes, self._mistakes = self._mistakes, []
            raise Refused(mistakes, title="not instantiated")

    def _stage_mistake(self, stage: int, what: str) -> Mistake:
        return Mistake(field=stage_name(stage, self.wiring), found=what)

    # forwarding

    def start(self, answer: Answer, missing: bool = False) -> None:
        """Begin to forward. `answer` gets the mistakes; with any, nothing is forwarded. `missing`: interfaces that
        are not there are no mistake."""
        self.turns.ask("start", lambda done: self._start(done, missing), self._start_late, answer)

    def _start(self, answer: Answer, missing: bool) -> None:
        if self.forwarding:
            answer([])
            return
        stopped = [host for host in self.hosts.values() if host.state in ("failed", "stopped")]
        for host in stopped:  # on_failure: stop
            self.restart_host(host)
        assert self.port_watch is not None
        if mistakes := self.port_watch.open_missing(missing):
            answer(mistakes)
            return
        attempt = self._attempt = object()
        self.done = False
        for name in self.ports:
            self.wire_port(name)

        def taken_up(errors: list[tuple[int, str]]) -> None:
            if self._attempt is not attempt:
                return
            if errors:
                self._unwire_ports()
                self.epochs.move(lambda _: answer([self._stage_mistake(*error) for error in errors]))
                return
            self.forwarding = True
            self.journal.note("started")
            answer([])

        self.epochs.move(taken_up)

    def _start_late(self, answer: Answer) -> None:
        """Undone: a forwarder that comes up later finds the ports unwired."""
        self._attempt = None
        self._unwire_ports()
        self.epochs.move()
        answer([self._no_forwarder()])

    def stop(self, answer: Answer) -> None:
        """Take nothing more in, let out what is on its way, count the rest as `shutdown`."""
        self.turns.ask("stop", self._stop, self._stop_late, answer)

    def _stop(self, answer: Answer) -> None:
        if not self.forwarding:
            answer([])
            return
        attempt = self._attempt = object()
        self.done = False

        def drained() -> None:
            if not self.capture:  # detached first: the kernel must not write to frames that are given back
                assert self.port_watch is not None
                self.port_watch.close()
            self._unwire_ports()
            self.epochs.move(unwired)

        def unwired(_: list[tuple[int, str]]) -> None:
            if self._attempt is attempt:
                self._stopped(answer)

        self._on_drained = drained
        self.config.head.drain = 1
        self._kick()
        self._drain_timer = self.loop.later(DRAIN_SECONDS, self._drained)

    def _stopped(self, answer: Answer) -> None:
        self.config.head.drain = 0
        self._kick()
        self.forwarding = False
        if not self.capture and not self._ending:
            self._open_fresh()
        self.journal.note("stopped")
        answer([])

    def _stop_late(self, answer: Answer) -> None:
        """No forwarder takes it up, so none forwards; one that comes up later finds the ports unwired."""
        self._attempt = None
        self._stopped(answer)

    def _no_forwarder(self) -> Mistake:
        why = self.forwarder_watch.why
        return Mistake(field="forwarder", found=f"it is {self.forwarder_watch.state}{f': {why}' if why else ''}",
                       expected="a forwarder that takes up its wiring", remedy="coven logs tells more")  # fmt: skip

    def _open_fresh(self) -> None:
        """Ports in which nothing old waits to be forwarded; what cannot be opened now is tried again."""
        assert self.port_watch is not None
        self.port_watch.close()
        for mistake in self.port_watch.open_missing():
            self.logs.say(PLATFORM, str(mistake))

    def _drained(self) -> None:
        if self._drain_timer is not None:
            self._drain_timer.cancel()
            self._drain_timer = None
        call, self._on_drained = self._on_drained, None
        if call is not None:
            call()

    def _unwire_ports(self) -> None:
        for state in self.wiring.ports.values():
            state.kind = C.PORT_NONE

    # the forwarder

    def _start_forwarder(self) -> None:
        self._forwarder_started = time.monotonic()
        with self.placement.on(self.placement.forwarder):
            self.process.start(self.pool, self.segment, self.config, self._send_everything)
        self.forwarder_watch.began()

    def _kick(self) -> None:
        self.process.send(C.MESSAGE_KICK)

    def _send_everything(self) -> None:
        """All that the wiring names, ahead of a forwarder's first look at it."""
        if self.trace is not None:
            self._send_trace()
        for name in self.ports:
            if self.wiring.ports[name].kind != C.PORT_NONE:
                self._send_port(name)
        for host in self.hosts.values():
            if self.wiring.hops[host.name].state == C.HOP_UP:
                self.send_hop(host)

    def wire_port(self, name: str) -> None:
        """From the next epoch on the forwarder has this port."""
        state = self.wiring.ports[name]
        state.kind, state.generation = self.ports[name].kind, state.generation + 1
        self._send_port(name)

    def _send_port(self, name: str) -> None:
        number, state = self.descriptor.ports[name].number, self.wiring.ports[name]
        self.process.send(C.MESSAGE_PORT, number, state.generation, self.ports[name].fds)

    def send_hop(self, host: HostProcess) -> None:
        assert host.hop is not None
        self.process.send(C.MESSAGE_HOP, host.number, host.generation, (host.hop.fd, host.bell))

    def trace_to(self, trace: Trace, bell: int) -> None:
        """From the next epoch on: write what becomes of each packet into `trace`, ring the eventfd `bell` (one that
        does not block). Both stay the caller's, and are kept open as long as the VNF is."""
        self.trace = trace, bell
        self._send_trace()

    def _send_trace(self) -> None:
        assert self.trace is not None
        trace, bell = self.trace
        self.process.send(C.MESSAGE_TRACE, fds=(trace.fd, bell))

    def _forwarder_hangs(self, why: str) -> None:
        self.logs.say(PLATFORM, f"the forwarder is ended: {why}")
        self.process.kill()

    def _forwarder_said(self, kind: int, index: int, generation: int, what: str) -> None:
        self.forwarder_watch.sign()
        if kind == C.MESSAGE_REPORTED:
            self.reports.answered(generation)
        elif kind == C.MESSAGE_READY:
            self.epochs.ready(generation)
        elif kind == C.MESSAGE_ERROR:
            self.logs.say(stage_name(index, self.wiring), what)
            self.epochs.error(index, what)
        elif kind == C.MESSAGE_SWAPPED:
            swap = next((s for s in self.swaps.values() if s.old.number == index), None)
            if swap is not None and swap.old.generation == generation:
                swap.finish()
        elif kind == C.MESSAGE_LOST:
            self._ended_in(index, what)
        elif kind == C.MESSAGE_DONE:
            self.done = True
            self._drained()

    def _ended_in(self, number: int, what: str) -> None:
        """Name the packet in which a VNFC ended."""
        name = next((host.name for host in self.hosts.values() if host.number == number), None)
        if name is None:
            return
        time_ns, length, link, data = what.split(" ")
        packet = summary(bytes.fromhex(data), int(link), int(length))
        at = f", at {int(time_ns) / 1e9:.6f} s of the capture" if self.capture else ""
        self.logs.say(name, f"had this packet when it ended: {packet}{at}")

    def _forwarder_ended(self, status: int) -> None:
        self.reports.forget()
        if self._ended:
            return
        said = "".join(f", it said: {each['line']}" for each in self.logs.tail(NAME, 1))
        self.forwarder_watch.ended(f"status {status}{said}")
        if time.monotonic() - self._forwarder_started > FORWARDER_BACKOFF[1]:
            self._backoff = 0.0
        self.logs.say(
            PLATFORM, f"the forwarder ended (status {status}): it starts again in {self._backoff:g} s"
        )
        delay = self._backoff
        self._backoff = min(max(FORWARDER_BACKOFF[0], self._backoff * 2), FORWARDER_BACKOFF[1])
        self.loop.later(delay, self._again)

    def _again(self) -> None:
        """The same objects, another forwarder: it takes over the owners and writes the difference off."""
        if self._ended:
            return
        try:
            self._start_forwarder()
        except OSError as problem:
            self.logs.say(NAME, f"it cannot be started: {limits.words(problem)}")
            self._forwarder_ended(-1)

    # hosts

    def host_ready(self, host: HostProcess) -> None:
        previous = self.wiring.hops[host.name].previous
        self.wiring.hops[host.name] = HopState(C.HOP_UP, host.generation, previous=previous)
        self.send_hop(host)
        if self.epochs.epoch > 0:
            self.epochs.move()

    def host_lost(self, host: HostProcess, reason: int) -> None:
        before = self.wiring.hops[host.name]
        self.wiring.hops[host.name] = HopState(C.HOP_DOWN, before.generation, reason, before.previous)
        if self.epochs.epoch > 0:
            self.epochs.move()
        if host.plan.vnfc.on_failure == "stop":
            host.wanted, host.state = False, "failed"
            self.logs.say(host.name, "on_failure: stop. The VNF stops forwarding")
            self.stop(lambda mistakes: None)
        elif host.name in self.swaps and self.swaps[host.name].old is host:
            self.swaps[host.name].old_lost()

    def host_refused(self, host: HostProcess, mistakes: list[Mistake]) -> None:
        self._mistakes += mistakes

    def restart_host(self, host: HostProcess) -> None:
        try:
            host.start()
        except (OSError, Refused) as problem:
            self.logs.say(host.name, f"cannot be started: {problem}")

    def swap(self, plan: HostPlan, answer: Answer) -> None:
        """Put another version of a VNFC in the place of the one that runs; see `coven.keeper.swap`."""
        name = plan.vnfc.name
        if name in self.swaps:
            answer([_busy()])
            return

        def done(mistakes: list[Mistake]) -> None:
            if mistakes:
                self.swaps.pop(name, None)
            answer(mistakes)

        self.swaps[name] = Swap(self, self.hosts[name], plan, done)
        self.swaps[name].start()

    # going down

    def quiesce(self) -> None:
        """Stop and wait until nothing moves any more: then the figures are final."""
        if self.turns.now is not None:
            self.turns.refuse_waiting(Mistake(found="the VNF ends"))
            self.loop.run_until(lambda: self.turns.now is None, DRAIN_SECONDS + READY_SECONDS)
        if self.forwarding:
            stopped: list[Any] = []
            self.stop(stopped.append)
            self.loop.run_until(lambda: bool(stopped), DRAIN_SECONDS + READY_SECONDS)

    def end(self) -> None:
        """Everything ends and is given back. Also after a failed `instantiate`, and twice."""
        if self._ended:
            return
        self._ending = True
        self.quiesce()
        self._ended = True
        if self._watchdog is not None:
            self._watchdog.stop()
        if hasattr(self, "forwarder_watch"):
            self.forwarder_watch.stop()
        every = [*self.hosts.values(), *self.leaving, *(h for s in self.swaps.values() for h in (s.old, s.new))]
        for host in every:
            host.stop()
        self.loop.run_until(lambda: all(host.finished for host in every), 10)
        self.leaving = [host for host in every if host not in self.hosts.values()]
        if hasattr(self, "process"):
            self.process.end()
        if self.port_watch is not None:
            self.port_watch.end()
        self.on_end()

    def close(self) -> None:
        """Let go of the segment; figures cannot be read any more."""
        for host in [*self.hosts.values(), *self.leaving]:
            host.close()
        for name in ("pool", "segment", "config"):
            held = getattr(self, name, None)
            if held is not None:
                held.close()
                delattr(self, name)

    @property
    def state(self) -> str:
        return "STARTED" if self.forwarding else "STOPPED"

    def status(self) -> dict[str, Any]:
        """The status document. Raises TimeoutError while figures stay half-written (the forwarder died)."""
        return {
            "name": self.plan.name,
            "state": self.state,
            "operation": self.turns.now,
            "forwarder": self.forwarder_watch.document(self.process.pid),
            **document(self.descriptor, self.segment, self.facts, self.hosts),
        }


def _busy() -> Mistake:
    return Mistake(found="a start or stop is going on", remedy="try again in a moment")
