"""The words that schemas of requests and replies are made of (JSON Schema 2020-12)."""

from __future__ import annotations

from typing import Any

from coven.base.reading import RESERVED_NAMES

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
FLAG: Schema = {"type": "boolean"}
PORT: Schema = {"type": "integer", "minimum": 0, "maximum": 65535}
NULL_TEXT: Schema = {"type": ["string", "null"]}
NULL_COUNT: Schema = {"type": ["integer", "null"]}
ANY: Schema = {}
NAME: Schema = {
    "type": "string", "pattern": "^[a-z][a-z0-9_-]{0,31}$",
    "description": "a small letter, then at most 31 small letters, digits, - or _",
}  # fmt: skip
NEW_NAME: Schema = {
    **NAME, "not": {"enum": sorted(RESERVED_NAMES)}, "description": f"{NAME['description']}; not a reserved word",
}  # fmt: skip
TOKEN_NAME: Schema = {
    "type": "string", "pattern": r"^[A-Za-z0-9][A-Za-z0-9._@ -]{0,63}$",
    "description": "a letter or digit, then at most 63 letters, digits, ., _, @, - or spaces",
}  # fmt: skip
#: Linux: IFNAMSIZ is 16 with the NUL; no slash, no space
INTERFACE: Schema = {
    "type": "string", "pattern": r"^([^\s/:]{1,15}|[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5})$",
    "not": {"enum": [".", ".."]}, "description": "the name of an interface, or its MAC address",
}  # fmt: skip
#: keeper and number of a line
LOG_PLACE: Schema = {
    "type": "string", "pattern": r"^[0-9]{1,10}\.[0-9]{1,20}\.[0-9]{1,19}$",
    "description": "`next` of an earlier answer",
}  # fmt: skip
TIME: Schema = {"type": "string", "format": "date-time"}


def ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def record(properties: Schema, required: tuple[str, ...] | None = None, closed: bool = False) -> Schema:
    schema: Schema = {"type": "object", "properties": properties}
    names = list(properties) if required is None else list(required)
    if names:
        schema["required"] = names
    if closed:
        schema["additionalProperties"] = False
    return schema


def mapping(values: Schema) -> Schema:
    return {"type": "object", "additionalProperties": values}


def several(items: Schema) -> Schema:
    return {"type": "array", "items": items}
