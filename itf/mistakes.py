"""Mistakes as users see them: each with its place, all at once. What a protocol makes of them is its own affair."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from itf import limits
from itf.printable import printable

MOST = 500  #: mistakes that are told at once
FIELDS = ("file", "line", "column", "field", "found", "expected", "remedy")


class Kind(Enum):
    """Why something was not done, for whoever has to say so in another protocol (`coven.base.problem`)."""

    INVALID = "what was given cannot be used"
    UNREADABLE = "it does not have the form that it should have"
    UNAUTHENTICATED = "nobody known asks"
    FORBIDDEN = "whoever asks may not"
    ABSENT = "there is no such thing"
    CONFLICT = "not in this state"
    TOO_LARGE = "more than is taken"
    UNSUPPORTED = "of a kind that is not taken"
    NOT_ACCEPTABLE = "no answer of the kind that is asked for"
    CHANGED = "it is not any more what it was"
    TOO_LONG = "an address longer than is read"
    TOO_MANY = "too often"
    UNAVAILABLE = "not now, perhaps later"
    TIMEOUT = "no answer in time"
    NO_SPACE = "no space left"
    FAULT = "a fault of the platform"


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """One thing that is wrong: where, what was found, what was expected, what to do. Lines and columns from 1."""

    file: str | None = None
    line: int | None = None
    column: int | None = None
    field: str | None = None
    found: str | None = None
    expected: str | None = None
    remedy: str | None = None

    @classmethod
    def of(
        cls, problem: BaseException, *, file: str | None = None, field: str | None = None,
        expected: str | None = None, remedy: str | None = None,
    ) -> Mistake:  # fmt: skip
        """What the system refused. Where a limit was reached it is named, and how to raise it: nothing else helps."""
        if (limit := limits.reached(problem)) is not None:
            return cls(file=file, field=field, found=limit[0], expected="more", remedy=limit[1])
        found = getattr(problem, "strerror", None) or str(problem)
        return cls(file=file, field=field, found=found, expected=expected, remedy=remedy)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Mistake:
        """The mistake in a record that another process sent; what is not one of ours is left out."""
        return cls(**{name: record.get(name) for name in FIELDS})

    def as_warning(self) -> str:
        """One line, for what is no mistake yet."""
        return f"warning: {self.place()}: {self.found}"

    def place(self) -> str:
        """file:line:column, as far as they are known."""
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)

    def __str__(self) -> str:
        place = self.place()
        says = []
        if self.found is not None:
            says.append(f"found {self.found}")
        if self.expected is not None:
            says.append(f"expected {self.expected}")
        line = ": ".join(part for part in (place, self.field or "", ", ".join(says)) if part)
        text = f"{line}\n    {self.remedy}" if self.remedy else line
        # much of it is what others wrote, which must not steer a terminal
        return printable(text, "\n\t")


class Refused(Exception):
    """Something was not done, and these are the reasons."""

    def __init__(
        self, mistakes: Mistake | Iterable[Mistake], *, title: str = "refused", kind: Kind = Kind.INVALID,
        retry: int | None = None,
    ):  # fmt: skip
        """`retry`: seconds after which it may be worth trying again, where that is known."""
        self.mistakes = [mistakes] if isinstance(mistakes, Mistake) else list(mistakes)
        if (more := len(self.mistakes) - MOST) > 0:
            self.mistakes[MOST:] = [Mistake(found=f"{more} mistakes more", remedy="mend these first")]
        self.title = title
        self.kind = kind
        self.retry = retry
        super().__init__(title)

    def __str__(self) -> str:
        return "\n".join([self.title, *(str(mistake) for mistake in self.mistakes)])


def suggest(word: str, known: Iterable[str]) -> str:
    """What the user may have meant, as a sentence: the nearest known word, else all of them."""
    names = sorted(known)
    near = [name for name in names if sorted(name) == sorted(word)]  # its letters, transposed
    near = near or difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    if near:
        return f"did you mean {near[0]}?"
    return f"known: {', '.join(names)}" if names else "there is none"
