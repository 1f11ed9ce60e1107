"""Attribute selectors: `fields`, `exclude_fields`, `all_fields`, `exclude_default` (SOL013 5.3).

They choose among complex attributes, objects and lists, that an object need not have: what is simple or required stays.
A schema says by `x-exclude-default` which of its attributes are left out unless somebody asks for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from coven.rest.schema import Schema
from coven.rest.sol.filters import path_of, unknown
from itf.mistakes import Kind, Mistake, Refused, suggest

FLAGS = ("all_fields", "exclude_default")
LISTS = ("fields", "exclude_fields")
NAMES = (*FLAGS, *LISTS)
#: the combinations that have a meaning (table 5.3.2.2-1)
_TOGETHER = {frozenset(each) for each in ((), ("all_fields",), ("fields",), ("exclude_fields",), ("exclude_default",),
                                          ("exclude_default", "fields"))}  # fmt: skip
EXCLUDED = "x-exclude-default"

Path = tuple[str, ...]
Resolved = Callable[[Schema], Schema]


@dataclass(frozen=True)
class Selection:
    """`given`: which selectors; `paths`: those that `fields` or `exclude_fields` lists."""

    given: frozenset[str] = frozenset()
    paths: frozenset[Path] = frozenset()

    def of(self, record: Mapping[str, Any], schema: Schema, resolved: Resolved) -> dict[str, Any]:
        """What of a record is selected."""
        if "all_fields" in self.given:
            return dict(record)
        excluded = self.paths if "exclude_fields" in self.given else frozenset()
        wanted: frozenset[Path] | None = self.paths if self.given == {"fields"} else None
        if wanted is None and "exclude_fields" not in self.given:
            default = frozenset(tuple(name.split("/")) for name in resolved(schema).get(EXCLUDED, ()))
            excluded = frozenset(path for path in default if not any(_within(each, path) for each in self.paths))
        return _chosen(record, schema, (), wanted, excluded, resolved)


def _within(one: Path, other: Path) -> bool:
    """Whether one path leads to the other's place, above or below it."""
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def _chosen(
    record: Mapping[str, Any], schema: Schema, here: Path, wanted: frozenset[Path] | None, excluded: frozenset[Path],
    resolved: Resolved,
) -> dict[str, Any]:  # fmt: skip
    schema = resolved(schema)
    found: dict[str, Any] = {}
    for name, value in record.items():
        path = (*here, name)
        required = name in schema.get("required", ())
        whole = wanted is not None and any(path[: len(each)] == each for each in wanted)
        if not isinstance(value, dict | list) or whole:
            found[name] = value
        elif path in excluded and not required:
            continue
        elif wanted is None or required or any(_within(each, path) for each in wanted):
            inner = schema.get("properties", {}).get(name, {})
            found[name] = _inner(value, inner, path, wanted, excluded, resolved)
    return found


def _inner(value: Any, schema: Schema, *rest: Any) -> Any:
    resolved: Resolved = rest[-1]
    if isinstance(value, list):
        items = resolved(schema).get("items", {})
        return [_inner(item, items, *rest) for item in value]
    # within what no schema describes there is nothing to choose
    if isinstance(value, dict) and "properties" in resolved(schema):
        return _chosen(value, schema, *rest)
    return value


def read(query: Mapping[str, str], schema: Schema, resolved: Resolved) -> Selection:
    """The selectors in a query over objects of a schema. Raises Refused with 400 and everything that is wrong."""
    given = frozenset(query.keys() & set(NAMES))
    mistakes = []
    if given not in _TOGETHER:
        mistakes.append(Mistake(field=" and ".join(sorted(given)), found="selectors that exclude each other",
                                expected="one of them, or fields with exclude_default"))  # fmt: skip
    for name in given & set(FLAGS):
        if query[name] not in ("", "true"):
            mistakes.append(Mistake(field=name, found=query[name][:60], expected="no value: it is a flag"))
    paths: set[Path] = set()
    for name in given & set(LISTS):
        for text in query[name].split(","):
            path = path_of(text)
            if (wrong := unknown(path, schema, resolved)) is not None:
                mistakes.append(Mistake(field=name, found=f"no attribute {wrong[0][:60]}", remedy=suggest(*wrong)))
            paths.add(path)
    if mistakes:
        raise Refused(mistakes, title="selectors refused", kind=Kind.UNREADABLE)
    return Selection(given, frozenset(paths))
