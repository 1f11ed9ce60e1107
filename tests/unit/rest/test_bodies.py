"""What bodies of requests are told, by the schemas of the OpenAPI document alone."""

from __future__ import annotations

from typing import Any

import pytest

from coven.agent.bindings import BACKENDS
from coven.base.problem import joined
from coven.rest.bodies import Body, Parameters
from coven.rest.routes import Query
from itf.mistakes import Mistake


def told(name: str, body: Any) -> dict[str | None, tuple[str | None, ...]]:
    return {m.field: (m.found, m.expected, m.remedy) for m in Body(name).judge(body)}


NAME = "a small letter, then at most 31 small letters, digits, - or _"


def test_every_mistake_of_a_body_at_once() -> None:
    body = {
        "ports": {
            "in": {"interface": "a/b", "backend": "pcap", "take": 1, "tak": True}, "out": 5, "x": {}, "y": "..",
            "good": "eth1", "better": {"interface": "eth2", "backend": "auto", "take": True},
        },
        "config": {"a": 1, "b": {"c": 1}}, "start": "yes", "latency": "lowest", "prots": {},
    }  # fmt: skip
    interface = "the name of an interface, or its MAC address"
    either = "an interface's name or MAC address, or an object with it"
    assert told("Instantiate", body) == {
        "ports.in.interface": ('"a/b"', interface, None),
        "ports.in.backend": ('"pcap"', " | ".join(BACKENDS), None),
        "ports.in.take": ("1", "true or false", None),
        "ports.in.tak": ("an unknown field", None, "did you mean take?"),
        "ports.out": ("5", either, None),
        "ports.x.interface": ("nothing", interface, None),
        "ports.y": ('".."', either, None),
        "config.a": ("1", "a map", None),
        "start": ('"yes"', "true or false", None),
        "latency": ('"lowest"', "low | normal", None),
        "prots": ("an unknown field", None, "did you mean ports?"),
    }
    # what is right is still there for who looks further
    assert body == {
        "ports": {
            "in": {}, "x": {}, "good": "eth1", "better": {"interface": "eth2", "backend": "auto", "take": True},
        },
        "config": {"b": {"c": 1}},
    }  # fmt: skip


@pytest.mark.parametrize("name", ["Fw", "", "f" * 33, "classifier", "nsh", "../x", "fw\n", "ф"])
def test_a_new_name(name: str) -> None:
    assert list(told("CreateVnf", {"name": name, "package": "fw"})) == ["name"]
    assert told("CreateVnf", {"name": "f" + "-_9" * 10, "package": "fw"}) == {}


def test_what_is_missing() -> None:
    assert told("CreateVnf", {"nam": "fw"}) == {
        "name": ("nothing", f"{NAME}; not a reserved word", None),
        "package": ("nothing", "a text", None),
        "nam": ("an unknown field", None, "did you mean name?"),
    }
    assert told("AskRequest", {"vnfc": "a", "request": "hits", "args": 3}) == {"args": ("3", "a list or a map", None)}
    assert told("AskRequest", {"vnfc": "a", "request": "hits", "args": {"x": [None]}}) == {}
    assert told("Nothing", {"now": True}) == {"now": ("an unknown field", None, "there is none")}
    assert told("Nothing", {}) == {}


def test_places_in_lists() -> None:
    body = {"paths": [{"spi": 1, "chain": "main"}, {"spi": -1, "chain": "Main"}, {"chain": "main", "spj": 2}, 4]}
    assert told("ServicePaths", body) == {
        "paths.1.spi": ("-1", "an integer, at least 0", None),
        "paths.1.chain": ('"Main"', NAME, None),
        "paths.2.spi": ("nothing", "an integer, at least 0", None),
        "paths.2.spj": ("an unknown field", None, "did you mean spi?"),
        "paths.3": ("4", "a map", None),
    }


def test_what_no_language_can_say_is_told_with_the_rest() -> None:
    half, deep = "\ud800", {"x": 1}
    for _ in range(2000):
        deep = {"x": deep}  # type: ignore[dict-item]
    body = {"ports": {"in": half}, "config": {"a": deep, "b": {"k": 1 << 64}, "c": {half: 1}}, "start": 1}
    assert list(told("Instantiate", body)) == ["ports.in", "config.a.x.x", "config.b.k", "config.c", "start"]
    assert told("CreateVnf", {half: 1, "name": "fw", "package": "fw"}) == {
        None: ("a key with half of a surrogate pair", "a text in Unicode", None)
    }
    assert list(told("CreateVnf", {"name": "fw", "package": "p" * 100_000, "x": "y" * 100})) == ["x"]


def test_what_follows_from_a_mistake_is_not_told_again() -> None:
    def at(*fields: str | None) -> list[Mistake]:
        return [Mistake(field=field, found="x") for field in fields]

    first = at("ports.in", "config", None)
    more = at("ports.in.interface", "ports.inner", "ports", "config.a", "conf", None)
    assert [m.field for m in joined(first, more)] == ["ports.in", "config", None, "ports.inner", "conf", None]


QUERY = Parameters([
    Query("lines", "", {"type": "integer", "minimum": 1, "maximum": 99, "default": 5}),
    Query("wait", "", {"type": "number", "minimum": 0, "maximum": 20, "default": 0}),
    Query("vnfc", "", {"type": "string", "maxLength": 3}),
])  # fmt: skip


def test_a_query_has_values_and_defaults() -> None:
    assert QUERY.read({}) == ({"lines": 5, "wait": 0}, [])
    given = {"lines": ["007"], "wait": ["2.5e0"], "vnfc": ["12"]}
    assert QUERY.read(given) == ({"lines": 7, "wait": 2.5, "vnfc": "12"}, [])


def test_every_mistake_of_a_query_at_once() -> None:
    values, mistakes = QUERY.read({"line": ["5"], "lines": ["-1"], "wait": ["21"], "vnfc": ["a", "b"]})
    assert {m.field: (m.found, m.expected, m.remedy) for m in mistakes} == {
        "line": ("an unknown field", None, "did you mean lines?"),
        "lines": ("-1", "an integer, at least 1, at most 99", None),
        "wait": ("21.0", "a number, at least 0, at most 20", None),
        "vnfc": ("2 times", "once", None),
    }
    assert values["lines"] == 5 and values["wait"] == 0


@pytest.mark.parametrize("name", ["lines", "wait"])
@pytest.mark.parametrize("text", ["", "x", " 1", "1_0", "٣", "0x1", "nan", "inf", "-inf", "1e999", "9" * 5000, "true"])
def test_what_is_no_number(name: str, text: str) -> None:
    assert [mistake.field for mistake in QUERY.read({name: [text]})[1]] == [name]
