"""Where something is written in a configuration, and what is wrong there. All mistakes are collected."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field

from itf.mistakes import Mistake


@dataclass(frozen=True)
class Place:
    """Lines and columns count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"

    def mistake(self, found: str, expected: str, remedy: str = "") -> Mistake:
        """What is wrong here."""
        return Mistake(
            file=self.file, line=self.line, column=self.column, field="source", found=found, expected=expected,
            remedy=remedy or None,
        )  # fmt: skip


def as_line(mistake: Mistake) -> str:
    """As `pps.mistakes` reads it: FILE:LINE:COLUMN: FOUND | EXPECTED | REMEDY."""
    texts = (mistake.found or "", mistake.expected or "", mistake.remedy or "")
    parts = (" ".join(text.split()).replace(" | ", " / ") for text in texts)
    return f"{mistake.place()}: " + " | ".join(parts)


@dataclass
class Mistakes:
    """What was found so far; a later step goes on with what made sense."""

    found: list[Mistake] = field(default_factory=list)

    def add(self, place: Place, found: str, expected: str, remedy: str = "") -> None:
        mistake = place.mistake(found, expected, remedy)
        if mistake not in self.found:
            self.found.append(mistake)


class SyntaxMistake(Exception):
    """The parser cannot go on from here."""

    def __init__(self, place: Place, found: str, expected: str):
        super().__init__(f"{place}: {found}: expected {expected}")
        self.mistake = place.mistake(found, expected)


def close_to(word: str, known: Iterable[str]) -> str:
    """A remedy that names the known word which `word` may have been meant to be, or nothing."""
    by_folded = {each.lower(): each for each in known}
    near = difflib.get_close_matches(word.lower(), by_folded, n=1)
    return f"did you mean {by_folded[near[0]]}?" if near else ""
