"""Packets of a VNF, followed: what each was, what every VNFC said of it, how it ended.

The forwarder tells of them as long as somebody reads; otherwise it costs one predicted branch. It never waits: what it
tells faster than it is read is lost, counted, and said. Filters run in the forwarder, when a packet is first seen.
"""

from __future__ import annotations

import os
import secrets
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypedDict, TypeVar

from agents.explain import RATE, Explainer, Fate
from coven.keeper.life.vnf import Vnf
from coven.keeper.loop import Timer
from coven.keeper.watching.places import PLATFORM
from coven.package.descriptor import Descriptor
from coven.package.filters import Match, compile_asked
from itf.mistakes import Kind, Mistake, Refused
from itf.segment import REASONS, C, Watch

SNAP = 96  #: bytes of a packet
ROOM = 1 << 19  #: bytes of a ring
AT_ONCE = 4096  #: records that are read at once: reading must not keep the keeper from its other work
LOOK_SECONDS = 0.1
TRACES = 4  #: at once, by different filters
LISTENERS = 8
PACKETS, SECONDS = 1000, 10.0  #: of one answer, at most
LINGER_SECONDS = 2.0  #: so long after the last question another may come

T = TypeVar("T")


class Told(TypedDict):
    """What an answer says."""

    packets: list[dict[str, Any]]
    lost: int  #: steps of packets that were not read in time
    passed: int  #: packets that were not looked at, since enough others were followed
    next: str  #: with which a question goes on where this answer ends, as long as the trace is there


Answer = Callable[[Told], None]


def compiled(expression: str) -> Match:
    """Raises Refused for what is no filter."""
    try:
        return compile_asked(expression)
    except ValueError as problem:
        raise Refused(Mistake(
            field="filter", found=f"{expression[:200]}: {problem}", expected="a pcap-filter expression",
            remedy="see man 7 pcap-filter"
        )) from None  # fmt: skip


