"""Swapping a VNFC of a running VNF for another version of it, without losing a packet.

    the new process starts and gets ready; packets go to the old one
    ready: the wiring names the new generation, and the old one as `previous`: the forwarder hands packets to the
        new one and takes back what the old one has (itf/swap.c)
    the forwarder has everything back, or FINISH_SECONDS are over: the old process ends
    it has ended: `previous` leaves the wiring

A new version that does not get ready changes nothing. An old one that dies meanwhile is not started again: its
packets are dropped by name until the new one is ready.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from coven.keeper.forwarder.wiring import HopState
from coven.keeper.hosts.process import HostPlan, HostProcess
from coven.keeper.loop import Timer
from coven.keeper.running import Running
from itf.mistakes import Mistake, Refused
from itf.segment import REASONS, C

FINISH_SECONDS = 3.0  #: how long a version that was swapped out may hold packets
SHUTDOWN = next(number for number, reason in REASONS.items() if reason.name == "shutdown")
Answer = Callable[[list[Mistake]], None]


def same_reasons(old: Mapping[int, tuple[str, str]], new: Mapping[int, tuple[str, str]]) -> str | None:
    """Drops are counted by a reason's number: the name of the first that would be called something else."""
    return next((name for number, (name, _) in old.items() if number in new and new[number][0] != name), None)


class Swap:
    """One VNFC's change of processes; `answer` is called when the new one has taken over, or could not."""

    def __init__(self, vnf: Running, old: HostProcess, plan: HostPlan, answer: Answer):
        self.vnf = vnf
        self.old = old
        self.answer = answer
        self.ended = False
        self._timer: Timer | None = None
        self.new = HostProcess(plan, vnf.pool, vnf.loop, vnf.journal, vnf.logs, self)
        self.running = old.state == "running"
        if not self.running:  # it crashed: nothing starts it again while its successor gets ready
            old.stop()
        self.new.take_over(old)

    def start(self) -> None:
        try:
            self.new.start()
        except Refused as refused:
            self._fail(refused.mistakes)
        except OSError as problem:
            self._fail([Mistake.of(problem, field=f"vnfcs.{self.old.name}")])

    # the new process

    def host_ready(self, host: HostProcess) -> None:
        if host is not self.new:
            return
        if self.running and self.old.state != "running":
            found = "the old version failed in the same moment, and the VNF stops"
            self._fail([Mistake(field=f"vnfcs.{host.name}", found=found, remedy="start the VNF anew")])
            return
        renamed = same_reasons(self.old.reasons, host.reasons)
        if renamed is not None:
            self._fail([Mistake(
                field=f"vnfcs.{host.name}", found=f"the reason {renamed} moved or went away",
                expected="reasons in the order that figures are counted by",
                remedy="declare new ones last, or start anew"
            )])  # fmt: skip
            return
        vnf, old = self.vnf, self.old
        # from here on nobody starts the old one again, nor is anything said of its end
        old.wanted, old.observer, host.observer = False, self, vnf
        vnf.hosts[host.name] = host
        previous = old.generation if self.running else 0
        vnf.wiring.hops[host.name] = HopState(C.HOP_UP, host.generation, SHUTDOWN, previous)
        vnf.send_hop(host)
        vnf.epochs.move(lambda _: self.answer([]))
        if self.running:
            self._timer = vnf.loop.later(FINISH_SECONDS, self.finish)
        else:
            self.finish()

    def host_refused(self, host: HostProcess, mistakes: list[Mistake]) -> None:
        self._fail(mistakes)

    def host_lost(self, host: HostProcess, reason: int) -> None:
        self._fail([Mistake(field=f"vnfcs.{host.name}", found="it ended before it was ready")])

    def _fail(self, mistakes: list[Mistake]) -> None:
        self.ended = True
        self._let_go(self.new, lambda: None)
        if not self.running:
            self.vnf.restart_host(self.old)
        self.answer(mistakes)

    def _let_go(self, host: HostProcess, then: Callable[[], None]) -> None:
        """End a process and, once it has ended, let go of its hop object."""

        def gone() -> None:
            if host in self.vnf.leaving:
                self.vnf.leaving.remove(host)
                host.close()
                then()

        self.vnf.leaving.append(host)
        host.on_gone = gone
        host.stop()
        if host.finished:
            gone()

    # the old one

    def old_lost(self) -> None:
        """It died while its successor gets ready: nothing starts it again unless that one fails."""
        if not self.ended:
            self.running = self.old.wanted = False

    def finish(self) -> None:
        """It has given everything back, or had its time."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self.ended:
            self.ended = True
            self._let_go(self.old, self._gone)

    def _gone(self) -> None:
        vnf, host = self.vnf, self.new
        state = vnf.wiring.hops[host.name]
        if state.previous == self.old.generation:
            vnf.wiring.hops[host.name] = HopState(state.state, state.generation, state.lost_reason)
        host.inherit(self.old)
        vnf.swaps.pop(host.name, None)
        vnf.epochs.move()
