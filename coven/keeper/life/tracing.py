"""Packets of a running VNF, followed for whoever asks: what each was, what every VNFC said of it, how it ended.

The forwarder writes a trace as long as somebody asks, and a moment more; otherwise it costs one predicted branch. It
never waits for us: what it writes faster than it is read is lost, counted, and said.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from agents.explain import Explainer, Fate
from coven.keeper.life.vnf import Vnf
from coven.keeper.loop import Timer
from coven.package.filters import compile_match, matches
from itf.mistakes import Kind, Mistake, Refused
from itf.segment import REASONS, C, Trace

SLOTS = 1 << 12  #: records, 512 KB: what is read at once must not keep the keeper from its other work
LISTENERS = 8
PACKETS, SECONDS = 1000, 10.0  #: of one answer, at most
LINGER_SECONDS = 2.0  #: so long after the last question another may come
_PLATFORM = {C.PLACE_CLASSIFIER: "classifier", C.PLACE_NSH: "nsh", C.PLACE_FLOW: "flow"}

Answer = Callable[[list[dict[str, Any]], int], None]


@dataclass
class _Listener:
    match: str | None
    count: int
    answer: Answer
    lost: int  #: when it began to listen
    timer: Timer | None = None
    packets: list[dict[str, Any]] = field(default_factory=list)


class Traces:
    def __init__(self, vnf: Vnf):
        self.vnf = vnf
        self._listeners: list[_Listener] = []
        self._trace: Trace | None = None
        self._bell = -1
        self._position = self._lost = 0
        self._explainer: Explainer
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
        listener = _Listener(match, min(count, PACKETS), answer, self._lost)
        self._begin()
        listener.lost = self._lost
        listener.timer = self.vnf.loop.later(min(seconds, SECONDS), lambda: self._tell(listener))
        self._listeners.append(listener)

    # the trace

    def _begin(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if self._trace is not None:
            return
        vnf = self.vnf
        self._trace, self._position = Trace.make(SLOTS, C.CLOCK_LIVE), 0
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._explainer = Explainer([], {}, self._reason, _PLATFORM, patient=False, fates=self._ended)
        vnf.loop.read(self._bell, self._rung)
        vnf.forwarder.trace_to(self._trace, self._bell)
        vnf.forwarder.kick()

    def end(self) -> None:
        """Nobody asks any more."""
        self._idle = None
        if self._trace is None:
            return
        self.vnf.forwarder.trace_off()
        self.vnf.loop.forget(self._bell)
        os.close(self._bell)
        self._trace.close()
        self._trace = None

    def _rung(self) -> None:
        with suppress(BlockingIOError):
            os.eventfd_read(self._bell)
        if self._trace is None:
            return
        descriptor = self.vnf.descriptor  # another one after an upgrade
        ports, hops = {p.number: p.name for p in descriptor.ports.values()}, descriptor.vnfcs.values()
        self._explainer.ports = _by_number(ports)
        self._explainer.vnfcs = _by_number({vnfc.number: vnfc.name for vnfc in hops})
        outputs = {vnfc.number: vnfc.outputs for vnfc in hops}
        self._explainer.outputs = [outputs.get(number, ()) for number in range(len(self._explainer.vnfcs))]
        records, self._position, lost = self._trace.read(self._position)
        self._lost += lost
        self._explainer.feed(records)

    def _ended(self, fate: Fate) -> None:
        for listener in list(self._listeners):
            if listener.match is None or (fate.data and matches(listener.match, fate.data, fate.link)):
                listener.packets.append(fate.document())
                if len(listener.packets) >= listener.count:
                    self._tell(listener)

    def _tell(self, listener: _Listener) -> None:
        if listener not in self._listeners:
            return
        self._listeners.remove(listener)
        if listener.timer is not None:
            listener.timer.cancel()
        if not self._listeners:
            self._idle = self.vnf.loop.later(LINGER_SECONDS, self.end)
        listener.answer(listener.packets, self._lost - listener.lost)

    def _reason(self, place: int, number: int) -> tuple[str, str]:
        """A drop name and its explanation."""
        declared: dict[int, tuple[str, str]] = {}
        where = _PLATFORM.get(place, "?")
        if place < C.PLACE_HOP:
            ports = {port.number: name for name, port in self.vnf.descriptor.ports.items()}
            where = ports.get(place % C.SEG_PORTS, "?")
        elif place < C.PLACE_CLASSIFIER:
            host = next((h for h in self.vnf.hosts.values() if h.number == place - C.PLACE_HOP), None)
            where, declared = (host.name, host.reasons) if host is not None else ("?", {})
        if number in REASONS:
            return f"{where}.{REASONS[number].name}", REASONS[number].why
        name, why = declared.get(number, (f"reason_{number}", ""))
        return f"{where}.{name}", why


def _by_number(names: dict[int, str]) -> list[str]:
    return [names.get(number, "?") for number in range(max(names, default=-1) + 1)]
