"""A trace as lines for people: what each packet was, what every VNFC said of it, why it ended.

    1  TCP S 192.0.2.1:40000 > 198.51.100.2:23, 54 B      in: filter drop filter.telnet (telnet is not allowed here)
    2  ARP who has 198.51.100.2, tell 192.0.2.1, 42 B     in: bypass -> out
    3  TCP S 192.0.2.1:40001 > 198.51.100.2:80, 54 B      in: filter forward -> out

Lines come in the packets' order: one that has ended waits for those before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any, NamedTuple

from agents.changes import changes
from agents.summary import is_arp, summary
from itf.segment import C, Sight

SUMMARY_WIDTH = 58
NARROWEST = 24  #: a summary is not cut shorter
PENDING = 65536  #: packets that are followed at once; of older ones the end is shown without the way there
HELD_NS = 1_000_000  #: a VNFC that keeps a packet so long is said to
LATE_NS = 1_000_000_000  #: live, a packet that is there so long is waited for no more
RATE = 100  #: packets a second, and at once, that a trace follows where nobody says how many
#: (place, reason's number) -> drop name and explanation
Reasons = Callable[[int, int], tuple[str, str]]


class Hop(NamedTuple):
    """What one VNFC made of a packet."""

    vnfc: str
    verdict: str  #: forward, back, consume, drop, passed by
    output: str | None  #: of a forward, where it is not the first
    reason: str | None  #: a drop's name
    why: str  #: its explanation
    note: str  #: what the VNFC said of it
    mark: int
    context: str  #: in hex, empty: all zeros
    changed: tuple[str, ...]  #: as agents.changes says it
    seconds: float  #: from where it was handed to the VNFC to its verdict
    ring_seconds: float | None  #: of them, those that it waited; None where the VNFC's host does not tell
    vnfc_seconds: float | None  #: and those that the VNFC had it


@dataclass
class _Way:
    """A packet that has not ended."""

    what: str
    came: str
    steps: list[str] = field(default_factory=list)
    since: int = 0
    leaving: str | None = None  #: the port that it was handed to: a drop there may follow at once
    began: int = 0
    data: bytes = b""
    link: int = 0
    hops: list[Hop] = field(default_factory=list)
    seen: Sight | None = None  #: how it was handed on last


class Fate(NamedTuple):
    """What became of one packet."""

    number: int
    what: str  #: a summary of it
    came: str  #: the port, or `made by VNFC`
    steps: tuple[str, ...]  #: what each VNFC said
    end: str  #: `forward PORT`, `drop PLACE.REASON`, `consume`
    why: str  #: of a drop
    time_ns: int  #: when it ended, of the trace's clock
    data: bytes  #: its first bytes as it came, at most 96
    link: int
    hops: tuple[Hop, ...] = ()
    note: str = ""  #: what whoever dropped it said of that

    def document(self) -> dict[str, Any]:
        return {
            "number": self.number, "what": self.what, "came": self.came, "end": self.end, "why": self.why,
            "note": self.note, "steps": self.steps, "bytes": self.data.hex(),
            "hops": [hop._asdict() for hop in self.hops],
        }  # fmt: skip


def course(came: str, steps: Sequence[str], end: str) -> str:
    """A packet's way in words: what each VNFC said, and its end (as in Fate)."""
    how, _, where = end.partition(" ")
    if how == "forward":
        made = came.startswith(("made by ", "copied by "))
        return f"{', '.join(steps) or ('' if made else 'bypass')} -> {where}".strip()
    return ", ".join(steps if how == "consume" else [*steps, end])


