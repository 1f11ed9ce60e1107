"""Plain data: what JSON can say and every language reads alike. Whatever comes from strangers is judged by this."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

DEPTH = 32  #: maps and lists within each other
#: the largest integer that every language keeps as it is: of 64 bits, with or without a sign
LARGEST, LEAST = 2**64 - 1, -(2**63)


class NotPlain(ValueError):
    """`path`: the keys that lead there; `found`: what is there; `expected`: what may be."""

    def __init__(self, path: tuple[str | int, ...], found: str, expected: str):
        self.path, self.found, self.expected = path, found, expected
        super().__init__(f"{'.'.join(map(str, path)) or 'it'}: {found}, expected {expected}")


def faults(value: Any, *, nul: bool = False, depth: int = DEPTH) -> Iterator[NotPlain]:
    """Everything that is wrong with a value. `nul`: texts may hold NUL (C would read them to there only)."""
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), value)]
    while waiting:
        path, each = waiting.pop()
        if isinstance(each, dict | list):
            if len(path) >= depth:
                yield NotPlain(path[:4], f"maps and lists nested more than {depth} deep", "fewer levels")
                continue
            inner = list(each.items() if isinstance(each, dict) else enumerate(each))
            if isinstance(each, dict):
                for key in each:
                    if (wrong := _text(key, nul)) is not None:
                        yield NotPlain(path, f"a key with {wrong[0]}", wrong[1])
            waiting += [((*path, key), item) for key, item in reversed(inner)]
        elif isinstance(each, str):
            if (wrong := _text(each, nul)) is not None:
                yield NotPlain(path, *wrong)
        elif isinstance(each, float) and not math.isfinite(each):
            yield NotPlain(path, "a number that is none, or infinite", "a number that JSON can say")
        elif isinstance(each, int) and not LEAST <= each <= LARGEST:
            yield NotPlain(path, "an integer of more than 64 bits", "a smaller one, or a text")


def _text(text: Any, nul: bool) -> tuple[str, str] | None:
    if not isinstance(text, str):
        return f"a {type(text).__name__}", "a text"
    if any("\ud800" <= c <= "\udfff" for c in text):
        return "half of a surrogate pair", "a text in Unicode"
    if not nul and "\0" in text:
        return "a NUL character", "a text without NUL, where C would take it to end"
    return None


def parse(raw: bytes) -> Any:
    """JSON in UTF-8 that is plain, NUL in texts allowed. Raises ValueError (NotPlain where a place can be told)."""
    try:
        value = json.loads(raw)
    except RecursionError:
        raise NotPlain((), "maps and lists nested without end", f"at most {DEPTH} levels") from None
    for wrong in faults(value, nul=True):
        raise wrong
    return value
