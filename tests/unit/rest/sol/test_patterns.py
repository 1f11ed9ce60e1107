"""The patterns of SOL013 as laws: filters, selectors, pages, merge patches, versions."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coven.rest.schema import FLAG, TEXT, mapping, record, several
from coven.rest.sol import filters, lcmcoord, paging, selectors
from coven.rest.sol.filters import Expression, matches, parse, written
from coven.rest.sol.merge_patch import merged
from coven.rest.sol.versions import SERVED, Version, information, negotiated
from itf.mistakes import Kind, Refused

TREE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3), max_leaves=10,
)  # fmt: skip
OBJECT = st.dictionaries(st.text(max_size=3), TREE, max_size=4)


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(each) for key, each in value.items() if each is not None}
    return value


# merge patch: RFC 7396


@pytest.mark.parametrize(
    ("target", "patch", "result"),  # RFC 7396, appendix A
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}), ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}), ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}), ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}), (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]), ({"a": "foo"}, None, None), ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}), ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)  # fmt: skip
def test_merge_patch_by_the_book(target: Any, patch: Any, result: Any) -> None:
    assert merged(target, patch) == result


@given(OBJECT, OBJECT)
def test_merge_patch(target: dict[str, Any], patch: dict[str, Any]) -> None:
    before = json.dumps([target, patch])
    after = merged(target, patch)
    assert merged(target, {}) == target
    assert merged(after, patch) == after
    for key in target.keys() | patch.keys():
        if key not in patch:
            assert after[key] == target[key]
        elif patch[key] is None:
            assert key not in after
        elif not isinstance(patch[key], dict):
            assert after[key] == patch[key]
    assert merged({}, patch) == without_nulls(patch)
    assert json.dumps([target, patch]) == before, "neither is changed"


# filters: SOL013 5.2

SCHEMA = record({
    "id": TEXT, "n": {"type": "number"}, "on": FLAG, "at": TEXT, "tags": several(TEXT), "free": mapping({}),
    "inner": record({"name": TEXT, "deep": several(record({"x": TEXT, "o/~": TEXT}))}),
})  # fmt: skip
THING: dict[str, Any] = {
    "id": "it's (a), b;c", "n": 5, "on": True, "at": "2026-01-02T03:04:05Z", "tags": ["red", "green"],
    "free": {"k1": {"z": "1"}}, "inner": {"name": "n", "deep": [{"x": "1", "o/~": "s"}, {"x": "2"}]},
}  # fmt: skip


def resolved(schema: Any) -> Any:
    return schema


def holds(text: str) -> bool:
    return matches(parse(text, resolved, SCHEMA), THING)


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("(eq,n,5)", True), ("(eq,n,5.0)", True), ("(eq,n,x)", False), ("(neq,n,5)", False), ("(neq,n,6)", True),
        ("(gt,n,4)", True), ("(gt,n,5)", False), ("(gte,n,5)", True), ("(lt,n,5)", False), ("(lte,n,5)", True),
        ("(lt,n,10)", True), ("(eq,on,true)", True), ("(eq,on,false)", False), ("(gt,on,false)", False),
        ("(eq,id,'it''s (a), b;c')", True), ("(cont,id,xx,'(a)')", True), ("(ncont,id,xx)", True),
        ("(cont,n,5)", False),
        ("(in,inner/name,m,n)", True), ("(nin,inner/name,m,n)", False), ("(eq,inner/deep/x,2)", True),
        ("(eq,inner/deep/x,3)", False), ("(eq,inner/deep/o~1~0,s)", True), ("(eq,tags,green)", True),
        ("(nin,tags,green)", True), ("(gt,at,2026-01-02T04:04:04+01:00)", True),
        ("(eq,at,2026-01-02T04:04:05+01:00)", True),
        ("(lt,at,2026-01-02T03:04:05Z)", False), ("(eq,free/@key,k1)", True), ("(eq,free/k1/z,1)", True),
        ("(eq,free/none/z,1)", False), ("(eq,inner,x)", False), ("(eq,n,5);(eq,on,true)", True),
        ("(eq,n,5);(eq,on,false)", False), ("(eq,inner/name,)", False), ("(gt,inner/name,a)", True),
    ],
)  # fmt: skip
def test_filter(text: str, held: bool) -> None:
    assert holds(text) is held


@pytest.mark.parametrize(
    "text",
    ["", "x", "(eq,n)", "(eq,n,5", "eq,n,5)", "(eq,n,5)x", "(eq,n,5);", "(eq,n,5)(eq,n,5)", "(like,n,5)", "(eq,m,5)",
     "(eq,inner/m,5)", "(eq,n,5,6)", "(,n,5)", "(eq,,5)", "(eq,n,'5)", "(eq,n,5');", "(eq,id/x,5)", "(eq,n,'5'6)",
     ";".join(["(eq,n,5)"] * 51)],
)  # fmt: skip
def test_what_is_no_filter(text: str) -> None:
    with pytest.raises(Refused) as caught:
        holds(text)
    assert caught.value.kind == Kind.UNREADABLE and all(each.field == "filter" for each in caught.value.mistakes)


def test_all_mistakes_of_a_filter_at_once() -> None:
    with pytest.raises(Refused) as caught:
        holds("(like,n,5);(eq,nn,5)")
    assert [(m.column, m.found, m.remedy) for m in caught.value.mistakes] == [
        (2, "like", None), (13, "no attribute nn", "did you mean n?"),
    ]  # fmt: skip


NAMES = st.text(st.characters(exclude_characters=",;()'", exclude_categories=["Cs"]), min_size=1, max_size=6)
EXPRESSION = st.builds(
    lambda word, path, values: Expression(word, tuple(path), tuple(values[: 1 if word in filters.ONE else 9])),
    st.sampled_from([*filters.ONE, *filters.MANY]), st.lists(NAMES, min_size=1, max_size=4),
    st.lists(st.text(max_size=8), min_size=1, max_size=4),
)  # fmt: skip


@given(st.lists(EXPRESSION, min_size=1, max_size=5))
def test_a_filter_is_read_as_it_was_written(expressions: list[Expression]) -> None:
    assert parse(written(expressions), resolved, mapping({})) == expressions


@given(st.text(alphabet="(),;'eqnab/~@ ", max_size=40))
def test_a_filter_is_read_or_refused(text: str) -> None:
    try:
        assert written(parse(text, resolved, mapping({})))
    except Refused as refused:
        assert refused.mistakes


VALUES = st.integers(-3, 3) | st.floats(-3, 3).map(lambda x: round(x, 1))


@given(VALUES, VALUES)
def test_operators_agree_with_each_other(one: float, other: float) -> None:
    def says(operator: str) -> bool:
        return Expression(operator, ("v",), (str(other),)).matches({"v": one})

    assert says("eq") == (one == other) == says("in") and says("neq") == (one != other) == says("nin")
    assert (says("gt"), says("gte"), says("lt"), says("lte")) == (one > other, one >= other, one < other, one <= other)


# selectors: SOL013 5.3

THINGS = record({
    "id": TEXT, "must": record({"a": TEXT, "more": record({"b": TEXT})}, ("a",)),
    "may": record({
        "a": TEXT, "more": record({"b": TEXT}), "list": several(record({"c": TEXT, "d": record({})}, ("c",))),
    }, ()),
    "tags": several(TEXT),
}, ("id", "must"))  # fmt: skip
DEFAULTS = {**THINGS, selectors.EXCLUDED: ["may", "tags"]}
WHOLE: dict[str, Any] = {
    "id": "1", "must": {"a": "x", "more": {"b": "y"}},
    "may": {"a": "x", "more": {"b": "y"}, "list": [{"c": "z", "d": {}}]}, "tags": ["t"],
}  # fmt: skip


def select(query: dict[str, str], schema: Any = THINGS) -> dict[str, Any]:
    return selectors.read(query, schema, resolved).of(WHOLE, schema, resolved)


def test_selectors() -> None:
    assert select({}) == select({"all_fields": ""}) == select({"all_fields": ""}, DEFAULTS) == WHOLE
    assert select({}, DEFAULTS) == select({"exclude_default": ""}, DEFAULTS) == {"id": "1", "must": WHOLE["must"]}
    with_tags = {"id": "1", "must": WHOLE["must"], "tags": ["t"]}
    assert select({"exclude_default": "", "fields": "tags"}, DEFAULTS) == with_tags
    assert select({"fields": "tags"}) == {"id": "1", "must": {"a": "x"}, "tags": ["t"]}
    assert select({"fields": "may/list"}) == {
        "id": "1", "must": {"a": "x"}, "may": {"a": "x", "list": [{"c": "z", "d": {}}]}}  # fmt: skip
    assert select({"fields": "may/list/c"})["may"] == {"a": "x", "list": [{"c": "z"}]}
    assert select({"exclude_fields": "may,must,id"}) == with_tags
    assert select({"exclude_fields": "may/list/d,may/more"})["may"] == {"a": "x", "list": [{"c": "z"}]}


@pytest.mark.parametrize(
    "query",
    [{"all_fields": "", "fields": "may"}, {"fields": "may", "exclude_fields": "tags"}, {"fields": "none"},
     {"fields": ""}, {"exclude_fields": "may/none"}, {"all_fields": "no"}, {"exclude_default": "", "all_fields": ""}],
)  # fmt: skip
def test_selectors_that_mean_nothing(query: dict[str, str]) -> None:
    with pytest.raises(Refused) as caught:
        select(query)
    assert caught.value.kind == Kind.UNREADABLE


def within(part: Any, whole: Any) -> bool:
    if isinstance(part, dict):
        return all(key in whole and within(each, whole[key]) for key, each in part.items())
    if isinstance(part, list):
        return len(part) == len(whole) and all(map(within, part, whole))
    return bool(part == whole)


PLACES = ["may", "may/a", "may/more", "may/list", "may/list/d", "must/more", "tags"]


@given(st.sets(st.sampled_from(PLACES), min_size=1))
def test_selections_fit_together(names: set[str]) -> None:
    listed = ",".join(names)
    chosen, left = select({"fields": listed}), select({"exclude_fields": listed})
    for part in chosen, left:
        assert part["id"] == "1" and part["must"]["a"] == "x"
        assert within(part, WHOLE)
    for name in names & {"tags", "may"}:
        assert chosen[name] == WHOLE[name] and name not in left


# pages: SOL013 5.4.2


@given(st.sets(st.text(min_size=1, max_size=4)), st.integers(1, 5))
def test_pages_show_everything_once(names: set[str], size: int) -> None:
    items = [{"id": name} for name in names]
    seen: list[str] = []
    marker = None
    while True:
        shown, marker = paging.page(items, marker, size)
        seen += [each["id"] for each in shown]
        assert len(shown) == size or marker is None
        if marker is None:
            break
    assert seen == sorted(names)


def test_pages_of_a_list_that_changes() -> None:
    items = [{"id": name} for name in "bdf"]
    shown, marker = paging.page(items, None, 2)
    assert [each["id"] for each in shown] == ["b", "d"]
    changed = [{"id": name} for name in "acefg"]  # d has gone, c and e have come
    shown, marker = paging.page(changed, marker, 2)
    assert [each["id"] for each in shown] == ["e", "f"]
    assert [each["id"] for each in paging.page(changed, marker, 2)[0]] == ["g"]


@pytest.mark.parametrize("marker", ["", "!", "%%", "YQ=", "YR", "w7", "ü"])
def test_markers_of_others(marker: str) -> None:
    with pytest.raises(Refused) as caught:
        paging.page([], marker)
    assert caught.value.kind == Kind.UNREADABLE


def test_link() -> None:
    query = [("filter", "(eq,a,b c)"), (paging.MARKER, "old")]
    assert paging.link("http://h/x", query, "new") == (
        '<http://h/x?filter=%28eq%2Ca%2Cb+c%29&nextpage_opaque_marker=new>; rel="next"'
    )


# versions: SOL013 9


@pytest.mark.parametrize(
    "asked", [None, "1.12.0", "1.0.0", "1.11.7", "1.12.0-impl:acme.org:thing:1", "1.12.5", " 1.1.0 "]
)
def test_versions_that_are_served(asked: str | None) -> None:
    version = negotiated("vnfconfig", asked)
    assert version == Version(1, 12) if asked is None else str(version) == asked.strip().partition("-")[0]


@pytest.mark.parametrize(
    "asked", ["", "1", "1.12", "2.0.0", "0.9.0", "1.13.0", "x", "1.12.0-x", "1.12.0-impl:", "1.12.0.0"]
)
def test_versions_that_are_not(asked: str) -> None:
    with pytest.raises(Refused) as caught:
        negotiated("vnfconfig", asked)
    assert caught.value.kind == Kind.NOT_ACCEPTABLE


def test_strict_about_versions() -> None:
    with pytest.raises(Refused) as caught:
        negotiated("vnfind", None, strict=True)
    assert caught.value.kind == Kind.UNREADABLE and negotiated("vnfind", "1.1.0", strict=True) == Version(1, 1)


def test_version_information() -> None:
    for name, ours in SERVED.items():
        told: Any = information(name, "http://h")
        assert told["uriPrefix"] == f"http://h/{name}/v{ours.major}"
        assert [str(negotiated(name, each["version"])) for each in told["apiVersions"]][-1] == str(ours)


def test_a_clock_that_is_put_back_holds_no_coordination_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lcmcoord.time, "time", lambda: 1e9)
    due = [1e9 - 5, 1e9 + 5, 1e9 + lcmcoord.MOST_SECONDS, 1e9 + lcmcoord.MOST_SECONDS + 1]
    assert [lcmcoord._left({"due": each}) for each in due] == [-5, 5, lcmcoord.MOST_SECONDS, 0]


def test_what_a_vnfc_leaves_open_is_not_told() -> None:
    state, value, _ = lcmcoord._read({"result": "ABORT", "output": None, "warnings": None})
    assert (state, value) == (lcmcoord.State.ABORT, {})
