"""Packets of a VNF, followed: what each was, what every VNFC said of it, how it ended.

The forwarder writes a trace as long as somebody reads; otherwise it costs one predicted branch. It never waits: what it
writes faster than it is read is lost, counted, and said.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from agents.explain import Explainer, Fate
from coven.keeper.life.vnf import Vnf
from coven.keeper.loop import Timer
from coven.package.descriptor import Descriptor
from coven.package.filters import compile_match, matches
from itf.mistakes import Kind, Mistake, Refused
from itf.segment import REASONS, C, Trace

SLOTS = 1 << 12  #: records, 512 KB: what is read at once must not keep the keeper from its other work
LISTENERS = 8
PACKETS, SECONDS = 1000, 10.0  #: of one answer, at most
LINGER_SECONDS = 2.0  #: so long after the last question another may come
_PLATFORM = {C.PLACE_CLASSIFIER: "classifier", C.PLACE_NSH: "nsh", C.PLACE_FLOW: "flow"}

T = TypeVar("T")
Answer = Callable[[list[dict[str, Any]], int], None]


class TraceReader:
    """What becomes of each packet from now on. `say` gets a line when a packet has ended, and all before it; `width`,
    `ended`, `fates`: as Explainer's."""

    def __init__(
        self, vnf: Vnf, slots: int, *, say: Callable[[str], None] = lambda line: None, width: int | None = None,
        ended: Callable[[int, str], None] = lambda number, end: None, fates: Callable[[Fate], None] | None = None,
    ):  # fmt: skip
        self.vnf = vnf
        self.say = say
        self.lost = 0  #: records that were written over before they were read
        self.explainer = Explainer([], {}, self._reason, _PLATFORM, width=width, patient=vnf.capture, ended=ended,
                                   fates=fates)  # fmt: skip
        self._named: Descriptor | None = None
        self._trace = Trace.make(slots, C.CLOCK_CAPTURE if vnf.capture else C.CLOCK_LIVE)
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._position = 0
        vnf.loop.read(self._bell, self._rung)
        vnf.forwarder.trace_to(self._trace, self._bell)

    @property
    def packets(self) -> int:
        """How many there were, those that VNFCs made among them."""
        return int(self._trace.head.packets)

    def _rung(self) -> None:
        with suppress(BlockingIOError):
            os.eventfd_read(self._bell)
        self.read()

    def read(self) -> None:
        self._name()
        records, self._position, lost = self._trace.read(self._position)
        self.lost += lost
        for line in self.explainer.feed(records):
            self.say(line)

    def _name(self) -> None:
        """Ports and VNFCs by their numbers, which an upgrade changes."""
        descriptor = self.vnf.descriptor
        if descriptor is not self._named:
            self._named = descriptor
            ports = _by_number({port.number: port.name for port in descriptor.ports.values()}, "?")
            vnfcs = descriptor.vnfcs.values()
            names = _by_number({vnfc.number: vnfc.name for vnfc in vnfcs}, "?")
            self.explainer.name(ports, names, _by_number({vnfc.number: vnfc.outputs for vnfc in vnfcs}, ()))

    def close(self) -> None:
        """Once nobody writes to it any more."""
        self.vnf.loop.forget(self._bell)
        os.close(self._bell)
        self._trace.close()

    def _reason(self, place: int, number: int) -> tuple[str, str]:
        """A drop name and its explanation."""
        where = self.explainer.place(place)
        if number in REASONS:
            return f"{where}.{REASONS[number].name}", REASONS[number].why
        declared = self.vnf.hosts[where].reasons if where in self.vnf.hosts else {}
        name, why = declared.get(number, (f"reason_{number}", ""))
        return f"{where}.{name}", why


def _by_number(named: dict[int, T], gap: T) -> list[T]:
    return [named.get(number, gap) for number in range(max(named, default=-1) + 1)]


@dataclass
class _Listener:
    match: str | None
    count: int
    answer: Answer
    lost: int  #: when it began to listen
    timer: Timer | None = None
    packets: list[dict[str, Any]] = field(default_factory=list)


class Traces:
    """Fates of the packets of a running VNF, for whoever asks; one trace for all of them, which is there a moment
    longer than the last question."""

    def __init__(self, vnf: Vnf):
        self.vnf = vnf
        self._listeners: list[_Listener] = []
        self._reader: TraceReader | None = None
        self._idle: Timer | None = None

    def ask(self, match: str | None, count: int, seconds: float, answer: Answer) -> None:
        """`answer` gets the next `count` packets that end and `match` (a pcap-filter expression, judged by the first
        96 bytes), or those of so many seconds; and how many steps of packets were lost meanwhile. Raises Refused."""
        if len(self._listeners) >= LISTENERS:
            raise Refused(Mistake(found=f"{LISTENERS} others that trace", remedy="try again in a moment"),
                          title="too many trace", kind=Kind.UNAVAILABLE)  # fmt: skip
        if match is not None:
            try:
                compile_match(match)
            except ValueError as problem:
                raise Refused(Mistake(
                    field="filter", found=f"{match[:200]}: {problem}", expected="a pcap-filter expression",
                    remedy="see man 7 pcap-filter"
                )) from None  # fmt: skip
        listener = _Listener(match, min(count, PACKETS), answer, self._begun().lost)
        listener.timer = self.vnf.loop.later(min(seconds, SECONDS), lambda: self._tell(listener))
        self._listeners.append(listener)

    def _begun(self) -> TraceReader:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if self._reader is None:
            self._reader = TraceReader(self.vnf, SLOTS, fates=self._ended)
            self.vnf.forwarder.kick()
        return self._reader

    def end(self) -> None:
        """Nobody asks any more."""
        self._idle = None
        if self._reader is not None:
            self.vnf.forwarder.trace_off()
            self._reader.close()
            self._reader = None

    def _ended(self, fate: Fate) -> None:
        for listener in list(self._listeners):
            if listener.match is None or (fate.data and matches(listener.match, fate.data, fate.link)):
                listener.packets.append(fate.document())
                if len(listener.packets) >= listener.count:
                    self._tell(listener)

    def _tell(self, listener: _Listener) -> None:
        if listener not in self._listeners or self._reader is None:
            return
        self._listeners.remove(listener)
        if listener.timer is not None:
            listener.timer.cancel()
        if not self._listeners:
            self._idle = self.vnf.loop.later(LINGER_SECONDS, self.end)
        listener.answer(listener.packets, self._reader.lost - listener.lost)
