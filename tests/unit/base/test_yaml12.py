"""YAML 1.2 core, strictly: what values mean, and where mistakes stand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coven.base.yaml12 import read
from itf.mistakes import Refused


@pytest.mark.parametrize(
    "text, value",
    [
        ("1.10", 1.1), ('"1.10"', "1.10"), ("1.0.0", "1.0.0"), ("yes", "yes"), ("on", "on"), ("off", "off"),
        ("true", True), ("false", False), ("True", True), ("~", None), ("", None), ("null", None),
        ("02:00:00:00:00:01", "02:00:00:00:00:01"), ("12:30:45", "12:30:45"), ("1:2", "1:2"),
        ("2024-01-01", "2024-01-01"), ("010", 10), ("0x1F", 31), ("-7", -7), ("+7", 7), ("1e3", 1000.0),
        (".5", 0.5), ("1_000", "1_000"), ("0b1", "0b1"), ("<<", "<<"), ("=", "="), ("in -> a", "in -> a"),
        ("18446744073709551615", 2**64 - 1), ("'true'", "true"), ("|\n  true\n", "true\n"),
    ],
)  # fmt: skip
def test_scalars(text: str, value: Any) -> None:
    plain = read(text).plain()
    assert plain == value and type(plain) is type(value)


@pytest.mark.parametrize(
    "text, value",
    [
        ("k:\tv\n", {"k": "v"}), ("k: v\t\nj: 2\t\n", {"k": "v", "j": 2}), ("k: v\t# c\n", {"k": "v"}),
        ("-\ta\n-\tb c\n", ["a", "b c"]), ("a: 1\n\t\nb: 2\n", {"a": 1, "b": 2}), ("k: a\tb\n", {"k": "a\tb"}),
        ('{\n\t"a": 1,\n\t"b": [\n\t\t1, 2\n\t]\n}\n', {"a": 1, "b": [1, 2]}), ("{k: ::1}", {"k": "::1"}),
        ("{k: http://x?y=1, l: [::, a:b]}", {"k": "http://x?y=1", "l": ["::", "a:b"]}), ('{"a":1}', {"a": 1}),
        ('{"k": "\\ud83d\\ude00", "\\ud83d\\ude00": 1}', {"k": "\N{GRINNING FACE}", "\N{GRINNING FACE}": 1}),
    ],
)  # fmt: skip
def test_what_yaml_1_2_and_json_allow(text: str, value: Any) -> None:
    assert read(text).plain() == value


def test_merge_keys_are_plain_keys() -> None:
    assert read("<<: 1").plain() == {"<<": 1}


@pytest.mark.parametrize(
    "text, line, column, found",
    [
        ("a: 1\nb: 2\na: 3\n", 3, 1, "the key a again"), ("a:\n  b: &x 1\n", 2, 6, "anchor &x"),
        ("a: *x\n", 1, 4, "alias *x"), ("a: !!str 1\n", 1, 4, "tag"), ("a: ! 1\n", 1, 4, "tag !"),
        ("a: !python/object:os.system x\n", 1, 4, "tag"), ("23: x\n", 1, 1, "the key 23"),
        ("true: x\n", 1, 1, "the key true"), ("? [a]\n: b\n", 1, 3, "the key"), ("a: 0o17\n", 1, 4, "0o17"),
        ("a: .inf\n", 1, 4, ".inf"), ("a: .nan\n", 1, 4, ".nan"), ("a: 1e999\n", 1, 4, "1e999"),
        ("a: 99999999999999999999\n", 1, 4, "9999"), ("a: 1\n---\nb: 2\n", 2, 1, "a second document"),
        ("a: [1\nb: 2\n", 2, 2, "a syntax error"), ("a:\n\t- b\n", 2, 1, "a syntax error"),
        ("%TAG ! tag:x,2000:\n---\na: 1\n", 1, 1, "a %TAG directive"), ("a: \x07\n", 1, 4, "U+0007"),
        ("a: " + "[" * 40, 1, 36, "deeper nesting"), ('a: "\\ud83d"\n', 1, 4, "half of a surrogate pair"),
        ("a:\n\tb: 1\n", 2, 1, "a syntax error"),
    ],
)  # fmt: skip
def test_mistakes_have_places(text: str, line: int, column: int, found: str) -> None:
    with pytest.raises(Refused) as caught:
        read(text, "x.yaml")
    mistake = caught.value.mistakes[0]
    assert (mistake.file, mistake.line) == ("x.yaml", line)
    assert mistake.column == column
    assert found in (mistake.found or "")


def test_all_mistakes_at_once() -> None:
    with pytest.raises(Refused) as caught:
        read("a: &x 1\nb: *x\na: 0o7\n3: !t y\n")
    assert [m.line for m in caught.value.mistakes] == [1, 2, 3, 3, 4, 4]


def test_bytes_that_are_no_text() -> None:
    with pytest.raises(Refused) as caught:
        read(b"a: 1\nb: \xff\n")
    assert (caught.value.mistakes[0].line, caught.value.mistakes[0].column) == (2, 4)
    assert read("\ufeffa: 1".encode()).plain() == {"a": 1}


def test_places_of_nodes() -> None:
    root = read("a:\n  - x\n  - {b: 1}\n")
    node = root.at(["a", 1, "b"])
    assert (node.line, node.column, node.value) == (3, 9, 1)
    assert root.at(["a", 1]).keys["b"] == (3, 6)


def test_billion_laughs_and_size() -> None:
    for bomb in ("a: &a [x]\nb: [*a, *a]\n", "x" * (1 << 21), "[" + "1," * 100_000 + "]"):
        with pytest.raises(Refused):
            read(bomb)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read(text).plain()
    except Refused as refused:
        assert refused.mistakes and all(m.line for m in refused.mistakes)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        read(data).plain()
    except Refused as refused:
        assert refused.mistakes


def test_a_value_that_is_left_out_stands_where_its_key_does() -> None:
    node = read(b"a:   # no value\nb:\nc:\n  d:\n")
    assert [(node.value[key].line, node.value[key].column) for key in "ab"] == [(1, 1), (2, 1)]
    assert (node.value["c"].value["d"].line, node.value["c"].value["d"].column) == (4, 3)
