"""JSON Schemas (2020-12) of configurations. Their authors are strangers: one that could cost without bound is refused
when it is read, and nothing is ever fetched for one.

Patterns run in an engine that takes time linear in the text (no look-around, no back-references); `format` is enforced;
a schema that contains itself, or comes to more than MOST when its references are written out, is not taken.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema_rs

from coven.base.yaml12 import Node, kind, read
from itf.mistakes import Mistake, Refused

MOST = 10_000  #: schemas within a schema, each as often as it is referred to
PATTERN_LENGTH = 1000
#: what `format` may say, each enforced
FORMATS = frozenset({
    "date", "time", "date-time", "duration", "email", "idn-email", "hostname", "idn-hostname", "ipv4", "ipv6", "uri",
    "uri-reference", "iri", "iri-reference", "uri-template", "uuid", "json-pointer", "relative-json-pointer", "regex",
})  # fmt: skip
_REGEXES = jsonschema_rs.RegexOptions(size_limit=1 << 20, dfa_size_limit=1 << 20)
_DATA = ("const", "enum", "default", "examples")  #: keywords whose values are no schemas
#: maps from names to schemas
_BY_NAME = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")


def load_schema(path: Path, shown: str) -> dict[str, Any]:
    """A schema out of a JSON file. Raises Refused with every mistake and its place; `shown`: the file's name there."""
    try:
        text = path.read_bytes()
        schema = json.loads(text)
    except json.JSONDecodeError as error:
        raise Refused(Mistake(
            file=shown, line=error.lineno, column=error.colno, found=error.msg, expected="JSON"
        )) from None
    except RecursionError:
        raise Refused(Mistake(file=shown, found="nesting without end", expected="a JSON Schema")) from None
    except ValueError:
        raise Refused(Mistake(file=shown, found="bytes that are no UTF-8", expected="JSON in UTF-8")) from None
    except OSError as error:
        raise Refused(Mistake.of(error, file=shown, expected="a readable file")) from None
    node = read(text, shown)  # JSON is YAML 1.2: no key twice, and every value has its place
    if not isinstance(schema, dict):
        raise Refused(Mistake(file=shown, line=1, column=1, found=kind(schema), expected="a JSON Schema: an object"))
    wrong = [_at(node, shown, path, found, expected) for path, found, expected in _mistakes(schema)]
    if wrong:
        raise Refused(wrong)
    return schema


def schema_mistakes(schema: Mapping[str, Any], config: Mapping[str, Any]) -> list[tuple[list[str | int], str]]:
    """What a configuration breaks of a schema that `load_schema` took: (path, what) each."""
    return [(list(error.instance_path), error.message) for error in _validator(schema).iter_errors(config)]


def _validator(schema: Mapping[str, Any]) -> Any:
    return jsonschema_rs.Draft202012Validator(
        dict(schema), validate_formats=True, pattern_options=_REGEXES, retriever=_fetch_nothing
    )


def _fetch_nothing(uri: str) -> Any:
    raise ValueError(f"{uri} is elsewhere")


def _at(node: Node, file: str, path: list[str | int], found: str, expected: str) -> Mistake:
    place = node.at(path)
    field = ".".join(map(str, path)) or None
    return Mistake(file=file, line=place.line, column=place.column, field=field, found=found[:300], expected=expected)


def _mistakes(schema: dict[str, Any]) -> Iterator[tuple[list[str | int], str, str]]:
    """(path, found, expected) of each."""
    found = False
    for path, each in _schemas(schema, []):
        for wrong in _in_one(schema, path, each):
            found = True
            yield wrong
    if found:
        return
    try:
        if _size(schema, schema, (), {}) > MOST:
            yield [], f"more than {MOST} schemas with its references written out", "a smaller one"
            return
        _validator(schema)
    except RecursionError:
        yield [], "a schema that contains itself", "one that ends"
    except jsonschema_rs.ValidationError as error:
        yield list(error.instance_path), error.message, "a JSON Schema of draft 2020-12"
    except ValueError as error:
        yield [], str(error), "a JSON Schema of draft 2020-12"


def _schemas(value: Any, path: list[str | int]) -> Iterator[tuple[list[str | int], dict[str, Any]]]:
    """Every map in a schema that may be one itself, with where it stands."""
    if isinstance(value, dict):
        yield path, value
        for key, inner in value.items():
            if key in _BY_NAME and isinstance(inner, dict):
                for name, each in inner.items():
                    yield from _schemas(each, [*path, key, name])
            elif key not in _DATA:
                yield from _schemas(inner, [*path, key])
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _schemas(inner, [*path, number])


def _in_one(
    root: dict[str, Any], path: list[str | int], each: dict[str, Any]
) -> Iterator[tuple[list[str | int], str, str]]:
    patterns = [(["pattern"], each.get("pattern"))]
    if isinstance(each.get("patternProperties"), dict):
        patterns += [(["patternProperties", text], text) for text in each["patternProperties"]]
    for where, pattern in patterns:
        if not isinstance(pattern, str):
            continue
        if len(pattern) > PATTERN_LENGTH:
            yield [*path, *where], f"a pattern of {len(pattern)} characters", f"at most {PATTERN_LENGTH}"
            continue
        try:
            jsonschema_rs.Draft202012Validator({"pattern": pattern}, pattern_options=_REGEXES)
        except ValueError:
            expected = "a regular expression without look-around and back-references, that is not too large"
            yield [*path, *where], json.dumps(pattern), expected
    if isinstance(form := each.get("format"), str) and form not in FORMATS:
        yield [*path, "format"], form, f"one of {', '.join(sorted(FORMATS))}"
    if isinstance(reference := each.get("$ref"), str) and target(root, reference) is None:
        yield [*path, "$ref"], reference, "a place in this schema: #/..."
    for keyword in ("$dynamicRef", "$recursiveRef", "$id", "$anchor", "$dynamicAnchor"):
        if isinstance(each.get(keyword), str) and (keyword != "$id" or path):
            yield [*path, keyword], keyword, "$ref: #/..., which says what it means by its place"


def target(root: Any, reference: str) -> Any:
    """What a reference leads to (RFC 6901), None if it leads nowhere in this schema."""
    if reference != "#" and not reference.startswith("#/"):
        return None
    value = root
    for step in reference.removeprefix("#").split("/")[1:]:
        step = re.sub(r"%([0-9A-Fa-f]{2})", lambda m: chr(int(m[1], 16)), step).replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and step in value:
            value = value[step]
        elif isinstance(value, list) and step.isdigit() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value if isinstance(value, dict | bool) else None


def _inner(value: Any) -> Iterator[Any]:
    """What is applied along with a schema, or with one of a list."""
    if isinstance(value, list):
        yield from value
        return
    for key, inner in value.items():
        if key in ("$defs", "definitions"):
            continue  # counted where it is referred to
        if key in _BY_NAME and isinstance(inner, dict):
            yield from inner.values()
        elif key not in _DATA:
            yield inner


def _size(root: Any, value: Any, inside: tuple[int, ...], known: dict[int, int]) -> int:
    """How many schemas this is with its references written out. Raises RecursionError if it contains itself."""
    if not isinstance(value, dict | list):
        return 1
    if id(value) in inside:
        raise RecursionError
    if id(value) not in known:
        within = (*inside, id(value))
        size = 1 + sum(_size(root, each, within, known) for each in _inner(value))
        if isinstance(value, dict) and isinstance(reference := value.get("$ref"), str):
            size += _size(root, target(root, reference), within, known)
        known[id(value)] = size
    return known[id(value)]
