"""The answers in docs/api.md are such as the OpenAPI document describes, field by field."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from coven.rest.openapi import SCHEMAS

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "api.md").read_text()
SHOWN = {name: json.loads(text) for name, text in re.findall(r"^```json (\w+)\n(.*?)^```", PAGE, re.M | re.S)}


def unknown(schema: Any, value: Any, place: str) -> list[str]:
    """Members that no schema names."""
    while "$ref" in schema:
        schema = SCHEMAS[schema["$ref"].rpartition("/")[2]]
    if isinstance(value, list):
        return [each for item in value for each in unknown(schema.get("items", {}), item, f"{place}[]")]
    if not isinstance(value, dict) or not schema:
        return []
    found = []
    for key, inner in value.items():
        rules = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
        found += [f"{place}.{key}"] if rules is None else unknown(rules, inner, f"{place}.{key}")
    return found


def test_shown_answers() -> None:
    assert list(SHOWN) == ["Vnfs", "Operation", "Health", "Logs", "Requests", "Answer", "Problem"]
    assert PAGE.count("```json") == len(SHOWN), "an answer without the name of its schema"
    for name, value in SHOWN.items():
        root = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": SCHEMAS}}
        checker = Draft202012Validator(root, format_checker=FormatChecker())
        assert [error.message for error in checker.iter_errors(value)] == [], name
        assert unknown(SCHEMAS[name], value, name) == []
    assert unknown(SCHEMAS["Vnfs"], {"vnfs": [{"nam": 1}]}, "Vnfs") == ["Vnfs.vnfs[].nam"]
