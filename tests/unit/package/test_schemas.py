"""Schemas of strangers: refused where they could cost without bound, enforced where they are taken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coven.package.schemas import FORMATS, load_schema, schema_mistakes
from itf.mistakes import Mistake, Refused


def load(tmp_path: Path, schema: Any) -> dict[str, Any]:
    path = tmp_path / "s.json"
    path.write_text(schema if isinstance(schema, str) else json.dumps(schema, indent=1))
    return load_schema(path, "p/s.json")


def refused(tmp_path: Path, schema: Any) -> list[Mistake]:
    with pytest.raises(Refused) as caught:
        load(tmp_path, schema)
    return caught.value.mistakes


def test_a_costly_pattern_costs_nothing(tmp_path: Path) -> None:
    schema = load(tmp_path, {"properties": {"k": {"type": "string", "pattern": "^(a+)+$"}}})
    assert schema_mistakes(schema, {"k": "a" * 40}) == []
    ((path, what),) = schema_mistakes(schema, {"k": "a" * 100_000 + "!"})
    assert path == ["k"] and "does not match" in what


@pytest.mark.parametrize("pattern", ["(?=a)", "(a)\\1", "(", "((a{1000}){1000}){9}", "a" * 1001])
@pytest.mark.parametrize("where", ["pattern", "patternProperties"])
def test_patterns_that_are_not_taken(tmp_path: Path, pattern: str, where: str) -> None:
    inner = {"pattern": pattern} if where == "pattern" else {"patternProperties": {pattern: {}}}
    (mistake,) = refused(tmp_path, {"properties": {"k": inner}})
    assert mistake.file == "p/s.json" and mistake.line and mistake.line > 3
    assert (mistake.field or "").startswith(f"properties.k.{where}")
    assert "pattern of 1001" in str(mistake.found) or "look-around" in str(mistake.expected)


WRONG = {
    "date": "32.1.", "time": "25h", "date-time": "yesterday", "duration": "soon", "email": "x", "idn-email": "x",
    "hostname": "-", "idn-hostname": "-", "ipv4": "1.2.3", "ipv6": "1.2.3.4", "uri": "x", "uri-reference": "\\\\",
    "iri": "x", "iri-reference": "\\\\", "uri-template": "{", "uuid": "1", "json-pointer": "x",
    "relative-json-pointer": "x", "regex": "(",
}  # fmt: skip


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_formats_are_enforced(tmp_path: Path, form: str) -> None:
    schema = load(tmp_path, {"properties": {"k": {"format": form}}})
    assert [path for path, _ in schema_mistakes(schema, {"k": WRONG[form]})] == [["k"]]


@pytest.mark.parametrize(
    "schema, field, found",
    [
        ({"properties": {"k": {"format": "ip"}}}, "properties.k.format", "ip"),
        ({"$ref": "http://127.0.0.1:1/x"}, "$ref", "http://127.0.0.1:1/x"),
        ({"$ref": "file:///etc/passwd"}, "$ref", "file:///etc/passwd"),
        ({"$ref": "#/$defs/none"}, "$ref", "#/$defs/none"),
        ({"$ref": "#"}, None, "contains itself"),
        ({"properties": {"k": {"$ref": "#"}}}, None, "contains itself"),
        ({"properties": {"k": {"type": "strin"}}}, "properties.k.type", "strin"),
        ({"$dynamicRef": "#x"}, "$dynamicRef", "$dynamicRef"),
        ('{"a": 1,\n "a": 2}', None, "the key a again"),
        ("[" * 5000, None, "nesting without end"),
        ("[1]", None, "a list"),
        ('{"type": nul}', None, "Expecting value"),
    ],
)
def test_what_is_no_schema_of_ours(tmp_path: Path, schema: Any, field: str | None, found: str) -> None:
    (mistake,) = refused(tmp_path, schema)
    assert found in str(mistake.found) and mistake.field == field


def test_doubling_references(tmp_path: Path) -> None:
    doubling = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(30)}
    (mistake,) = refused(tmp_path, {"$defs": {**doubling, "a30": {}}, "$ref": "#/$defs/a0"})
    assert "more than 10000 schemas" in str(mistake.found)
    few = {"$defs": {"port": {"maximum": 65535}}, "properties": {f"p{n}": {"$ref": "#/$defs/port"} for n in range(99)}}
    ((path, what),) = schema_mistakes(load(tmp_path, few), {"p7": 70000})
    assert path == ["p7"] and "65535" in what


def test_properties_may_be_named_as_keywords_are(tmp_path: Path) -> None:
    names = ("pattern", "format", "enum", "$ref", "properties", "default")
    schema = load(tmp_path, {"properties": {name: {"type": "integer"} for name in names}})
    assert {path[0] for path, _ in schema_mistakes(schema, dict.fromkeys(names, "x"))} == set(names)


KEYS = ["type", "pattern", "properties", "$ref", "allOf", "items", "format", "k", "$defs", "const"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(KEYS), inner
    ),
)  # fmt: skip


@given(VALUES, VALUES)
def test_any_file_is_taken_or_refused(tmp_path_factory: pytest.TempPathFactory, schema: Any, config: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps(schema))
    try:
        taken = load_schema(path, "any.json")
    except Refused as refusal:
        assert refusal.mistakes
    else:
        schema_mistakes(taken, {"k": config})
