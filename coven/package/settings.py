"""Configuration of VNFCs: `config` gives values and types, a JSON Schema limits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from coven.base.problem import Misuse
from coven.base.yaml12 import kind, read, show
from itf.mistakes import Mistake, Refused, suggest

Config = dict[str, Any]


def type_mistakes(
    default: Any, value: Any, field: str
) -> list[tuple[str, str | None, str | None, str | None]]:
    """How `value` differs in type from `default`: (field, found, expected, remedy) each.

    An integer may stand for a number. A list's values have the types of the default's values; an empty
    list or map and a null default take anything.
    """
    if default is None:
        return []
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return []
    if kind(default) != kind(value):
        if isinstance(default, int) and isinstance(value, float):
            return [(field, f"{kind(value)}: {show(value)}", kind(default), None)]
        remedy = "quote it" if isinstance(default, str) and isinstance(value, bool | int | float) else None
        return [(field, f"{kind(value)}: {show(value)}", kind(default), remedy)]
    wrong = []
    if isinstance(default, dict) and default:
        for key, inner in value.items():
            if key in default:
                wrong += type_mistakes(default[key], inner, f"{field}.{key}")
            else:
                wrong.append((f"{field}.{key}", "an unknown key", None, suggest(key, default)))
    elif isinstance(default, list) and default:
        for number, inner in enumerate(value):
            per_kind = [type_mistakes(example, inner, f"{field}[{number}]") for example in default]
            if all(per_kind):
                wrong += per_kind[0]
    return wrong


def overlay(default: Any, value: Any) -> Any:
    """The default with what `value` states: maps key by key, everything else replaced."""
    if isinstance(default, dict) and default and isinstance(value, dict):
        return {**default, **{key: overlay(default.get(key), inner) for key, inner in value.items()}}
    return float(value) if isinstance(default, float) and isinstance(value, int) else value


def parse_settings(settings: Iterable[str]) -> dict[str, Config]:
    """`VNFC.KEY=VALUE` texts as {vnfc: {key: value}}; VALUE is YAML, KEY may go into maps with dots.

    Raises Refused with every text that is not one.
    """
    mistakes: list[Mistake] = []
    wanted: dict[str, Config] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        vnfc, dot, key = name.strip().partition(".")
        if not (equals and dot and vnfc and all(key.split("."))):
            mistakes.append(Mistake(field="--set", found=show(setting), expected="VNFC.KEY=VALUE"))
            continue
        try:
            value: Any = read(text).plain()
        except Refused as refused:
            for m in refused.mistakes:
                mistakes.append(Mistake(
                    file="--set", line=m.line, column=m.column, field=name, found=m.found, expected=m.expected,
                    remedy=m.remedy
                ))
            continue
        *outer, last = key.split(".")
        into = wanted.setdefault(vnfc, {})
        for step in outer:
            nested = into.setdefault(step, {})
            into = nested if isinstance(nested, dict) else {}
        into[last] = value
    if mistakes:
        raise Misuse(mistakes)
    return wanted