class Explainer:
    """Feed it records in their order; each packet becomes a line when it ends.

    `ports`, `vnfcs`: names by number; of a VNFC also those of its outputs. `platform`: names of other places. `width`:
    columns of the terminal; explanations, lengths and the ends of summaries are left out for it. `patient`: packets
    are waited for however long they are held, as in a capture. `ended(number, end)`: called for each packet that met
    its end: `forward PORT`, `drop PLACE.REASON`, `consume`; `fates` likewise, with all that is known of it. Without
    `lines` none is made.
    """

    def __init__(
        self, ports: Sequence[str], vnfcs: Mapping[str, Sequence[str]], reasons: Reasons, platform: dict[int, str],
        *, width: int | None = None, patient: bool = True, ended: Callable[[int, str], None] = lambda number, end: None,
        fates: Callable[[Fate], None] | None = None, lines: bool = True,
    ):  # fmt: skip
        self.name(ports, list(vnfcs), list(vnfcs.values()))
        self.reasons = reasons
        self.platform = platform
        self.arp_dropped: dict[str, int] = {}  #: by VNFC
        self._ways: dict[int, _Way] = {}
        self._left: int | None = None
        self._width = width
        self._patient = patient
        self._told_end = ended
        self._lines = lines
        self._fates = fates
        self._now = 0
        self._ended: list[tuple[int, str]] = []  #: a heap: lines that wait for packets before them

    def name(self, ports: Sequence[str], vnfcs: Sequence[str], outputs: Sequence[Sequence[str]]) -> None:
        """Names by number, from now on; of each VNFC also its outputs'."""
        self.ports, self.vnfcs, self.outputs = ports, vnfcs, outputs

    def feed(self, records: Iterable[Sight]) -> list[str]:
        lines: list[str] = []
        for record in records:
            dropped_on_leaving = record.event == C.TRACE_DROPPED and record.packet == self._left
            if self._left is not None and not dropped_on_leaving:
                self._end_left()
            self._take(record)
            if self._lines:
                lines += self._in_order(record.time_ns)
        return lines

    def settle(self) -> list[str]:
        """Nothing came for a while: what left last has left."""
        self._end_left()
        return self._in_order(self._now)

    def _in_order(self, now: int) -> list[str]:
        """The lines that wait for nothing any more."""
        awaited = (n for n, way in self._ways.items() if self._patient or now - way.began < LATE_NS)
        first = next(awaited, None)
        lines = []
        while self._ended and (first is None or self._ended[0][0] < first):
            lines.append(heappop(self._ended)[1])
        return lines

    def finish(self) -> list[str]:
        """The packet that left last, and those that never ended (held when the trace did)."""
        self._end_left()
        for number, way in self._ways.items():
            heappush(self._ended, (number, self._line(number, way, "still there", "")))
        self._ways.clear()
        return self._in_order(0)

    def hints(self) -> list[str]:
        """What a beginner is glad to be told about what was seen."""
        return [
            f"{name} dropped {count} ARP packet{'s' * (count != 1)}: without ARP hosts do not find each other. Forward "
            "it, or keep it out of the chain: classifier: [{match: arp, then: bypass}, {then: CHAIN}]"
            for name, count in self.arp_dropped.items()
        ]  # fmt: skip

    def _take(self, record: Sight) -> None:
        number = record.packet
        self._now = record.time_ns
        if record.event in (C.TRACE_ARRIVED, C.TRACE_MADE, C.TRACE_MET):
            self._begin(record)
            return
        way = self._ways.get(number)
        if way is None:  # its beginning was lost
            way = self._ways[number] = _Way("?", "?")
            way.began = record.time_ns
        if record.event == C.TRACE_HANDED:
            way.seen, way.since = record, record.time_ns
            return
        if record.event == C.TRACE_VERDICT:
            self._verdict(record, way)
            return
        if record.event == C.TRACE_LEAVING:
            way.leaving, self._left = self.place(record.place), number
            return
        name, why = self.reasons(record.place, record.arg)
        self._left = None
        if C.PLACE_HOP <= record.place < C.PLACE_CLASSIFIER:
            if record.arg >= C.REASON_DECLARED and is_arp(way.data, way.link):
                vnfc = self.place(record.place)
                self.arp_dropped[vnfc] = self.arp_dropped.get(vnfc, 0) + 1
            way.hops.append(self._hop(record, way, "drop", reason=name, why=why))
        self._end(number, f"drop {name}", why, record.note)

    def _hop(
        self, record: Sight, way: _Way, verdict: str, output: str | None = None, *, reason: str | None = None,
        why: str = "",
    ) -> Hop:  # fmt: skip
        seen = way.seen
        changed = changes(seen.snap, record.snap, record.link, (seen.len, record.len)) if seen is not None else []
        context = record.context.hex() if any(record.context) else ""
        seconds = max(0, record.time_ns - (seen.time_ns if seen is not None else way.began)) / 1e9
        ring, inside = (None, None) if self._patient else _parts(seen, record, seconds)
        return Hop(self.place(record.place), verdict, output, reason, why, record.note, record.mark, context,
                   tuple(changed), seconds, ring, inside)  # fmt: skip

    def _begin(self, record: Sight) -> None:
        if len(self._ways) >= PENDING:
            del self._ways[next(iter(self._ways))]
        place = self.place(record.place)
        if record.event == C.TRACE_MADE:
            came = f"{'copied' if record.arg & C.FRAME_CLONED else 'made'} by {place}"
        else:
            came = place
        data = record.snap
        way = _Way(summary(data, record.link, record.len), came)
        way.since = way.began = record.time_ns
        way.data, way.link = data, record.link
        self._ways[record.packet] = way

    def _verdict(self, record: Sight, way: _Way) -> None:
        told, output = self._said(record)
        # what it made it also sent: nothing is said twice
        if way.hops or way.seen is not None or way.came == "?":
            way.hops.append(self._hop(record, way, told, output))
        name, kept = self.place(record.place), record.time_ns - way.since
        way.since = record.time_ns
        held = f" after {kept / 1e9:.3g} s" if kept >= HELD_NS else ""
        if record.verdict == C.VERDICT_CONSUME:
            way.steps.append(f"{name} consume{held}")
            self._end(record.packet, "consume")
            return
        if way.steps or way.came not in (f"made by {name}", f"copied by {name}"):
            shown = {"passed by": "passed by (not running)"}.get(told, told)
            way.steps.append(f"{name} {shown}{f'[{output}]' if output else ''}{held}")

    def _said(self, record: Sight) -> tuple[str, str | None]:
        """The verdict, and the output where it is not the first."""
        if record.verdict == C.VERDICT_CONSUME:
            return "consume", None
        if record.verdict == C.VERDICT_NONE:
            return "passed by", None
        if record.arg == C.OUTPUT_BACK:
            return "back", None
        return "forward", _nth(self.outputs[record.place - C.PLACE_HOP], record.arg) if record.arg else None

    def _end_left(self) -> None:
        number, self._left = self._left, None
        way = self._ways.get(number) if number is not None else None
        if number is None or way is None:
            return
        self._end(number, f"forward {way.leaving}")

    def _end(self, number: int, end: str, why: str = "", note: str = "") -> None:
        way = self._ways.pop(number)
        self._told_end(number, end)
        if self._fates is not None and way.what != "?":
            fate = Fate(number, way.what, way.came, tuple(way.steps), end, why, self._now, way.data, way.link,
                        tuple(way.hops), note)  # fmt: skip
            self._fates(fate)
        if not self._lines:
            return
        told = course(way.came, way.steps, end)
        said = "; ".join(filter(None, (why, note)))
        heappush(self._ended, (number, self._line(number, way, told, f" ({said})" if said else "")))

    def _line(self, number: int, way: _Way, end: str, why: str) -> str:
        path, what = f"{way.came}: {end}", way.what
        if self._width is None:
            return f"{number:>5}  {what:<{SUMMARY_WIDTH}}  {path}{why}"
        room = max(NARROWEST, min(SUMMARY_WIDTH, self._width - 9 - len(path)))
        if len(what) > room:
            what = what.rpartition(", ")[0] or what  # without its length
        if len(what) > room:
            what = what[: room - 1] + "\N{HORIZONTAL ELLIPSIS}"
        line = f"{number:>5}  {what:<{room}}  {path}"
        return line + why if len(line + why) <= self._width else line

    def place(self, place: int) -> str:
        if place < C.PLACE_HOP:
            return _nth(self.ports, place % C.SEG_PORTS)
        if place < C.PLACE_CLASSIFIER:
            return _nth(self.vnfcs, place - C.PLACE_HOP)
        return self.platform.get(place, "?")


def _parts(handed: Sight | None, record: Sight, seconds: float) -> tuple[float | None, float | None]:
    """How long it waited in the ring, and how long the VNFC had it, as its host says, if that can be so."""
    if handed is None or record.taken <= 1 or record.given <= 1:
        return None, None
    then, bits = handed.time_ns >> C.STAMP_SHIFT, (1 << 32) - 1
    taken = ((record.taken - then) & bits) << C.STAMP_SHIFT
    given = ((record.given - then) & bits) << C.STAMP_SHIFT
    if taken > given or given / 1e9 > seconds + 1e-5:
        return None, None
    return taken / 1e9, (given - taken) / 1e9


def _nth(names: Sequence[str], number: int) -> str:
    return names[number] if number < len(names) else "?"
