"""The last lines that each VNFC of a VNF said, as its keeper tells them: read once for all who look."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

KEPT = 100  #: lines of each VNFC
MOST = 2000  #: lines of one answer; what is more comes with the next one

Row = dict[str, Any]


class Tails:
    """`ask`: the keeper's logs, with vnfc, lines, after. What was read is kept while nobody looks."""

    def __init__(self, ask: Callable[..., Row]):
        self._ask = ask
        self._next: str | None = None
        self._seen: dict[str, int] = {}  #: the number of each VNFC's newest line
        self._lines: dict[str, deque[Row]] = {}

    def read(self, vnfcs: Iterable[str]) -> list[Row]:
        """What is new, each {vnfc, time, line}. Raises Refused."""
        vnfcs = list(vnfcs)
        if self._next is None:
            answers = [self._ask(vnfc=name, lines=KEPT) for name in vnfcs]
            following = answers[0]["next"] if answers else None  # what came since comes again, and is known
        else:
            answers = [self._ask(after=self._next, lines=MOST)]
            following = answers[0]["next"]
            if _keeper(following) != _keeper(self._next):
                self._seen.clear()
        self._next = following
        lines = sorted((line for answer in answers for line in answer["lines"]), key=lambda line: line["number"])
        new = []
        for line in lines:
            if line["vnfc"] in vnfcs and line["number"] > self._seen.get(line["vnfc"], 0):
                self._seen[line["vnfc"]] = line["number"]
                new.append({key: line[key] for key in ("vnfc", "time", "line")})
        return new

    def keep(self, lines: Iterable[Row]) -> None:
        for line in lines:
            self._lines.setdefault(line["vnfc"], deque(maxlen=KEPT)).append(line)

    def document(self) -> list[Row]:
        """What is kept, by VNFC in the order in which it was said."""
        return [line for lines in self._lines.values() for line in lines]


def _keeper(place: str) -> str:
    """Whose numbers they are."""
    return place.rpartition(".")[0]
