"""Configuration of VNFCs: `config` gives values and types, a JSON Schema limits."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from coven.errors import Mistake, Misuse, Refused, suggest
from coven.yaml12 import kind, read, show

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


def load_schema(path: Path, shown: str) -> dict[str, Any]:
    """A JSON Schema (2020-12) out of a file. Raises Refused with the place of the mistake."""
    try:
        schema = json.loads(path.read_bytes())
    except json.JSONDecodeError as error:
        raise Refused(Mistake(shown, error.lineno, error.colno, None, error.msg, "JSON")) from None
    except (UnicodeDecodeError, RecursionError) as error:
        raise Refused(Mistake(shown, None, None, None, f"{type(error).__name__}", "JSON in UTF-8")) from None
    except OSError as error:
        raise Refused(Mistake.of(error, file=shown, expected="a readable file")) from None
    if not isinstance(schema, dict):
        raise Refused(Mistake(shown, 1, 1, None, kind(schema), "a JSON Schema: an object"))
    from jsonschema import Draft202012Validator, SchemaError  # slow to import, and few packages have a schema

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise Refused(
            Mistake(shown, None, None, error.json_path, error.message, "a JSON Schema of draft 2020-12")
        ) from None
    return schema


def schema_mistakes(schema: Mapping[str, Any], config: Config) -> list[tuple[list[str | int], str]]:
    """What a configuration breaks of its schema: (path, what) each. Never fetches a `$ref` from elsewhere."""
    from jsonschema import Draft202012Validator
    from referencing import Registry
    from referencing.exceptions import Unresolvable

    validator = Draft202012Validator(schema, registry=Registry())
    try:
        return [(list(error.absolute_path), error.message) for error in validator.iter_errors(config)]
    except (Unresolvable, RecursionError) as error:
        return [([], f"the schema cannot be applied: {error}")]


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
            mistakes.append(Mistake(None, None, None, "--set", show(setting), "VNFC.KEY=VALUE"))
            continue
        try:
            value: Any = read(text).plain()
        except Refused as refused:
            for m in refused.mistakes:
                mistakes.append(Mistake("--set", m.line, m.column, name, m.found, m.expected, m.remedy))
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
