"""Bodies and queries of requests, judged by the schemas that the OpenAPI document publishes: every mistake with its
field."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from jsonschema_rs import Draft202012Validator, ValidationErrorKind

from coven.agent.store import Row
from coven.base.plain import faults
from coven.base.problem import joined
from coven.rest.openapi import SCHEMAS
from coven.rest.routes import Query
from coven.rest.schema import Schema, record, ref
from itf.mistakes import Mistake, suggest

_TYPES = {
    "string": "a text", "object": "a map", "array": "a list", "boolean": "true or false", "integer": "an integer",
    "number": "a number", "null": "null",
}  # fmt: skip
_BOUNDS = {"minimum": "at least", "maximum": "at most"}
_DOCUMENT = {"components": {"schemas": SCHEMAS}}

#: numbers as JSON writes them (RFC 8259, 6), of as many digits as anybody needs
_FLAGS = {"true": True, "false": False}
_INTEGER = re.compile(r"-?[0-9]{1,18}")
_NUMBER = re.compile(rf"{_INTEGER.pattern}(\.[0-9]{{1,18}})?([eE][+-]?[0-9]{{1,3}})?")

Path = Sequence[str | int]


class Judge:
    """Judges JSON objects by a schema, which may refer to those of the document."""

    def __init__(self, schema: Schema):
        self._root: Schema = {**schema, **_DOCUMENT}
        self._validator = Draft202012Validator(self._root, validate_formats=True)

    def judge(self, body: Row) -> list[Mistake]:
        """All that is wrong with an object, which is left out of it then."""
        mistakes: list[Mistake] = []
        places: list[Path] = []
        for fault in faults(body):
            mistakes = joined(mistakes, [Mistake(field=_field(fault.path), found=fault.found, expected=fault.expected)])
            places.append(fault.path)
        if () in places:  # one of its keys cannot even be shown
            body.clear()
            return mistakes
        _leave_out(body, places)
        places = []
        for path, mistake in self._wrong(body):
            mistakes = joined(mistakes, [mistake])
            places.append(path)
        _leave_out(body, places)
        return mistakes

    def _wrong(self, body: Row) -> Iterator[tuple[Path, Mistake]]:
        for error in self._validator.iter_errors(body):
            path = list(error.instance_path)
            *place, keyword = map(str, error.schema_path)
            schema = self._at(place)
            match error.kind:
                case ValidationErrorKind.AdditionalProperties(keys):
                    for key in keys:
                        remedy = suggest(key, schema.get("properties", {}))
                        mistake = Mistake(field=_field([*path, key]), found="an unknown field", remedy=remedy)
                        yield [*path, key], mistake
                case ValidationErrorKind.Required(key):
                    expected = _described(self._at([*place, "properties", key]))
                    yield [*path, key], Mistake(field=_field([*path, key]), found="nothing", expected=expected)
                case _:
                    expected = _described(schema) or f"{keyword} {json.dumps(schema.get(keyword))}"
                    yield path, Mistake(field=_field(path), found=_shown(error.instance), expected=expected)

    def _at(self, path: Iterable[str]) -> Schema:
        """The schema at a place in the document, which may lead through references."""
        found: Any = self._root
        for step in path:
            while isinstance(found, dict) and step not in found and "$ref" in found:
                found = self._at(found["$ref"].split("/")[1:])
            found = self._at(found["$ref"].split("/")[1:]) if step == "$ref" else found[step]
        while "$ref" in found:
            found = self._at(found["$ref"].split("/")[1:])
        schema: Schema = found
        return schema


class Body(Judge):
    """A body: one of the schemas, by its name there."""

    def __init__(self, name: str):
        super().__init__(ref(name))


class Parameters(Judge):
    """A route's query."""

    def __init__(self, queries: Iterable[Query]):
        self._schemas: Schema = {each.name: dict(each.schema) for each in queries}
        super().__init__(record(self._schemas, (), closed=True))

    def read(self, given: Mapping[str, Sequence[str]]) -> tuple[Row, list[Mistake]]:
        """The values that a query's texts stand for, with defaults for what it lacks; and all that is wrong with it."""
        values = {name: _value(texts[0], self._schemas.get(name, {})) for name, texts in given.items()}
        mistakes = self.judge(values)
        for name, texts in given.items():
            if name in values and len(texts) > 1:
                mistakes.append(Mistake(field=name, found=f"{len(texts)} times", expected="once"))
        defaults = {name: schema["default"] for name, schema in self._schemas.items() if "default" in schema}
        return {**defaults, **values}, mistakes


def _value(text: str, schema: Schema) -> Any:
    """What a text of a query stands for; the text itself where it is not of the schema's type."""
    if schema.get("type") == "integer" and _INTEGER.fullmatch(text):
        return int(text)
    if schema.get("type") == "number" and _NUMBER.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    if schema.get("type") == "boolean" and text in _FLAGS:
        return _FLAGS[text]
    return text


def _described(schema: Schema) -> str | None:
    """What a schema asks for, in words."""
    if "description" in schema:
        return str(schema["description"])
    if "enum" in schema:
        return " | ".join(str(each) for each in schema["enum"])
    types = schema.get("type", [])
    kinds = [_TYPES[name] for name in ([types] if isinstance(types, str) else types)]
    bounds = [f"{words} {schema[key]}" for key, words in _BOUNDS.items() if key in schema]
    return ", ".join([*([" or ".join(kinds)] if kinds else []), *bounds]) or None


def _field(path: Path) -> str | None:
    return ".".join(map(str, path)) or None


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _leave_out(body: Row, places: Iterable[Path]) -> None:
    for path in places:
        value: Any = body
        keys = [key for number, key in enumerate(path) if not any(isinstance(each, int) for each in path[: number + 1])]
        for key in keys[:-1]:
            value = value.get(key) if isinstance(value, dict) else None
        if keys and isinstance(value, dict):
            value.pop(keys[-1], None)
