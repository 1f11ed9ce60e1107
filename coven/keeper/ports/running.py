"""The ports of one VNF and what becomes of their interfaces meanwhile.

An interface is followed by its index as long as it lives: what it is called, its link, its MTU, its offloads.
One that leaves (deleted, or moved to another namespace) is let go of at once, and taken again, as a switch
does, when one of the name that the port was bound to is there: another one to the kernel, so whether the host
may do without it is asked anew.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from coven.keeper.forwarder.wiring import PortState
from coven.keeper.logs import PLATFORM
from coven.keeper.loop import Timer
from coven.keeper.ports import trouble as port_trouble
from coven.keeper.ports.facts import PortFacts
from coven.keeper.ports.links import Links
from coven.keeper.ports.opening import OpenPort, binding_mistakes, close_port, open_port, restore_entry
from coven.keeper.running import Running
from itf import limits
from itf.mistakes import Mistake
from itf.segment import C
from vns import rtnetlink
from vns.interface import largest_mtu, passing_mtu, present_name
from vns.named import index_of
from vns.rtnetlink import Link

UP, DOWN, GONE = "up", "down", "gone"
SETTLE_SECONDS = 0.5  #: after the last news of an interface that is new: its maker is done, with addresses too
ACROSS_SECONDS = 5.0  #: between looks at the other end of an interface
RETRY_SECONDS = 1.0, 10.0  #: between tries to take one that is there and refused, doubling
_BACKENDS = {C.PORT_AF_XDP: "af_xdp", C.PORT_AF_PACKET: "af_packet", C.PORT_PCAP: "pcap"}


@dataclass
class Trouble:
    words: str
    since: float  #: seconds since 1970


@dataclass
class Bound:
    """What is known of a live port's interface, there or not."""

    link: str = UP
    since: float = field(default_factory=time.time)  #: when the link became so; seconds since 1970
    trouble: dict[str, Trouble] = field(default_factory=dict)
    coming: Timer | None = None  #: until it is looked at again
    wait: float = RETRY_SECONDS[0]
    across: Timer | None = None  #: until its other end is looked at again


