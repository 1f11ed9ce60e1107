"""Places where packets can be captured, by what people call them: a port or one of its sides, a VNFC before or behind
it, what is dropped there, or for one reason.

    in  in:arriving  in:leaving  filter  filter:before  filter:behind  filter.telnet  classifier.no_rule
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from coven.package.descriptor import Descriptor
from itf.mistakes import Mistake, Refused, suggest
from itf.printable import one_line
from itf.segment import REASONS, C

PLATFORM = {C.PLACE_CLASSIFIER: "classifier", C.PLACE_NSH: "nsh", C.PLACE_FLOW: "flow"}
DROPS = "drops"  #: the interface of drops anywhere

#: by VNFC: its declared reasons by number: name and explanation
Declared = Mapping[str, Mapping[int, tuple[str, str]]]


@dataclass(frozen=True)
class Point:
    """What a struct watch_point says."""

    place: int
    events: int
    arg: int = C.WATCH_ANY


def _events(*events: int) -> int:
    return sum(1 << event for event in events)


ARRIVING, LEAVING, HANDED = _events(C.TRACE_ARRIVED), _events(C.TRACE_LEAVING), _events(C.TRACE_HANDED)
DROPPED = _events(C.TRACE_DROPPED)
BEHIND = _events(C.TRACE_VERDICT, C.TRACE_DROPPED)


class Places:
    """The places of one VNF, as it is now."""

    def __init__(self, descriptor: Descriptor, declared: Declared):
        self.descriptor = descriptor
        self.declared = declared

    def names(self) -> Iterator[tuple[int, str]]:
        """Every place with its number."""
        for port in self.descriptor.ports.values():
            yield C.PLACE_ARRIVING + port.number, port.name
            yield C.PLACE_LEAVING + port.number, port.name
        for vnfc in self.descriptor.vnfcs.values():
            yield C.PLACE_HOP + vnfc.number, vnfc.name
        yield from PLATFORM.items()

    def numbers(self, name: str) -> list[int]:
        return [number for number, known in self.names() if known == name]

    def _sides(self, name: str) -> dict[str, list[Point]]:
        if name in self.descriptor.ports:
            number = self.descriptor.ports[name].number
            return {"arriving": [Point(C.PLACE_ARRIVING + number, ARRIVING)],
                    "leaving": [Point(C.PLACE_LEAVING + number, LEAVING)]}  # fmt: skip
        if name in self.descriptor.vnfcs:
            place = C.PLACE_HOP + self.descriptor.vnfcs[name].number
            return {"before": [Point(place, HANDED)], "behind": [Point(place, BEHIND)]}
        return {}

    def _reasons(self, name: str) -> dict[str, int]:
        """Drop reasons that there are at a place, by name."""
        return {
            **{reason.name: number for number, reason in REASONS.items()},
            **{reason: number for number, (reason, _) in self.declared.get(name, {}).items()},
        }

    def points(self, word: str) -> list[Point]:
        """Where packets pass a place called so. Raises Refused when there is none."""
        name, dot, reason = word.partition(".")
        if dot:
            return self._dropped(name, reason)
        name, colon, side = word.partition(":")
        sides = self._sides(name)
        if not sides:
            raise self._unknown(word, name)
        if colon and side not in sides:
            raise _refused(word, " or ".join(f"{name}:{each}" for each in sides))
        return sides[side] if colon else list(chain(*sides.values()))

    def _dropped(self, name: str, reason: str) -> list[Point]:
        numbers, reasons = self.numbers(name), self._reasons(name)
        if not numbers:
            raise self._unknown(f"{name}.{reason}", name)
        if reason not in reasons:
            raise _refused(f"{name}.{reason}", "a drop name", suggest(reason, reasons))
        return [Point(number, DROPPED, reasons[reason]) for number in numbers]

    def drops(self, word: str) -> list[Point]:
        """Where packets are dropped at a place called so, for any reason. Raises Refused when there is none."""
        if "." in word:
            return self.points(word)
        name, colon, _ = word.partition(":")
        numbers = self.numbers(name)
        if not numbers:
            raise self._unknown(word, name)
        if colon and name not in self.descriptor.ports:
            raise _refused(word, f"{name}: what it drops has no sides")
        return [Point(point.place, DROPPED) for point in self.points(word)] if colon else [
            Point(number, DROPPED) for number in numbers
        ]  # fmt: skip

    def everywhere(self) -> list[Point]:
        return [Point(C.WATCH_ANY, DROPPED)]

    def _unknown(self, word: str, name: str) -> Refused:
        known = [*self.descriptor.ports, *self.descriptor.vnfcs]
        remedy = suggest(name, known)
        if name in PLATFORM.values():
            remedy = f"of {name} only what is dropped can be captured: {name}.REASON, or with drops"
        return _refused(word, f"a port or VNFC ({', '.join(known)}), NAME:SIDE or a drop name", remedy)

    def words(self) -> str:
        """What numbers are called, as agents/capture/words.h wants it."""
        lines = [f"P\t{place}\t{name}" for place, name in self.names()]
        lines += [
            f"O\t{C.PLACE_HOP + vnfc.number}\t{number}\t{output}"
            for vnfc in self.descriptor.vnfcs.values()
            for number, output in enumerate(vnfc.outputs)
        ]
        for place, name in self.names():
            told = {number: (reason.name, reason.why) for number, reason in REASONS.items()}
            told |= self.declared.get(name, {})
            lines += [f"R\t{place}\t{number}\t{reason}\t{one_line(why)}" for number, (reason, why) in told.items()]
        return "\n".join(lines) + "\n"


def _refused(found: str, expected: str, remedy: str | None = None) -> Refused:
    return Refused(Mistake(field="at", found=found[:80], expected=expected, remedy=remedy), title="no such place")


def resolve(
    places: Places, words: Sequence[str], drops: bool, every: Sequence[str]
) -> list[tuple[str, list[Point]]]:
    """Each place asked for with its points; without any, those in `every`, or all drops. Raises Refused with all
    that is wrong."""
    if not words and drops:
        return [(DROPS, places.everywhere())]
    found: list[tuple[str, list[Point]]] = []
    mistakes: list[Mistake] = []
    for word in dict.fromkeys(words or every):
        try:
            found.append((word, places.drops(word) if drops else places.points(word)))
        except Refused as refused:
            mistakes += refused.mistakes
    if len(found) > C.WATCH_INTERFACES or sum(len(points) for _, points in found) > C.WATCH_POINTS:
        mistakes.append(Mistake(field="at", found=f"{len(found)} places", expected=f"at most {C.WATCH_INTERFACES}"))
    if mistakes:
        raise Refused(mistakes, title="no such place")
    return found
