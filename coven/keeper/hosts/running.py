"""The VNFCs of one running VNF: their processes, what changes them for others, and what they mean for the wiring."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from agents.summary import summary
from coven.keeper.forwarder.running import RunningForwarder
from coven.keeper.forwarder.wiring import HopState
from coven.keeper.hosts.process import HostPlan, HostProcess
from coven.keeper.hosts.state import State
from coven.keeper.hosts.swap import Answer, Retired, Swap
from coven.keeper.hosts.watchdog import Watchdog
from coven.keeper.journal import Journal
from coven.keeper.logs import Logs
from coven.keeper.loop import Loop
from itf.mistakes import Mistake
from itf.segment import C

END_SECONDS = 10.0  #: hosts that were told to end are killed long before


class RunningHosts(Mapping[str, HostProcess]):
    """By VNFC. `stop` is called when a VNFC ended that the VNF shall not forward without (`on_failure: stop`)."""

    def __init__(
        self, forwarder: RunningForwarder, capture: bool, loop: Loop, journal: Journal, logs: Logs,
        stop: Callable[[], None],
    ):  # fmt: skip
        self.forwarder = forwarder
        self.capture = capture
        self.loop = loop
        self.journal = journal
        self.logs = logs
        self.stop = stop
        self.swaps: dict[str, Swap] = {}  #: by VNFC, until the version swapped out has ended
        self.leaving: list[HostProcess] = []  #: processes that end, and are no hop's any more
        self.retired: list[Retired] = []
        self._hosts: dict[str, HostProcess] = {}
        self._mistakes: list[Mistake] = []
        self._watchdog: Watchdog | None = None

    def __getitem__(self, name: str) -> HostProcess:
        return self._hosts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._hosts)

    def __len__(self) -> int:
        return len(self._hosts)

    # coming and going

    def make(self, plan: HostPlan) -> HostProcess:
        return HostProcess(plan, self.forwarder.pool, self.loop, self.journal, self.logs, self)

    def start(self, plans: Mapping[str, HostPlan]) -> list[Mistake]:
        """Start all of them; returns when each is ready, or has said why it is not."""
        self._hosts = {name: self.make(plan) for name, plan in plans.items()}
        for host in self.values():
            self._mistakes += host.begin()
        self.loop.run_until(lambda: all(host.state != State.STARTING for host in self.values()))
        mistakes, self._mistakes = self._mistakes, []
        return mistakes

    def watch(self, looked: Callable[[], None]) -> None:
        """From now on those that hang are ended; `looked` is called after each look at them."""
        self._watchdog = Watchdog(self.values, self.forwarder.statistics, self.loop, looked)

    def idle(self, name: str) -> float:
        """Seconds that a VNFC has had something to do and done nothing."""
        return 0.0 if self._watchdog is None else self._watchdog.idle(name)

    def revive(self) -> None:
        """Start those again that ended with `on_failure: stop`."""
        for host in self.values():
            if host.state in (State.FAILED, State.STOPPED):
                self.restart(host)

    def restart(self, host: HostProcess) -> None:
        for mistake in host.begin():
            self.logs.say(host.name, f"cannot be started: {mistake}")

    def let_go(self, host: HostProcess, then: Callable[[], None] = lambda: None) -> None:
        """End a process that is no hop's any more and, once it has ended, let go of its hop object."""

        def gone() -> None:
            if host in self.leaving:
                self.leaving.remove(host)
                host.close()
                then()

        self.leaving.append(host)
        host.on_gone = gone
        host.stop()
        if host.finished:
            gone()

    def end(self) -> None:
        """All processes end; their figures stay."""
        if self._watchdog is not None:
            self._watchdog.stop()
        every = [*self.values(), *self.leaving, *(host for swap in self.swaps.values() for host in swap.processes)]
        for host in every:
            host.on_gone = lambda: None
            host.stop()
        self.loop.run_until(lambda: all(host.finished for host in every), END_SECONDS)
        self.leaving = [host for host in every if host not in self.values()]

    def close(self) -> None:
        """Let go of the hop objects. Once ended."""
        for host in [*self.values(), *self.leaving]:
            host.close()

    # changing one for another

    @property
    def changing(self) -> bool:
        """A process that was swapped out, or given up, is still there."""
        return bool(self.swaps or self.leaving)

    def swap(self, plan: HostPlan, answer: Answer) -> None:
        """Put another version of a VNFC in the place of the one that runs, as soon as it is ready."""
        name = plan.vnfc.name
        if name in self.swaps:
            answer([Mistake(found="another version of it is being swapped in", remedy="try again in a moment")])
            return

        def ready(mistakes: list[Mistake]) -> None:
            if mistakes:
                answer(mistakes)
                return
            swap.commit()
            self.forwarder.epochs.move(taken_up, barrier=True)

        def taken_up(_: object) -> None:
            swap.committed()
            answer([])

        swap = Swap(self, self._hosts[name], plan, ready)
        swap.start()

    def put(self, host: HostProcess) -> None:
        """It is its VNFC's process from now on."""
        self._hosts[host.name] = host

    def drop(self, name: str) -> HostProcess:
        """That VNFC has no process any more."""
        return self._hosts.pop(name)

    def order(self, names: list[str]) -> None:
        self._hosts = {name: self._hosts[name] for name in names}

    # the wiring

    def send_everything(self) -> None:
        for host in self.values():
            if self.forwarder.wiring.hops[host.name].state == C.HOP_UP:
                self.send(host)

    def send(self, host: HostProcess) -> None:
        """Its descriptors, ahead of a wiring that names them."""
        assert host.hop is not None
        self.forwarder.process.send(C.MESSAGE_HOP, host.number, host.generation, (host.hop.fd, host.bell))

    def host_ready(self, host: HostProcess) -> None:
        hops = self.forwarder.wiring.hops
        hops[host.name] = HopState(C.HOP_UP, host.generation, previous=hops[host.name].previous)
        self.send(host)
        self._rewire()

    def host_lost(self, host: HostProcess, reason: int) -> None:
        hops = self.forwarder.wiring.hops
        before = hops[host.name]
        hops[host.name] = HopState(C.HOP_DOWN, before.generation, reason, before.previous)
        self._rewire()
        if host.plan.vnfc.on_failure == "stop":
            host.fail()
            self.logs.say(host.name, "on_failure: stop. The VNF stops forwarding")
            self.stop()

    def host_refused(self, host: HostProcess, mistakes: list[Mistake]) -> None:
        self._mistakes += mistakes

    def _rewire(self) -> None:
        if self.forwarder.epochs.epoch > 0:
            self.forwarder.epochs.move()

    # what the forwarder says of them

    def finished(self, number: int, generation: int) -> None:
        """What a hop had before has nothing left."""
        for swap in list(self.swaps.values()):
            swap.finished(number, generation)

    def ended_in(self, number: int, what: str) -> None:
        """Name the packet in which a VNFC ended."""
        name = next((host.name for host in self.values() if host.number == number), None)
        if name is None:
            return
        time_ns, length, link, data = what.split(" ")
        packet = summary(bytes.fromhex(data), int(link), int(length))
        at = f", at {int(time_ns) / 1e9:.6f} s of the capture" if self.capture else ""
        self.logs.say(name, f"had this packet when it ended: {packet}{at}")
