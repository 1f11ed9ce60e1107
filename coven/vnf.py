"""One running VNF: its segment, its forwarder, its ports and its hosts, put together and kept going.

    Vnf(...)  ->  instantiate()  ->  start() <-> stop()  ->  end()

Everything happens in the loop's thread. `instantiate` and `end` run the loop themselves and return when it
is done; what is asked of a running VNF gets its answer through a callback.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from coven.descriptor import Descriptor
from coven.epochs import Epochs, stage_name
from coven.errors import Mistake, Refused
from coven.forwarder_process import ForwarderProcess
from coven.host_process import HostPlan, HostProcess
from coven.journal import Journal
from coven.links import Links
from coven.logs import Logs
from coven.loop import Loop, Timer
from coven.placement import Placement
from coven.plan import Plan
from coven.ports import OpenPort, close_ports, frame_size, open_ports
from coven.status import PortFacts, document
from coven.swap import Swap
from coven.watchdog import Watchdog
from coven.wiring import HopState, PortState, Wiring
from itf import limits
from itf.segment import C, Config, Forwarder, Pool, Trace

READY_SECONDS = 5.0  #: the forwarder takes a new wiring up much quicker
DRAIN_SECONDS = 3.0  #: it drains for 0.5 s at most, then counts what is left
FORWARDER_BACKOFF = 0.1, 10.0  #: seconds before it is started again, doubling; the first time at once
PLATFORM = "keeper"  #: in logs

Answer = Callable[[list[Mistake]], None]


class Vnf:
    """`hosts` gives a HostPlan for each VNFC (built and checked); see `coven.hosting`."""

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
        self.facts: dict[str, PortFacts] = {}
        self.links: Links | None = None
        self.trace: tuple[Trace, int] | None = None
        self._mistakes: list[Mistake] = []
        self._ended = self._ending = False
        self._busy = False
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
        self.segment = Forwarder.make(self.plan.frames)
        self.config = Config.make(C.CLOCK_CAPTURE if self.capture else C.CLOCK_LIVE)
        self.epochs = Epochs(wiring, self.config, self.segment, self.loop, self._kick)
        self.process = ForwarderProcess(
            self.program, self.loop, self.journal, self.logs, self._forwarder_said, self._forwarder_ended
        )
        if not self.capture:
            self.links = Links(self.loop, self._link_changed)
        return self._open_ports()

    def _link_changed(self, index: int, state: str) -> None:
        """Nothing passes a port without a link; one that comes back is the same interface again, one that has gone is
        another when it comes back, which the next start opens."""
        for name, port in self.ports.items():
            if port.ifindex == index:
                remedy = "; coven stop and coven start open the port again when it is back" if state == "gone" else ""
                self.logs.say(PLATFORM, f"port {name}: {self.facts[name].interface} is {state}{remedy}")

    def _open_ports(self) -> list[Mistake]:
        mistakes = open_ports(self.plan, self.descriptor, self.pool, self.journal, self.ports)
        for name, port in self.ports.items():
            self.facts[name] = PortFacts(port_backend(port), port.why, self.plan.ports[name].interface)
            self.wiring.ports[name] = PortState(
                generation=self.wiring.ports[name].generation,
                mtu=port.mtu,
                ifindex=port.ifindex,
                queues=port.queues,
                mac=port.mac,
                link=port.link,
                parameters=list(port.parameters),
            )
            if self.links is not None:
                self.links.watch(port.ifindex)
        return mistakes

    def port_messages(self) -> dict[str, dict[str, Any]]:
        """The ports as hosts are told of them."""
        return {
            name: {"number": self.descriptor.ports[name].number, "mtu": port.mtu,
                   "mac": port.mac.hex(":") if port.mac else None}
            for name, port in self.ports.items()
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
            self.hosts[name] = HostProcess(plan, self.pool.fd, self.loop, self.journal, self.logs, self)
        for host in self.hosts.values():
            try:
                host.start()
            except Refused as refused:
                self._mistakes += refused.mistakes
            except OSError as problem:
                self._mistakes.append(_cannot(f"vnfcs.{host.name}", problem))
        self.loop.run_until(lambda: all(h.state != "starting" for h in self.hosts.values()))
        self._check()
        if not self.capture:  # a capture's time begins when everything is there
            self._await_move()
        self._watchdog = Watchdog(self.hosts.values(), self.segment, self.loop)

    def _await_move(self) -> None:
        taken_up: list[list[tuple[int, str]]] = []
        self.epochs.move(taken_up.append)
        if not self.loop.run_until(lambda: bool(taken_up), READY_SECONDS):
            self._mistakes.append(Mistake(None, None, None, PLATFORM, "the forwarder does not answer"))
        for errors in taken_up:
            self._mistakes += [self._stage_mistake(*error) for error in errors]
        self._check()

    def _check(self) -> None:
        if self._mistakes:
            mistakes, self._mistakes = self._mistakes, []
            raise Refused(mistakes, title="not instantiated")

    def _stage_mistake(self, stage: int, what: str) -> Mistake:
        return Mistake(None, None, None, stage_name(stage, self.wiring), what)

    # forwarding

    def start(self, answer: Answer) -> None:
        """Begin to forward. `answer` gets the mistakes; with any, nothing is forwarded."""
        if self.forwarding or self._busy:
            answer([] if self.forwarding and not self._busy else [_busy()])
            return
        stopped = [host for host in self.hosts.values() if host.state in ("failed", "stopped")]
        for host in stopped:  # on_failure: stop
            self.restart_host(host)
        if len(self.ports) < len(self.descriptor.ports) and (mistakes := self._reopen()):
            answer(mistakes)
            return
        self._busy = True
        self.done = False
        for name, port in self.ports.items():
            state = self.wiring.ports[name]
            state.kind, state.generation = port.kind, state.generation + 1
            self._send_port(name)

        def taken_up(errors: list[tuple[int, str]]) -> None:
            self._busy = False
            if errors:
                self._unwire_ports()
                self.epochs.move(lambda _: answer([self._stage_mistake(*error) for error in errors]))
                return
            self.forwarding = True
            self.journal.write("started")
            answer([])

        self.epochs.move(taken_up)

    def stop(self, answer: Answer) -> None:
        """Take nothing more in, let out what is on its way, count the rest as `shutdown`."""
        if not self.forwarding or self._busy:
            answer([_busy()] if self._busy else [])
            return
        self._busy = True
        self.done = False

        def drained() -> None:
            if not self.capture:  # detached first: the kernel must not write to frames that are given back
                close_ports(self.ports)
            self._unwire_ports()
            self.epochs.move(unwired)

        def unwired(_: list[tuple[int, str]]) -> None:
            self.config.head.drain = 0
            self._kick()
            self.forwarding = self._busy = False
            if not self.capture and not self._ending:
                self._reopen()
            self.journal.write("stopped")
            answer([])

        self._on_drained = drained
        self.config.head.drain = 1
        self._kick()
        self._drain_timer = self.loop.later(DRAIN_SECONDS, self._drained)

    def _reopen(self) -> list[Mistake]:
        """Fresh ports, in which nothing old waits to be forwarded; what cannot be opened now is tried again
        at the next start."""
        close_ports(self.ports)
        mistakes = self._open_ports()
        for mistake in mistakes:
            self.logs.say(PLATFORM, str(mistake))
        return mistakes

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

    def _forwarder_said(self, kind: int, index: int, generation: int, what: str) -> None:
        if kind == C.MESSAGE_READY:
            self.epochs.ready(generation)
        elif kind == C.MESSAGE_ERROR:
            self.logs.say(stage_name(index, self.wiring), what)
            self.epochs.error(index, what)
        elif kind == C.MESSAGE_SWAPPED:
            swap = next((s for s in self.swaps.values() if s.old.number == index), None)
            if swap is not None and swap.old.generation == generation:
                swap.finish()
        elif kind == C.MESSAGE_DONE:
            self.done = True
            self._drained()

    def _forwarder_ended(self, status: int) -> None:
        if self._ended:
            return
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
            self.logs.say(PLATFORM, f"the forwarder cannot be started: {limits.words(problem)}")
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
        """Put another version of a VNFC in the place of the one that runs; see `coven.swap`."""
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
        if self._busy:
            self.loop.run_until(lambda: not self._busy, DRAIN_SECONDS + READY_SECONDS)
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
        every = [*self.hosts.values(), *self.leaving, *(h for s in self.swaps.values() for h in (s.old, s.new))]
        for host in every:
            host.stop()
        self.loop.run_until(lambda: all(host.finished for host in every), 10)
        self.leaving = [host for host in every if host not in self.hosts.values()]
        if hasattr(self, "process"):
            self.process.end()
        close_ports(self.ports)
        if self.links is not None:
            self.links.close()
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

    def status(self) -> dict[str, Any]:
        """The status document. Raises TimeoutError while figures stay half-written (the forwarder died)."""
        return {
            "name": self.plan.name,
            "state": "STARTED" if self.forwarding else "STOPPED",
            "forwarder": {"pid": self.process.pid, "state": int(self.segment.head.state)},
            **document(self.descriptor, self.segment, self._port_facts(), self.hosts),
        }

    def _port_facts(self) -> dict[str, PortFacts]:
        """With the state of each link at this moment."""
        if self.links is None:
            return self.facts
        return {
            name: replace(facts, link=self.links.state(self.wiring.ports[name].ifindex))
            for name, facts in self.facts.items()
        }


def port_backend(port: OpenPort) -> str:
    names = {C.PORT_AF_XDP: "af_xdp", C.PORT_AF_PACKET: "af_packet", C.PORT_PCAP: "pcap"}
    return names.get(port.kind, "none")


def _busy() -> Mistake:
    return Mistake(None, None, None, None, "a start or stop is going on", None, "try again in a moment")


def _cannot(field: str, problem: OSError) -> Mistake:
    return Mistake.of(problem, field=field)