class TraceReader:
    """What becomes of each packet from now on. `say` gets a line when a packet has ended, and all before it; `width`,
    `ended`, `fates`: as Explainer's. `match`: only of packets that are so when they are first seen; `every`: one in so
    many is looked at; `rate`: so many a second, and so many at once, are followed, 0 for all. Raises Refused when too
    many watch, or when the filter is too long."""

    def __init__(
        self, vnf: Vnf, room: int, *, say: Callable[[str], None] = lambda line: None, width: int | None = None,
        ended: Callable[[int, str], None] = lambda number, end: None, fates: Callable[[Fate], None] | None = None,
        match: Match | None = None, every: int = 1, rate: int = 0, lines: bool = True,
    ):  # fmt: skip
        self.vnf = vnf
        self.say = say
        self.explainer = Explainer([], {}, self._reason, PLATFORM, width=width, patient=vnf.capture, ended=ended,
                                   fates=fates, lines=lines)  # fmt: skip
        self._named: Descriptor | None = None
        with ExitStack() as undo:
            self._watch = Watch.make(room, C.CLOCK_CAPTURE if vnf.capture else C.CLOCK_LIVE, SNAP)
            undo.callback(self._watch.close)
            self._watch.head.follow, self._watch.head.most = every, rate
            self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            undo.callback(os.close, self._bell)
            if match is not None:
                self._filter(match)
            self._number = vnf.forwarder.watch_to(self._watch, self._bell)
            undo.pop_all()
        vnf.loop.read(self._bell, self._rung)
        self._timer: Timer | None = vnf.loop.later(LOOK_SECONDS, self._look)

    def _filter(self, match: Match) -> None:
        try:
            self._watch.filter(match.ethernet, match.ip)
        except ValueError as problem:
            raise Refused(Mistake(field="filter", found=str(problem), remedy="a shorter one")) from None

    @property
    def packets(self) -> int:
        """How many there were, those that VNFCs made among them."""
        return int(self._watch.head.count[0].seen)

    @property
    def lost(self) -> int:
        """Records that found no room before others were read."""
        return self._watch.missed

    @property
    def passed(self) -> int:
        """Packets that were not looked at, since enough others were followed."""
        return int(self._watch.head.count[0].passed)

    def _rung(self) -> None:
        with suppress(BlockingIOError):
            os.eventfd_read(self._bell)
        self._take()

    def _look(self) -> None:
        full = self._take()
        self._timer = self.vnf.loop.later(0.0 if full else LOOK_SECONDS, self._look)

    def _take(self) -> bool:
        """What is there, as much as may be at once. True: there may be more."""
        self._name()
        records = self._watch.read(AT_ONCE)
        for line in self.explainer.feed(records) if records else self.explainer.settle():
            self.say(line)
        return len(records) == AT_ONCE

    def read(self) -> None:
        """All that is there."""
        while self._take():
            pass

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
        """Nothing is told any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.vnf.forwarder.watch_off(self._number)
        self.vnf.loop.forget(self._bell)
        os.close(self._bell)
        self._watch.close()

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
    count: int
    answer: Answer
    at: _Place  #: up to where it has been told
    packets: list[dict[str, Any]] = field(default_factory=list)
    timer: Timer | None = None


class _Place(NamedTuple):
    """How many packets a trace has told of, and how many steps and packets it has lost and passed."""

    told: int
    lost: int
    passed: int

    @classmethod
    def judged(cls, text: str) -> _Place | None:
        """None: nothing that a trace has said."""
        words = text.split(".")
        numbers = [int(word) for word in words if word.isascii() and word.isdigit() and len(word) < 20]
        return cls(*numbers) if len(numbers) == len(words) == 3 else None


class _Trace:
    """One filter's, for all who listen to it; there a moment longer than the last question."""

    def __init__(self, vnf: Vnf, match: Match | None, every: int, rate: int, gone: Callable[[], None]):
        self.vnf = vnf
        self.listeners: list[_Listener] = []
        self._name = secrets.token_hex(4)  #: no other trace's, so that a question does not go on with another
        self._told = 0
        self._recent: deque[dict[str, Any]] = deque(maxlen=PACKETS)  #: for who asks again in a moment
        self._gone = gone
        self._idle: Timer | None = None
        self._reader = TraceReader(vnf, ROOM, fates=self._ended, match=match, every=every, rate=rate,
                                   lines=False)  # fmt: skip

    def _here(self) -> _Place:
        return _Place(self._told, self._reader.lost, self._reader.passed)

    def _after(self, text: str) -> _Place:
        """Where a question goes on: now, unless it says the end of one of our answers."""
        name, _, rest = text.partition(".")
        place, here = _Place.judged(rest) if name == self._name else None, self._here()
        return place if place is not None and all(a <= b for a, b in zip(place, here, strict=True)) else here

    def listen(self, count: int, seconds: float, answer: Answer, after: str = "") -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        place = self._after(after)
        since = self._told - place.told
        kept = list(self._recent)[-since:][:count] if since else []
        forgotten = max(0, since - len(self._recent))
        listener = _Listener(count, answer, place._replace(told=place.told + forgotten + len(kept),
                                                           passed=place.passed - forgotten), kept)  # fmt: skip
        listener.timer = self.vnf.loop.later(seconds, lambda: self._tell(listener))
        self.listeners.append(listener)
        if len(kept) >= count:
            self._tell(listener)

    def _ended(self, fate: Fate) -> None:
        self._told += 1
        self._recent.append(fate.document())
        for listener in list(self.listeners):
            listener.packets.append(self._recent[-1])
            listener.at = listener.at._replace(told=self._told)
            if len(listener.packets) >= listener.count:
                self._tell(listener)

    def _tell(self, listener: _Listener) -> None:
        if listener not in self.listeners:
            return
        self.listeners.remove(listener)
        if listener.timer is not None:
            listener.timer.cancel()
        if not self.listeners:
            self._idle = self.vnf.loop.later(LINGER_SECONDS, self.end)
        here, at = self._here(), listener.at
        listener.answer({
            "packets": listener.packets, "lost": here.lost - at.lost, "passed": here.passed - at.passed,
            "next": ".".join(map(str, (self._name, at.told, here.lost, here.passed))),
        })  # fmt: skip

    def end(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._reader.close()
        self._gone()


_Key = tuple[str | None, int, int]  #: filter, one in so many, so many a second


class Traces:
    """Fates of the packets of a running VNF, for whoever asks."""

    def __init__(self, vnf: Vnf):
        self.vnf = vnf
        self._traces: dict[_Key, _Trace] = {}

    def ask(
        self, match: str | None, count: int, seconds: float, answer: Answer, every: int = 1, rate: int = RATE,
        after: str = "",
    ) -> None:  # fmt: skip
        """`answer` gets the next `count` packets that end and `match` (a pcap-filter expression) as they come, or those
        of so many seconds; and what of them is missing. Only one packet in `every` is looked at, and `rate` of those
        that match are followed a second. `after`: an answer's `next`, to go on there. Raises Refused."""
        filtered = None if match is None else compiled(match)
        if sum(len(trace.listeners) for trace in self._traces.values()) >= LISTENERS:
            raise Refused(Mistake(found=f"{LISTENERS} others that trace", remedy="try again in a moment"),
                          title="too many trace", kind=Kind.UNAVAILABLE)  # fmt: skip
        key = match, max(1, every), max(1, rate)
        if key not in self._traces:
            self._make_room()
            self._traces[key] = _Trace(self.vnf, filtered, *key[1:], lambda: self._forget(key))
        self._traces[key].listen(min(count, PACKETS), min(seconds, SECONDS), answer, after)

    def _forget(self, key: _Key) -> None:
        self._traces.pop(key, None)

    def _make_room(self) -> None:
        if len(self._traces) < TRACES:
            return
        idle = next((trace for trace in self._traces.values() if not trace.listeners), None)
        if idle is None:
            raise Refused(Mistake(found=f"{TRACES} others that trace, by other filters",
                                  remedy="try again in a moment"),
                          title="too many trace", kind=Kind.UNAVAILABLE)  # fmt: skip
        idle.end()
