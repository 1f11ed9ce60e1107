"""Reading maps of known fields out of a YAML document, collecting every mistake with its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any, TypeVar, cast

from coven.base.yaml12 import Node, show
from itf.mistakes import Mistake, suggest

NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
#: drop names, chain lines and rules give these words a meaning of their own
RESERVED_NAMES = frozenset({"classifier", "nsh", "flow", "back", "bypass", "drop", "reversed"})

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)

T = TypeVar("T")


def is_time(text: str) -> bool:
    """Whether a text is a time as RFC 3339 writes them (5.6)."""
    if not _RFC3339.fullmatch(text):
        return False
    try:
        datetime.fromisoformat(text.upper())
    except ValueError:
        return False
    return True


class Reader:
    """The mistakes of one document. Every method reads what it can and goes on."""

    def __init__(self, file: str | None):
        self.file = file
        self.mistakes: list[Mistake] = []

    def wrong(
        self,
        node: Node | tuple[int, int],
        field: str,
        found: str | None,
        expected: str | None,
        remedy: str | None = None,
    ) -> None:
        line, column = node if isinstance(node, tuple) else (node.line, node.column)
        self.mistakes.append(Mistake(
            file=self.file, line=line, column=column, field=field, found=found, expected=expected, remedy=remedy
        ))

    def map(self, node: Node, field: str, known: Collection[str] | None = None) -> dict[str, Node]:
        """The node's entries ({} for nothing or another kind); unknown keys are mistakes."""
        if node.value is None:
            return {}
        if not isinstance(node.value, dict):
            self.wrong(node, field, f"{node.kind}: {show(node)}", "a map")
            return {}
        if known is None:
            return dict(node.value)
        for key in node.value:
            if key not in known:
                place = f"{field}.{key}" if field else key
                self.wrong(node.keys[key], place, "an unknown field", None, suggest(key, known))
        return {key: value for key, value in node.value.items() if key in known}

    def list(self, node: Node, field: str) -> list[Node]:
        if node.value is None:
            return []
        if not isinstance(node.value, list):
            self.wrong(node, field, f"{node.kind}: {show(node)}", "a list")
            return []
        return list(node.value)

    def _of(
        self, kinds: type | tuple[type, ...], expected: str, node: Node | None, field: str, default: T
    ) -> T:
        if node is None:
            return default
        if not isinstance(node.value, kinds) or (isinstance(node.value, bool) and kinds is not bool):
            remedy = None
            if kinds is str and isinstance(node.value, bool | int | float):
                remedy = "quote it"
            self.wrong(node, field, f"{node.kind}: {show(node)}", expected, remedy)
            return default
        return cast(T, node.value)

    def string(
        self, node: Node | None, field: str, default: str = "", *, limit: int = 1024, line: bool = True
    ) -> str:
        value = self._of(str, "a string", node, field, default)
        if node is None or value is default:
            return value
        if len(value) > limit:
            self.wrong(node, field, f"{len(value)} characters", f"at most {limit}")
            return default
        if line and not value.isprintable():
            self.wrong(node, field, show(value), "one line of printable text")
            return default
        return value

    def flag(self, node: Node | None, field: str, default: bool) -> bool:
        return self._of(bool, "true or false", node, field, default)

    def integer(self, node: Node | None, field: str, default: int, low: int, high: int) -> int:
        value = self._of(int, f"an integer from {low} to {high}", node, field, default)
        if node is not None and not low <= value <= high:
            self.wrong(node, field, str(value), f"an integer from {low} to {high}")
            return default
        return value

    def choice(self, node: Node | None, field: str, default: str, choices: Collection[str]) -> str:
        words = " | ".join(choices)
        value = self._of(str, words, node, field, default)
        if node is not None and value is not default and value not in choices:
            self.wrong(node, field, show(value), words, suggest(value, choices))
            return default
        return value

    def name(self, place: Node | tuple[int, int], field: str, name: Any, what: str = "a name") -> bool:
        """Whether `name` can be one; a mistake if not."""
        if not isinstance(name, str) or not NAME.fullmatch(name):
            self.wrong(
                place,
                field,
                show(name),
                f"{what}: a small letter, then at most 31 small letters, digits, - or _",
            )
            return False
        if name in RESERVED_NAMES:
            self.wrong(place, field, name, what, f"{name} is reserved: choose another")
            return False
        return True

    def names(
        self,
        node: Node,
        field: str,
        what: str,
        limit: int,
        read: Callable[[str, int, Node, tuple[int, int]], T],
    ) -> dict[str, T]:
        """A map from names to things, numbered in order; at most `limit`."""
        things: dict[str, T] = {}
        for name, value in self.map(node, field).items():
            place = node.keys[name]
            if not self.name(place, f"{field}.{name}", name, what):
                continue
            if len(things) == limit:
                self.wrong(place, f"{field}.{name}", f"more than {limit}", f"at most {limit} {field}")
                break
            things[name] = read(name, len(things), value, place)
        return things
