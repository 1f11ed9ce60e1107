"""Configurable properties of a VNFD, out of `config` and its JSON Schema: type, default, range, whether writable."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from coven.package.model import Descriptor, Vnfc
from coven.package.schemas import target

Tree = dict[str, Any]

_SCALARS = {"boolean": "boolean", "integer": "integer", "number": "float", "string": "string"}
_INNER = ("items", "additionalProperties")
MOST_REFERENCES = 16  #: that are followed: some go round in a circle
_LIMITS = (
    ("minimum", "greater_or_equal"),
    ("maximum", "less_or_equal"),
    ("exclusiveMinimum", "greater_than"),
    ("exclusiveMaximum", "less_than"),
)
_LENGTHS = {"string": ("minLength", "maxLength"), "list": ("minItems", "maxItems"), "map": ("minProperties",
                                                                                          "maxProperties")}


def data_types(descriptor: Descriptor, kind: str) -> tuple[Tree, str | None]:
    """The data types, and which of them is the VNF's configurable_properties (None: nothing can be configured)."""
    configured = [vnfc for vnfc in descriptor.vnfcs.values() if vnfc.config]
    if not configured:
        return {}, None
    types: Tree = {}
    for vnfc in configured:
        types[f"{kind}.{vnfc.name}"] = {
            "derived_from": "tosca.datatypes.Root",
            "description": f"of the VNFC {vnfc.name}",
            "properties": _properties(vnfc),
        }
    types[f"{kind}.VnfAdditionalConfigurableProperties"] = {
        "derived_from": "tosca.datatypes.nfv.VnfAdditionalConfigurableProperties",
        "properties": {vnfc.name: {"type": f"{kind}.{vnfc.name}", "required": False} for vnfc in configured},
    }
    whole = f"{kind}.VnfConfigurableProperties"
    types[whole] = {
        "derived_from": "tosca.datatypes.nfv.VnfConfigurableProperties",
        "properties": {
            "additional_configurable_properties": {
                "type": f"{kind}.VnfAdditionalConfigurableProperties",
                "required": False,
            }
        },
    }
    return types, whole


def _properties(vnfc: Vnfc) -> Tree:
    rules = (vnfc.schema or {}).get("properties")
    rules = rules if isinstance(rules, dict) else {}
    return {key: _property(value, _resolved(rules.get(key), vnfc.schema)) for key, value in vnfc.config.items()}


def _followed(rule: Any, root: Any) -> Tree:
    """A rule with what its references inside the schema say; {} for what is no rule."""
    stated: Tree = {}
    for _ in range(MOST_REFERENCES):
        if not isinstance(rule, dict):
            break
        stated = {**rule, **stated}
        reference = rule.get("$ref")
        rule = target(root, reference) if isinstance(reference, str) else None
    return stated


def _resolved(rule: Any, root: Any) -> Tree:
    """The same, also of its items: deeper than that TOSCA's types do not go here."""
    stated = _followed(rule, root)
    return {**stated, **{key: _followed(stated[key], root) for key in _INNER if key in stated}}


def _property(value: Any, rule: Mapping[str, Any]) -> Tree:
    made: Tree = _typed(value, rule)
    description = rule.get("description") or rule.get("title")
    if made.pop("json", False):
        description = f"{description or ''} (JSON)".strip()
    made["required"] = False
    # a secret's value is nobody's business, nor is a number that TOSCA cannot write
    secret = rule.get("writeOnly") is True
    if value is not None and not secret and "default" not in made and _writable(value):
        made["default"] = value
    if secret:
        made.pop("default", None)
    if isinstance(description, str) and description:
        made["description"] = description
    made["metadata"] = {"is_writable_anytime": "false" if rule.get("readOnly") is True else "true"}
    return made


def _writable(value: Any) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def _typed(value: Any, rule: Mapping[str, Any]) -> Tree:
    """Type, entry_schema and constraints. What TOSCA has no type for travels as JSON in a string."""
    kind = _kind(value, rule)
    if kind in ("boolean", "integer", "float", "string"):
        return {"type": kind, **_constraints(kind, rule)}
    if kind == "list":
        items = rule.get("items")
        of = _entries(value or [], items if isinstance(items, dict) else {})
        if of is not None:
            return {"type": "list", "entry_schema": of, **_constraints("list", rule)}
    elif kind == "map":
        further = rule.get("additionalProperties")
        of = _entries(list((value or {}).values()), further if isinstance(further, dict) else {})
        if of is not None:
            return {"type": "map", "entry_schema": of, **_constraints("map", rule)}
    text = None if value is None else json.dumps(value, ensure_ascii=False, sort_keys=True)
    return {"type": "string", "json": True, **({} if text is None else {"default": text})}


def _kind(value: Any, rule: Mapping[str, Any]) -> str:
    """TOSCA's type of a value; the descriptor's default says it, the schema where that is null."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "float" if rule.get("type") == "number" else "integer"
    if isinstance(value, float):
        return "float"
    if isinstance(value, str):
        return "string"
    if isinstance(value, list):
        return "list"
    if isinstance(value, dict):
        return "map"
    stated = rule.get("type")
    if isinstance(stated, list):
        stated = next((each for each in stated if each != "null"), None)
    return {**_SCALARS, "array": "list", "object": "map"}.get(stated, "") if isinstance(stated, str) else ""


def _entries(values: list[Any], rule: Mapping[str, Any]) -> Tree | None:
    """The entry_schema of a list or map, if all its values are of one scalar type."""
    kinds = {_kind(value, rule) for value in values} or {_kind(None, rule)}
    if kinds == {"integer", "float"}:
        kinds = {"float"}
    kind = kinds.pop() if len(kinds) == 1 else ""
    if kind not in _SCALARS.values():
        return None
    return {"type": kind, **_constraints(kind, rule)}


def _constraints(kind: str, rule: Mapping[str, Any]) -> Tree:
    """What a JSON Schema says of a value, as far as TOSCA has a word for it."""
    made: list[Tree] = []
    choices = rule.get("enum")
    if isinstance(choices, list) and choices and kind in _SCALARS.values():
        if all(_kind(choice, rule) == kind for choice in choices):
            made.append({"valid_values": choices})
    elif kind in ("integer", "float"):
        limits = {key: rule[key] for key, _ in _LIMITS if _is_number(rule.get(key))}
        if {"minimum", "maximum"} <= limits.keys():
            made.append({"in_range": [limits.pop("minimum"), limits.pop("maximum")]})
        made += [{word: limits[key]} for key, word in _LIMITS if key in limits]
    elif kind in _LENGTHS:
        for key, word in zip(_LENGTHS[kind], ("min_length", "max_length"), strict=True):
            if isinstance(rule.get(key), int) and not isinstance(rule[key], bool):
                made.append({word: rule[key]})
        pattern = rule.get("pattern")
        if kind == "string" and isinstance(pattern, str):
            # JSON Schema searches, TOSCA wants the whole text to match
            made.append({"pattern": pattern if pattern[:1] == "^" and pattern[-1:] == "$" else f".*({pattern}).*"})
    return {"constraints": made} if made else {}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
