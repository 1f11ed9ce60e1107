"""Attribute-based filters: `filter=(eq,a/b,c);(gt,d,5)` (SOL013 5.2).

An object matches when every expression does; an expression matches when any value does that its path leads to, through
lists and, with `@key`, to the names in a map. What an object does not have matches nothing.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from coven.rest.schema import Schema
from itf.mistakes import Kind, Mistake, Refused, suggest

MOST = 50  #: expressions
KEY = "@key"

#: a value bare, or in quotes, in which a quote is written twice
_VALUE = re.compile(r"'((?:[^']|'')*)'|([^,;()']*)")
_ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le,
}  # fmt: skip
ONE = ("eq", "neq", *_ORDERED)  #: operators with one value
MANY = ("in", "nin", "cont", "ncont")  #: operators with one or more


@dataclass(frozen=True)
class Expression:
    operator: str
    path: tuple[str, ...]
    values: tuple[str, ...]

    def __str__(self) -> str:
        path = "/".join(name.replace("~", "~0").replace("/", "~1") for name in self.path)
        values = (f"'{value.replace(chr(39), chr(39) * 2)}'" if re.search("[,;()']", value) else value
                  for value in self.values)  # fmt: skip
        return f"({self.operator},{path},{','.join(values)})"

    def matches(self, record: Any) -> bool:
        return any(self._holds(value) for value in _reached(record, self.path))

    def _holds(self, value: Any) -> bool:
        match self.operator:
            case "eq" | "in":
                return any(_equal(value, each) for each in self.values)
            case "neq" | "nin":
                return not any(_equal(value, each) for each in self.values)
            case "cont":
                return isinstance(value, str) and any(each in value for each in self.values)
            case "ncont":
                return isinstance(value, str) and not any(each in value for each in self.values)
        sides = _sides(value, self.values[0])
        return sides is not None and _ORDERED[self.operator](*sides)


def matches(expressions: Iterable[Expression], record: Any) -> bool:
    return all(each.matches(record) for each in expressions)


def written(expressions: Iterable[Expression]) -> str:
    return ";".join(map(str, expressions))


def parse(text: str, resolved: Callable[[Schema], Schema], schema: Schema) -> list[Expression]:
    """The expressions of a filter over objects of a schema, whose references `resolved` follows.

    Raises Refused with 400 and everything that is wrong."""
    found: list[Expression] = []
    mistakes: list[Mistake] = []
    at = 0
    while at <= len(text):
        expression, after = _expression(text, at)
        if isinstance(expression, str):
            mistakes.append(Mistake(field="filter", column=at + 1, found=expression,
                                    expected="(OPERATOR,ATTRIBUTE,VALUE)[;...]"))  # fmt: skip
            break
        if expression.operator not in (*ONE, *MANY):
            wanted = " | ".join((*ONE, *MANY))
            mistakes.append(Mistake(field="filter", column=at + 2, found=expression.operator[:60], expected=wanted))
        elif expression.operator in ONE and len(expression.values) != 1:
            mistakes.append(Mistake(field="filter", column=at + 2, found=f"{len(expression.values)} values",
                                    expected=f"one, for {expression.operator}"))  # fmt: skip
        if (wrong := unknown(expression.path, schema, resolved)) is not None:
            mistakes.append(Mistake(field="filter", column=at + 2, found=f"no attribute {wrong[0][:60]}",
                                    remedy=suggest(*wrong)))  # fmt: skip
        found.append(expression)
        at = after + 1
    if len(found) > MOST:
        mistakes.append(Mistake(field="filter", found=f"{len(found)} expressions", expected=f"at most {MOST}"))
    if mistakes:
        raise Refused(mistakes, title="filter refused", kind=Kind.UNREADABLE)
    return found


def _expression(text: str, start: int) -> tuple[Expression | str, int]:
    """The expression that begins there, or what is there instead; and where it ends."""
    if text[start : start + 1] != "(":
        return text[start : start + 60] or "nothing", start
    fields: list[str] = []
    at = start
    while text[at : at + 1] in ("(", ",") and (at == start or text[at] == ","):
        found = _VALUE.match(text, at + 1)
        assert found is not None  # it may be empty
        fields.append(found[2] if found[1] is None else found[1].replace("''", "'"))
        at = found.end()
    closed = text[at : at + 1] == ")" and text[at + 1 : at + 2] in ("", ";")
    if not closed or len(fields) < 3 or not all(fields[:2]):
        return text[start : start + 60], at
    return Expression(fields[0], path_of(fields[1]), tuple(fields[2:])), at + 1


def path_of(text: str) -> tuple[str, ...]:
    """The names of attributes on a path, from the outermost (SOL013 5.2)."""
    return tuple(name.replace("~1", "/").replace("~0", "~") for name in text.split("/"))


def unknown(
    path: Sequence[str], schema: Schema, resolved: Callable[[Schema], Schema]
) -> tuple[str, list[str]] | None:
    """The first name on a path that objects of a schema never have, with those that they have."""
    schema = resolved(schema)
    while schema.get("type") == "array":
        schema = resolved(schema["items"])
    if not path or path[0] == KEY:
        return None
    properties: Mapping[str, Schema] = schema.get("properties", {})
    if path[0] in properties:
        return unknown(path[1:], properties[path[0]], resolved)
    further = schema.get("additionalProperties")
    if isinstance(further, dict):
        return unknown(path[1:], further, resolved)
    anything = not properties and schema.get("type", "object") == "object"
    return None if anything else (path[0], list(properties))


def _reached(value: Any, path: Sequence[str]) -> Iterator[Any]:
    """The simple values at the end of a path."""
    if isinstance(value, list):
        for item in value:
            yield from _reached(item, path)
    elif not path:
        if not isinstance(value, dict) and value is not None:
            yield value
    elif isinstance(value, dict):
        if path[0] in value:
            yield from _reached(value[path[0]], path[1:])
        elif tuple(path) == (KEY,):
            yield from value


def _equal(value: Any, text: str) -> bool:
    if isinstance(value, bool):
        return text == str(value).lower()
    sides = _sides(value, text)
    return sides is not None and bool(sides[0] == sides[1])


def _sides(value: Any, text: str) -> tuple[Any, Any] | None:
    """An attribute's value and a filter's text as things that can be compared."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        try:
            return value, int(text) if re.fullmatch("[+-]?[0-9]{1,30}", text) else float(text)
        except ValueError:
            return None
    times = _time(value), _time(text)
    return times if None not in times else (value, text)


def _time(text: str) -> datetime | None:
    """A moment as RFC 3339 writes it."""
    if not re.match(r"\d{4}-\d\d-\d\d[Tt ]", text):
        return None
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