class RunningPorts(Mapping[str, OpenPort]):
    """The open ports of `vnf`, by name; its wiring has them as they are."""

    def __init__(self, vnf: Running):
        self.vnf = vnf
        self.on_back: Callable[[str, str], None] = lambda port, interface: None  #: an interface was taken again
        self.retired: dict[str, int] = {}  #: ports that are no more, by name: what they counted stays in the sums
        self._open_ports: dict[str, OpenPort] = {}
        self.facts: dict[str, PortFacts] = {}
        self._bound: dict[str, Bound] = {}
        self._owed: list[Mapping[str, Any]] = []
        self._index: dict[str, int] = {}  #: of interfaces given back for the moment, whatever they are called
        self._links = None if vnf.capture else Links(vnf.loop, self._changed, self._left)

    def __getitem__(self, name: str) -> OpenPort:
        return self._open_ports[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._open_ports)

    def __len__(self) -> int:
        return len(self._open_ports)

    # the wiring

    @property
    def states(self) -> dict[str, PortState]:
        return self.vnf.forwarder.wiring.ports

    def wire(self, name: str) -> None:
        """From the next epoch on the forwarder has this port."""
        state = self.states[name]
        state.kind, state.generation = self[name].kind, state.generation + 1
        self._send(name)

    def unwire(self) -> None:
        """From the next epoch on the forwarder has none."""
        for state in self.states.values():
            state.kind = C.PORT_NONE

    def send_everything(self) -> None:
        for name in list(self):
            if self.states[name].kind != C.PORT_NONE:
                self._send(name)

    def _send(self, name: str) -> None:
        number, state = self.vnf.descriptor.ports[name].number, self.states[name]
        try:
            fds = self[name].hand()
        except OSError as problem:  # what it is to have anew it cannot have now: perhaps later
            self._owed += close_port(name, self._open_ports)
            self._refused(name, [Mistake(found=limits.words(problem))])
        else:
            self.vnf.forwarder.process.send(C.MESSAGE_PORT, number, state.generation, fds)

    def messages(self) -> dict[str, dict[str, Any]]:
        """The ports as hosts are told of them."""
        return {
            name: {"number": self.vnf.descriptor.ports[name].number, "mtu": port.mtu,
                   "mac": port.mac.hex(":") if port.mac else None}
            for name, port in self.states.items()
        }  # fmt: skip

    # opening and closing

    def open_missing(self, missing: bool = False) -> list[Mistake]:
        """Open what is not open, or was on an interface that is no longer there; the mistakes of all ports.
        `missing`: an interface that is not there is none, and is taken when it comes."""
        vnf = self.vnf
        mistakes = binding_mistakes(vnf.plan, vnf.descriptor)
        for name in vnf.descriptor.ports:
            if name in self and not vnf.capture and self[name].interface() is None:
                self._lost(name)
            if name in vnf.plan.ports and name not in self:
                mistakes += self._open_or_wait(name, missing)
        return mistakes

    def open_these(self, names: Iterable[str]) -> list[Mistake]:
        """Open ports that the VNF had not."""
        mistakes = []
        for name in names:
            self.retired.pop(name, None)
            mistakes += self._open(name)
        return mistakes

    def retire(self, name: str) -> None:
        """The VNF has this port no more: it is closed, and from the next epoch on not wired."""
        self.retired[name] = self.vnf.descriptor.ports[name].number
        if name in self:
            self._owed += close_port(name, self._open_ports)
        bound = self._bound.pop(name, None)
        if bound is not None and bound.coming is not None:
            bound.coming.cancel()
        self.facts.pop(name, None)
        self.states.pop(name, None)

    def forget_unused(self, name: str) -> None:
        """A retired port that no packet came to or left by: its number is free."""
        place, number = self.vnf.forwarder.segment.head.live.place, self.retired[name]
        if not place[C.PLACE_ARRIVING + number].received and not place[C.PLACE_LEAVING + number].received:
            del self.retired[name]

    def _open_or_wait(self, name: str, missing: bool) -> list[Mistake]:
        interface = self.vnf.plan.ports[name].interface
        mistakes = self._open(name)
        if mistakes and missing and interface and not index_of(interface):
            self.facts.setdefault(name, PortFacts("none", "its interface is not there yet", interface))
            self._away(name, port_trouble.gone(interface))
            return []
        if mistakes and name in self.facts:
            self._refused(name, mistakes)
        return mistakes

    def close(self) -> None:
        """Give every interface and file back, the last one opened first."""
        for name, port in reversed(list(self.items())):
            if port.interface() is not None:
                self._index[name] = port.ifindex
            self._owed += close_port(name, self._open_ports)
        owed, self._owed = self._owed, []
        for entry in owed:
            if present_name(entry) is None:
                self._owed.append(entry)
            else:
                restore_entry(entry)

    def end(self) -> None:
        self.close()
        for bound in self._bound.values():
            for timer in (bound.coming, bound.across):
                if timer is not None:
                    timer.cancel()
        if self._links is not None:
            self._links.close()
            self._links = None

    def _open(self, name: str) -> list[Mistake]:
        vnf, bound = self.vnf, self._bound.setdefault(name, Bound())
        plan = vnf.plan.ports[name]
        plan = replace(plan, interface=_name_of(self._index.pop(name, 0)) or plan.interface)
        mistakes = open_port(name, plan, vnf.forwarder.pool, vnf.journal, self._open_ports)
        if mistakes:
            return mistakes
        port = self[name]
        self.facts[name] = PortFacts(_BACKENDS.get(port.kind, "none"), port.why, port.interface() or plan.interface)
        before = self.states[name]
        self.states[name] = PortState(
            kind=before.kind,
            generation=before.generation,
            mtu=port.mtu,
            ifindex=port.ifindex,
            queues=port.queues,
            mac=port.mac,
            link=port.link,
            parameters=list(port.parameters),
        )
        bound.trouble.clear()
        if self._links is not None:
            self._follow(name, port, rtnetlink.links().get(port.ifindex), quietly=True)
        return []

    # what the kernel tells

    def _changed(self, link: Link) -> None:
        for name, port in list(self.items()):
            if port.ifindex == link.index:
                self._follow(name, port, link)
        for name, plan in self.vnf.plan.ports.items():
            if name not in self._bound or name in self:
                continue
            # a second name (altname) may be given without a word: so look whenever there is news at all
            if index_of(plan.interface) == link.index or self._bound[name].coming is None:
                self._look_later(name, SETTLE_SECONDS)

    def _left(self, index: int) -> None:
        for name, port in list(self.items()):
            if port.ifindex == index:
                self._lost(name)

    def _follow(self, name: str, port: OpenPort, link: Link | None, quietly: bool = False) -> None:
        """An open port's interface, as it is now. None: it went before we looked, as we shall be told."""
        if link is None:
            return
        vnf, bound, facts = self.vnf, self._bound[name], self.facts[name]
        if facts.interface != link.name:
            self._say(name, f"{facts.interface} is called {link.name} now")
            self.facts[name] = replace(facts, interface=link.name)
        state = UP if link.carrier else DOWN
        if state != bound.link:
            bound.link, bound.since = state, time.time()
        if (mtu := passing_mtu(link)) != port.mtu:
            whose = link.name if mtu == link.mtu else f"the other end of {link.name}"
            self._say(name, f"{whose} has MTU {mtu} now, it was {port.mtu}")
            port.mtu = self.states[name].mtu = mtu
            if self.states[name].kind != C.PORT_NONE:
                vnf.forwarder.epochs.move()
        self._look_across(name, port, link)
        take = vnf.plan.ports[name].take
        there = dict(port_trouble.of_link(port, link, largest_mtu(vnf.forwarder.pool), take))
        for what in list(bound.trouble):
            if what not in there:
                self._say(name, f"no longer so: {bound.trouble.pop(what).words.partition(' (')[0]}")
        for what, words in there.items():
            self._trouble(name, what, words, quietly)

    def _look_across(self, name: str, port: OpenPort, link: Link) -> None:
        """Follow what is at the other end, of which the kernel sends no news, as long as this port is open."""
        bound = self._bound[name]
        if bound.across is not None:
            bound.across.cancel()
            bound.across = None

        def look() -> None:
            bound.across = None
            if self.get(name) is not port:
                return
            try:
                now = rtnetlink.links().get(port.ifindex)
            except OSError:  # as with no news
                now = link
            self._follow(name, port, now)

        if link.lower and self._links is not None:
            bound.across = self.vnf.loop.later(ACROSS_SECONDS, look)

    def _trouble(self, name: str, what: str, words: str, quietly: bool = False) -> None:
        trouble = self._bound[name].trouble
        if what in trouble and trouble[what].words == words:
            return
        if not quietly:
            self._say(name, words)
        trouble[what] = Trouble(words, trouble[what].since if what in trouble else time.time())

    def _lost(self, name: str) -> None:
        """The interface has left: let go of it, which also detaches our program from one that was moved away."""
        self._owed += close_port(name, self._open_ports)
        self._away(name, port_trouble.gone(str(self.facts[name].interface)))
        self._look_later(name, SETTLE_SECONDS)  # one of that name may be there already

    def _away(self, name: str, words: str) -> None:
        bound = self._bound[name]
        if bound.link != GONE:
            bound.link, bound.since, bound.wait = GONE, time.time(), RETRY_SECONDS[0]
            bound.trouble.clear()
        self._trouble(name, GONE, words)

    # taking it again

    def _look_later(self, name: str, seconds: float) -> None:
        bound = self._bound[name]
        if bound.coming is not None:
            bound.coming.cancel()
        bound.coming = self.vnf.loop.later(seconds, lambda: self._look(name))

    def _look(self, name: str) -> None:
        vnf, bound = self.vnf, self._bound[name]
        bound.coming = None
        if name in self or self._links is None or not index_of(vnf.plan.ports[name].interface):
            return
        if vnf.busy:
            self._look_later(name, SETTLE_SECONDS)
        elif mistakes := self._open(name):
            self._refused(name, mistakes)
        elif not vnf.forwarding:
            self._back(name, bound)
        else:
            self._join(name)

    def _refused(self, name: str, mistakes: list[Mistake]) -> None:
        """It could not be opened: if it is there, try again later."""
        bound, interface = self._bound[name], str(self.vnf.plan.ports[name].interface)
        if not index_of(interface):
            self._away(name, port_trouble.gone(interface))
            return
        self._away(name, port_trouble.refused(interface, mistakes))
        self._look_later(name, bound.wait)
        bound.wait = min(bound.wait * 2, RETRY_SECONDS[1])

    def _join(self, name: str) -> None:
        """Forward through a port that has just been opened, as well."""
        vnf, bound, port = self.vnf, self._bound[name], self[name]

        def taken_up(errors: list[tuple[int, str]]) -> None:
            if self.get(name) is not port:  # it has gone again, or the VNF was stopped
                return
            own = [what for stage, what in errors if stage == C.STAGE_PORT + vnf.descriptor.ports[name].number]
            if own:
                self._owed += close_port(name, self._open_ports)
                self._refused(name, [Mistake(found=what) for what in own])
            else:
                self._back(name, bound)

        self.wire(name)
        vnf.forwarder.epochs.move(taken_up)

    def _back(self, name: str, bound: Bound) -> None:
        bound.wait = RETRY_SECONDS[0]
        interface = str(self.facts[name].interface)
        self._say(name, f"{interface} is back and taken again")
        self.on_back(name, interface)

    # telling

    def _say(self, name: str, words: str) -> None:
        self.vnf.logs.say(PLATFORM, f"port {name}: {words}")

    def shown(self) -> dict[str, PortFacts]:
        """The ports as they are at this moment."""
        if self._links is None:
            return self.facts
        return {
            name: replace(
                facts,
                link=self._bound[name].link,
                since=self._bound[name].since,
                mtu=self.states[name].mtu,
                trouble=[(each.words, each.since) for each in self._bound[name].trouble.values()],
            )
            for name, facts in self.facts.items()
        }


def _name_of(index: int) -> str | None:
    try:
        return socket.if_indextoname(index)
    except OSError:
        return None
