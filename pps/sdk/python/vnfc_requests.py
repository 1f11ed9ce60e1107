"""Agent requests: what a function's annotations declare, and the checking of what is asked."""

from __future__ import annotations

import inspect
import json
import typing
from collections.abc import Callable
from typing import Any

from vnfc import Request
from vnfc_mistakes import describe, did_you_mean  # type: ignore[import-not-found]

KINDS: dict[Any, str] = {int: "int", float: "float", str: "str", bool: "bool"}
TRUTH = {"true": True, "false": False, "1": True, "0": False}


class BadArgument(Exception):
    """The request was asked for with arguments that it does not take."""


def arguments(request: Request) -> list[dict[str, Any]]:
    """The declaration of its arguments: name, type, default.

    Raises TypeError for an argument without annotation, of another kind than int, float, str, bool, or
    whose default is not of its kind.
    """
    hints = typing.get_type_hints(request.function)
    declared: list[dict[str, Any]] = []
    for name, parameter in inspect.signature(request.function).parameters.items():
        kind: Any = hints.get(name)
        if kind not in KINDS or parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            found = "no annotation" if kind is None else f"the annotation {getattr(kind, '__name__', kind)}"
            raise TypeError(
                f"request {request.name}: argument {name!r} has {found}: expected int, float, str or bool, "
                f"as in `def {request.function.__name__}({name}: int)`"
            )
        one: dict[str, Any] = {"name": name, "type": KINDS[kind]}
        if parameter.default is not parameter.empty:
            one["default"] = parameter.default
            _convert(name, kind, parameter.default)
        declared.append(one)
    return declared


def answer(known: dict[str, Request], name: str, given_json: str) -> tuple[bool, str]:
    """(True, the answer as JSON) or (False, what was wrong)."""
    if name not in known:
        return False, f"there is no request {name!r}{did_you_mean(name, known)}"
    request = known[name]
    try:
        values = _bind(request.function, json.loads(given_json))
    except BadArgument as mistake:
        return False, f"{name}: {mistake}"
    try:
        return True, json.dumps(request.function(**values), default=_plain, allow_nan=False)
    except Exception as error:
        return False, f"{name}: {describe(error)}"


def _bind(function: Callable[..., Any], given: Any) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters
    hints = typing.get_type_hints(function)
    names = list(parameters)
    if isinstance(given, list):
        if len(given) > len(names):
            raise BadArgument(f"found {len(given)} arguments, expected {_signature(parameters)}")
        given = dict(zip(names, given, strict=False))
    if not isinstance(given, dict):
        given = {}
    unknown = [key for key in given if key not in parameters]
    if unknown:
        hint = did_you_mean(unknown[0], names)
        raise BadArgument(f"no argument {unknown[0]!r}{hint}, expected {_signature(parameters)}")
    missing = [n for n in names if n not in given and parameters[n].default is inspect.Parameter.empty]
    if missing:
        raise BadArgument(f"argument {missing[0]!r} is missing, expected {_signature(parameters)}")
    return {key: _convert(key, hints[key], value) for key, value in given.items()}


def _convert(name: str, kind: type, value: Any) -> Any:
    """A value of that kind: text (from a command line) is read, whole floats are integers."""
    if kind is bool:
        if isinstance(value, bool):
            return value
        if str(value).lower() in TRUTH:
            return TRUTH[str(value).lower()]
    elif kind is str:
        if isinstance(value, (str, int, float)):
            return value if isinstance(value, str) else json.dumps(value)
    elif not isinstance(value, bool) and isinstance(value, (int, float, str)):
        try:
            if kind is float:
                return float(value)
            if isinstance(value, str):
                return int(value, 0)
            if value == int(value):
                return int(value)
        except (ValueError, OverflowError):
            pass
    raise BadArgument(f"argument {name!r}: found {value!r}, expected {KINDS[kind]}")


def _signature(parameters: Any) -> str:
    return "(" + ", ".join(str(p) for p in parameters.values()) + ")"


def _plain(value: Any) -> Any:
    """What JSON does not know but authors return: NumPy numbers and arrays, sets, bytes."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value).hex()
    raise TypeError(f"the answer holds a {type(value).__name__}: expected numbers, text, lists and dicts")
