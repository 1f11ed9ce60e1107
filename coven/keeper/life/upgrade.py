"""A running VNF becomes another version of its package while packets flow.

    CHECKING    the new package is checked and built beside the running VNF
    OPENING     ports that are new are opened, and wired without a chain
    STARTING    processes of the VNFCs that differ get ready; what runs goes on as always
    COMMITTING  one wiring names all that is new: the forwarder takes nothing in until what is on its way has left (it
                waits 20 ms for one that does not move, half a second at most), and goes on by the new one
    CLOSING     ports that are no more are closed, and unwired

Before COMMITTING nothing of the running VNF has been touched, and whatever fails is undone. Ports and VNFCs of the same
name keep their numbers, so their figures go on; a hop that is no more is kept in the sums (`Retired`).
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from pathlib import Path

from coven.keeper.forwarder.wiring import PortState, Wiring
from coven.keeper.hosts.build import Ready
from coven.keeper.hosts.process import HostPlan
from coven.keeper.hosts.swap import Swap
from coven.keeper.life import hosting
from coven.keeper.life.turns import Answer
from coven.keeper.life.vnf import Vnf
from coven.keeper.logs import PLATFORM
from coven.keeper.plan import Plan
from coven.package.descriptor import Descriptor, load
from coven.package.settings import Config
from coven.package.versions import changed
from itf.mistakes import Kind, Mistake, Refused
from itf.segment import C

AGAIN_SECONDS = 0.05  #: between looks whether the processes of an earlier change have ended
TURN_SECONDS = 80.0  #: from the opening of ports on: VNFCs have 30 s to be ready, and as long again as another hop


class Step(Enum):
    CHECKING = auto()
    OPENING = auto()
    STARTING = auto()
    COMMITTING = auto()
    CLOSING = auto()
    OVER = auto()


TRANSITIONS = {
    Step.CHECKING: {Step.OPENING, Step.OVER},
    Step.OPENING: {Step.STARTING, Step.OVER},
    Step.STARTING: {Step.COMMITTING, Step.OVER},
    Step.COMMITTING: {Step.CLOSING, Step.OVER},
    Step.CLOSING: {Step.OVER},
    Step.OVER: set[Step](),
}
_versions = itertools.count(2)  #: they tell the memory groups of two versions apart


@dataclass(frozen=True)
class Checked:
    """What is known of the new version before anything is touched."""

    ready: dict[str, Ready]
    differ: set[str]  #: VNFCs that both versions have, and that are not the same
    configs: dict[str, Config]


class Upgrade:
    """`plan` is the whole plan of the new version; ports of the same name must be bound as they are. `answer` gets the
    mistakes: with any, the VNF is what it was."""

    def __init__(self, vnf: Vnf, plan: Plan, answer: Answer):
        self.vnf = vnf
        self.plan = plan
        self._answer: Answer | None = answer
        self.step = Step.CHECKING
        self.before = vnf.plan, vnf.descriptor
        self.descriptor: Descriptor
        self.wiring: Wiring
        self._confinement = hosting.confine()
        self._added: list[str] = []  #: ports
        self._removed: list[str] = []
        self._swaps: list[Swap] = []
        self._waits = 0  #: for so many of them
        self._kept: dict[str, HostPlan] = {}  #: of the VNFCs that run on
        self._done: Answer = lambda mistakes: None

    def _become(self, step: Step) -> None:
        assert step in TRANSITIONS[self.step], f"{self.step} -> {step}"
        self.step = step

    def begin(self) -> None:
        """Raises Refused when it cannot be begun."""
        if self.vnf.upgrading is not None:
            found = Mistake(found="another upgrade is going on", remedy="wait until it is over")
            raise Refused(found, title="not now", kind=Kind.CONFLICT)
        if self.vnf.capture:
            raise Refused(Mistake(found="a VNF over captures", expected="one with interfaces"))
        new = load(self.plan.package / self.plan.descriptor)
        self.vnf.upgrading = self
        self._when_settled(new)

    def _when_settled(self, new: Descriptor) -> None:
        """One change of a VNFC at a time: those of an upgrade before have their hops, and where they were built."""
        if self.step == Step.OVER:
            return
        if self.vnf.hosts.changing:
            self.vnf.loop.later(AGAIN_SECONDS, lambda: self._when_settled(new))
            return
        try:
            self.plan = replace(self.plan, build=self._fresh())
            self._number(new)
        except Refused as refused:
            self._end(refused.mistakes)
            return
        self.vnf.loop.work(self._check, self._checked)

    def _fresh(self) -> Path:
        """A folder to build in, beside those that processes run from: NAME.2, NAME.3, ...; others are removed."""
        build = self.vnf.plan.build
        name = build.name.partition(".")[0]
        used = {build, *(host.runs_from for host in self.vnf.hosts.values())}
        for folder in [build.with_name(name), *build.parent.glob(f"{name}.*")]:
            if folder not in used:
                shutil.rmtree(folder, ignore_errors=True)
        beside = (build.with_name(f"{name}.{number}") for number in itertools.count(2))
        return next(folder for folder in beside if not folder.exists())

    def _tell(self, mistakes: list[Mistake]) -> None:
        """The answer, once: one that waits for its turn may be given up, and then refused it."""
        answer, self._answer = self._answer, None
        if answer is not None:
            answer(mistakes)

    # numbers

    def _number(self, new: Descriptor) -> None:
        """By the same name the same number; a VNFC with other outputs is another hop."""
        old, hosts, ports = self.before[1], self.vnf.hosts, self.vnf.ports
        mistakes: list[Mistake] = []
        known = {**{name: port.number for name, port in old.ports.items()}, **ports.retired}
        numbers = _numbers(new.ports, known, range(C.SEG_PORTS), "ports", mistakes)
        kept = {
            name: hosts[name].number
            for name, vnfc in new.vnfcs.items()
            if name in hosts and hosts[name].plan.vnfc.outputs == vnfc.outputs
        }
        used = {host.number for host in hosts.values()} | {hop.number for hop in hosts.retired}
        for hop in hosts.retired:
            # it may have been this very version; what it counted is called by the same names then, or is asked for
            if hop.name in new.vnfcs and hop.outputs == new.vnfcs[hop.name].outputs and self._free(hop.number):
                kept.setdefault(hop.name, hop.number)
        free = [number for number in range(C.SEG_HOPS) if number not in used]
        vnfcs = _numbers(new.vnfcs, kept, free, "vnfcs", mistakes)
        if mistakes:
            raise Refused(mistakes, title="upgrade refused")
        self.descriptor = new.numbered(numbers, vnfcs)

    def _free(self, number: int) -> bool:
        return number not in self.vnf.forwarder.wiring.leaving

    def _others(self, name: str) -> Iterator[int]:
        """Hops that a new version of this VNFC may be, if the one at its number counts other reasons."""
        hosts = self.vnf.hosts
        own = [hop.number for hop in hosts.retired if hop.name == name and self._free(hop.number)]
        fresh = [number for number in range(C.SEG_HOPS) if number not in {hop.number for hop in hosts.retired}]
        for number in [*own, *fresh]:
            taken = {host.number for host in hosts.values()}
            taken |= {vnfc.number for vnfc in self.descriptor.vnfcs.values()}
            taken |= {swap.new.number for swap in self._swaps if swap.new is not None}
            if number not in taken:
                yield number

    # checking, in a thread

    def _check(self) -> Checked:
        """Raises Refused with every mistake."""
        old, new = self.before[1], self.descriptor
        removed = {name: port for name, port in old.ports.items() if name not in new.ports}
        # ports that are no more stay wired, without a chain, until they are closed
        union = replace(new, ports={**new.ports, **removed})
        mistakes, ready, wiring = hosting.check(self.plan, new, self._confinement, wired=union)
        mistakes += self._rebound()
        if mistakes or wiring is None:
            raise Refused(mistakes, title="upgrade refused")
        self.wiring = wiring
        return Checked(ready, changed(old, new), new.configured(self.plan.config))

    def _checked(self, checked: Checked | None, problem: BaseException | None) -> None:
        if self.step == Step.OVER:
            return
        if checked is None:
            self._end(problem.mistakes if isinstance(problem, Refused) else [Mistake(found=f"a fault: {problem}")])
            return

        def begin(done: Answer) -> None:
            self._done = done
            if self.step == Step.CHECKING:
                self._open(checked)
            else:
                done([Mistake(found="the upgrade was given up")])

        self.vnf.turns.ask("upgrade", begin, self._late, self._tell, TURN_SECONDS)

    def _rebound(self) -> list[Mistake]:
        bound = self.before[0].ports
        return [
            Mistake(field=f"ports.{name}", found=f"another binding than {bound[name].interface}",
                    expected="ports that stay, bound as they are", remedy="terminate and instantiate to bind it anew")
            for name, port in self.plan.ports.items()
            if name in bound and name in self.descriptor.ports and port != bound[name]
        ]  # fmt: skip

    # ports that are new

    def _open(self, checked: Checked) -> None:
        self._become(Step.OPENING)
        vnf, old, new = self.vnf, self.before[1], self.descriptor
        self._added = [name for name in new.ports if name not in old.ports]
        self._removed = [name for name in old.ports if name not in new.ports]
        union = replace(old, ports={**old.ports, **{name: new.ports[name] for name in self._added}})
        vnf.descriptor = union
        vnf.forwarder.wiring.describe(union)
        vnf.plan = replace(vnf.plan, ports={**vnf.plan.ports, **{n: self.plan.ports[n] for n in self._added}})
        for name in self._added:
            vnf.forwarder.wiring.ports[name] = PortState()
        mistakes = vnf.ports.open_these(self._added)
        if mistakes:
            self._undo(mistakes)
            return

        def wired(errors: list[tuple[int, str]]) -> None:
            if self.step != Step.OPENING:
                return
            if errors:
                self._undo(vnf.forwarder.stage_mistakes(errors))
            else:
                self._start(checked)

        if self._added and vnf.forwarding:
            for name in self._added:
                vnf.ports.wire(name)
            vnf.forwarder.epochs.move(wired)
        else:
            wired([])

    # VNFCs

    def _start(self, checked: Checked) -> None:
        self._become(Step.STARTING)
        vnf, old, new = self.vnf, self.before[1], self.descriptor
        version = f"{next(_versions)}."
        told = {name: facts for name, facts in vnf.port_messages().items() if name in new.ports}
        plans = {
            name: replace(
                hosting.host(
                    self.plan, vnfc, self._confinement, vnf, checked.ready[name], checked.configs[name], version
                ),
                ports=told,
            )
            for name, vnfc in new.vnfcs.items()
        }
        for name, plan in plans.items():
            for warning in checked.ready[name].warnings:
                vnf.logs.say(name, warning.as_warning())
            host = vnf.hosts.get(name)
            if host is not None and name not in checked.differ and host.config == plan.config:
                self._kept[name] = plan
            else:
                self._swaps.append(Swap(vnf.hosts, host, plan, self._ready, self._others(name)))
        self._swaps += [Swap(vnf.hosts, vnf.hosts[name], None, self._ready) for name in old.vnfcs
                        if name not in new.vnfcs]  # fmt: skip
        self._waits = len(self._swaps)
        for swap in list(self._swaps):
            if self.step == Step.STARTING:
                swap.start()
        if not self._swaps:
            self._commit()

    def _ready(self, mistakes: list[Mistake]) -> None:
        if self.step != Step.STARTING:
            return
        if mistakes:
            self._undo(mistakes)
            return
        self._waits -= 1
        if self._waits == 0:
            self._commit()

    # the new wiring

    def _commit(self) -> None:
        vnf, new = self.vnf, self.descriptor
        hosts = {swap.name: swap.new for swap in self._swaps if swap.new is not None}
        requests = {name: (hosts.get(name) or vnf.hosts[name]).requests for name in new.vnfcs}
        if mistakes := hosting.not_offered(new, requests):
            self._undo(mistakes)
            return
        self._become(Step.COMMITTING)
        # a version that counts other reasons has become another hop
        numbers = {name: (hosts.get(name) or vnf.hosts[name]).number for name in new.vnfcs}
        self.descriptor = new = new.numbered({name: port.number for name, port in new.ports.items()}, numbers)
        self.wiring.describe(replace(new, ports=self.wiring.descriptor.ports))
        self.wiring.take_over(vnf.forwarder.wiring, vnf.forwarder.segment)
        vnf.forwarder.epochs.wiring = self.wiring
        vnf.descriptor = self.wiring.descriptor
        for swap in self._swaps:
            swap.commit()
        for name, plan in self._kept.items():
            vnf.hosts[name].plan = replace(plan, vnfc=new.vnfcs[name])
        vnf.hosts.order(list(new.vnfcs))
        vnf.forwarder.epochs.move(self._taken_up, barrier=True)

    def _taken_up(self, errors: list[tuple[int, str]]) -> None:
        self._become(Step.CLOSING)
        vnf = self.vnf
        for mistake in vnf.forwarder.stage_mistakes(errors):
            vnf.logs.say(PLATFORM, str(mistake))
        for swap in self._swaps:
            swap.committed()
        for name in self._removed:
            vnf.ports.retire(name)
        vnf.plan = self.plan
        vnf.descriptor = self.descriptor
        self.wiring.describe(self.descriptor)
        vnf.journal.note("upgraded")
        if self._removed:
            vnf.forwarder.epochs.move(lambda _: self._end([]))
        else:
            self._end([])

    # endings

    def abandon(self) -> None:
        """The VNF ends, or shall: unless it is committed, it is given up."""
        mistakes = [Mistake(found="the VNF ends")]
        if self.step == Step.CHECKING:
            self._end(mistakes)
        elif self.step in (Step.OPENING, Step.STARTING):
            self._undo(mistakes)

    def _late(self, done: Answer) -> None:
        """Something hangs, most likely the forwarder. What is committed is so, whenever that is taken up."""
        if self.step in (Step.OPENING, Step.STARTING):
            self._undo([self.vnf.forwarder.unresponsive()])

    def _undo(self, mistakes: list[Mistake]) -> None:
        """Nothing was committed: the VNF is what it was."""
        vnf = self.vnf
        for swap in self._swaps:
            swap.abandon()
        for name in self._added:
            vnf.ports.retire(name)
            vnf.ports.forget_unused(name)
        vnf.plan, vnf.descriptor = self.before
        vnf.forwarder.wiring.describe(vnf.descriptor)
        if self._added:
            vnf.forwarder.epochs.move()
        self._end(mistakes)

    def _end(self, mistakes: list[Mistake]) -> None:
        building = self.step == Step.CHECKING
        self._become(Step.OVER)
        self.vnf.upgrading = None
        if building:
            self._tell(mistakes)
        else:
            self._done(mistakes)


def _numbers(
    names: Iterable[str], known: Mapping[str, int], numbers: Iterable[int], what: str, mistakes: list[Mistake]
) -> dict[str, int]:
    """A number for each name: the known one, or one of `numbers` that is nobody's."""
    free = (number for number in numbers if number not in known.values())
    result: dict[str, int] = {}
    for name in names:
        number = known.get(name)
        if number is None and (number := next(free, None)) is None:
            mistakes.append(Mistake(
                field=f"{what}.{name}", found="more than have been in this VNF's life",
                expected="a number that is free", remedy="terminate it and instantiate the new version"
            ))  # fmt: skip
            continue
        result[name] = number
    return result
