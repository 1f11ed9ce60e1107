"""A trace as lines for people: what each packet was, what every VNFC said of it, why it ended.

    1  TCP S 192.0.2.1:40000 > 198.51.100.2:23, 54 B      in: filter drop filter.telnet (telnet is not allowed here)
    2  ARP who has 198.51.100.2, tell 192.0.2.1, 42 B     in: bypass -> out
    3  TCP S 192.0.2.1:40001 > 198.51.100.2:80, 54 B      in: filter forward -> out
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.summary import is_arp, summary
from itf.segment import C, ffi

SUMMARY_WIDTH = 58
PENDING = 65536  #: packets that are followed at once; of older ones the end is shown without the way there
HELD_NS = 1_000_000  #: a VNFC that keeps a packet so long is said to
#: (place, reason's number) -> drop name and explanation
Reasons = Callable[[int, int], tuple[str, str]]


@dataclass
class _Way:
    """A packet that has not ended."""

    what: str
    came: str
    arp: bool = False
    steps: list[str] = field(default_factory=list)
    since: int = 0
    leaving: str | None = None  #: the port that it was handed to: a drop there may follow at once


class Explainer:
    """Feed it records in their order; each packet becomes a line when it ends.

    `ports`, `vnfcs`: names by number; of a VNFC also those of its outputs. `platform`: names of other places.
    """

    def __init__(
        self, ports: Sequence[str], vnfcs: Mapping[str, Sequence[str]], reasons: Reasons, platform: dict[int, str]
    ):
        self.ports = ports
        self.vnfcs, self.outputs = list(vnfcs), list(vnfcs.values())
        self.reasons = reasons
        self.platform = platform
        self.arp_dropped: dict[str, int] = {}  #: by VNFC
        self._ways: dict[int, _Way] = {}
        self._left: int | None = None

    def feed(self, records: Iterable[Any]) -> list[str]:
        """`records`: struct trace_record."""
        lines: list[str] = []
        for record in records:
            dropped_on_leaving = record.event == C.TRACE_DROPPED and record.packet == self._left
            if self._left is not None and not dropped_on_leaving:
                lines += self._end_left()
            lines += self._take(record)
        return lines

    def finish(self) -> list[str]:
        """The packet that left last, and those that never ended (held when the trace did)."""
        lines = self._end_left()
        for number, way in self._ways.items():
            lines.append(self._line(number, way, "still there"))
        self._ways.clear()
        return lines

    def hints(self) -> list[str]:
        """What a beginner is glad to be told about what was seen."""
        return [
            f"{name} dropped {count} ARP packet{'s' * (count != 1)}: without ARP hosts do not find each other. Forward "
            "it, or keep it out of the chain: classifier: [{match: arp, then: bypass}, {then: CHAIN}]"
            for name, count in self.arp_dropped.items()
        ]  # fmt: skip

    def _take(self, record: Any) -> list[str]:
        number = record.packet
        if record.event in (C.TRACE_ARRIVED, C.TRACE_MADE):
            self._begin(record)
            return []
        way = self._ways.get(number)
        if way is None:
            way = self._ways[number] = _Way("?" if not record.snap_len else self._what(record), "?")
            if record.event == C.TRACE_DROPPED and record.snap_len:
                way.came = self._place(record.place)
        if record.event == C.TRACE_VERDICT:
            return self._verdict(record, way)
        if record.event == C.TRACE_LEAVING:
            way.leaving, self._left = self._place(record.place), number
            return []
        name, why = self.reasons(record.place, record.arg)
        if C.PLACE_HOP <= record.place < C.PLACE_CLASSIFIER and record.arg >= C.REASON_DECLARED and way.arp:
            vnfc = self._place(record.place)
            self.arp_dropped[vnfc] = self.arp_dropped.get(vnfc, 0) + 1
        self._left = None
        return [self._end(number, [*way.steps, f"drop {name}{f' ({why})' if why else ''}"])]

    def _begin(self, record: Any) -> None:
        if len(self._ways) >= PENDING:
            del self._ways[next(iter(self._ways))]
        place = self._place(record.place)
        if record.event == C.TRACE_MADE:
            came = f"{'copied' if record.arg & C.FRAME_CLONED else 'made'} by {place}"
        else:
            came = place
        data = bytes(ffi.buffer(record.snap, record.snap_len))
        way = _Way(summary(data, record.link, record.len), came, is_arp(data, record.link))
        way.since = record.time_ns
        self._ways[record.packet] = way

    def _verdict(self, record: Any, way: _Way) -> list[str]:
        name, kept = self._place(record.place), record.time_ns - way.since
        way.since = record.time_ns
        held = f" after {kept / 1e9:.3g} s" if kept >= HELD_NS else ""
        if record.verdict == C.VERDICT_CONSUME:
            return [self._end(record.packet, [*way.steps, f"{name} consume{held}"])]
        # what it made it also sent: nothing is said twice
        if way.steps or way.came not in (f"made by {name}", f"copied by {name}"):
            way.steps.append(f"{name} {self._forward(record)}{held}")
        return []

    def _forward(self, record: Any) -> str:
        if record.verdict == C.VERDICT_NONE:
            return "passed by (not running)"
        if record.arg == C.OUTPUT_BACK:
            return "back"
        outputs = self.outputs[record.place - C.PLACE_HOP] if record.arg else []
        return f"forward[{_nth(outputs, record.arg)}]" if record.arg else "forward"

    def _end_left(self) -> list[str]:
        number, self._left = self._left, None
        way = self._ways.get(number) if number is not None else None
        if number is None or way is None:
            return []
        made = way.came.startswith(("made by ", "copied by "))
        steps = ", ".join(way.steps) or ("" if made else "bypass")
        return [self._end(number, [f"{steps} -> {way.leaving}".strip()])]

    def _end(self, number: int, steps: Sequence[str]) -> str:
        return self._line(number, self._ways.pop(number), ", ".join(steps))

    def _line(self, number: int, way: _Way, end: str) -> str:
        return f"{number:>5}  {way.what:<{SUMMARY_WIDTH}}  {way.came}: {end}"

    def _what(self, record: Any) -> str:
        return summary(bytes(ffi.buffer(record.snap, record.snap_len)), record.link, record.len)

    def _place(self, place: int) -> str:
        if place < C.PLACE_HOP:
            return _nth(self.ports, place % C.SEG_PORTS)
        if place < C.PLACE_CLASSIFIER:
            return _nth(self.vnfcs, place - C.PLACE_HOP)
        return self.platform.get(place, "?")


def _nth(names: Sequence[str], number: int) -> str:
    return names[number] if number < len(names) else "?"
