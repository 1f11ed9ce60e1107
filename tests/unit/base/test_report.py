"""A status document as text: every line of it, and what is left out where it says nothing."""

from __future__ import annotations

import re
from copy import deepcopy
from typing import Any

import pytest

from coven.base.report import port_troubles, report


def place(received: int = 0, forwarded: int = 0, **more: Any) -> dict[str, Any]:
    return {"received": received, "forwarded": forwarded, "dropped": {}, "in_flight": 0, "unaccounted": 0, **more}


STATUS: dict[str, Any] = {
    **place(100, 88), "consumed": 0, "originated": 0, "cloned": 0, "estimated": False,
    "dropped": {"filter.telnet": 9, "in.oversize": 3},
    "ports": {
        "in": place(100, backend="af_xdp", sent=0), "out": place(0, backend="af_packet", sent=88),
    },
    "classifier": place(97, 97),
    "vnfcs": {"filter": place(97, 88, language="c", state="running", restarts=0, metrics={})},
    "explanations": {"filter.telnet": "telnet is not allowed here", "in.oversize": "longer than a frame"},
}  # fmt: skip
STATUS["ports"]["in"]["dropped"] = {"in.oversize": 3}
STATUS["vnfcs"]["filter"]["dropped"] = {"filter.telnet": 9}


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")


def lines(**changed: Any) -> list[str]:
    return report({**deepcopy(STATUS), **changed}).splitlines()


def rows(told: list[str]) -> dict[str, dict[str, str]]:
    """The table: name to column to cell."""
    head = re.split(r"\s{2,}", told[0].strip())
    end = told.index("", 2)
    found = [re.split(r"\s{2,}", text) for text in told[2:end] if not text.startswith("---")]
    return {name: dict(zip(head, cells, strict=True)) for name, *cells in found}


def counts(row: dict[str, str]) -> tuple[str, str, str]:
    return row["received"], row["forwarded"], row["dropped"]


def test_the_whole_of_it() -> None:
    told = lines()
    assert {name: counts(row) for name, row in rows(told).items()} == {
        "in (af_xdp)": ("100", "0", "3"),
        "out (af_packet)": ("0", "88", "0"),  # what a port forwards is what it sent
        "filter (c)": ("97", "88", "9"),
        "the whole VNF": ("100", "88", "12"),
    }, "a classifier that lets everything through says nothing"
    assert told[-3:] == [
        "dropped:", "  filter.telnet  9  telnet is not allowed here", "  in.oversize    3  longer than a frame",
    ]  # fmt: skip


def test_a_classifier_that_drops_has_a_row() -> None:
    classifier = {**place(97, 90), "dropped": {"classifier.no_match": 7}}
    assert counts(rows(lines(classifier=classifier))["classifier"]) == ("97", "90", "7")


def test_what_is_not_as_it_should_be() -> None:
    vnfcs = deepcopy(STATUS["vnfcs"])
    vnfcs["filter"].update(state="down", restarts=4)
    told = lines(vnfcs=vnfcs, estimated=True, unaccounted=2)
    assert rows(told)["filter (down)"]["restarts"] == "4"
    assert rows(told)["the whole VNF"]["unaccounted"] == "2"
    assert told[-1] == "the forwarder died and was replaced: what it had in its hands is estimated"


def test_nothing_was_dropped() -> None:
    assert lines(dropped={})[-2:] == ["", "nothing was dropped"]


def test_metrics() -> None:
    vnfcs = deepcopy(STATUS["vnfcs"])
    vnfcs["filter"]["metrics"] = {
        "hits": 3, "level": 0.25, "sizes": {"count": 4, "sum": 10.0}, "none": {"count": 0, "sum": 0.0},
        "odd": {"count": 2, "sum": None},
    }  # fmt: skip
    assert lines(vnfcs=vnfcs)[-5:] == [
        "filter.hits = 3", "filter.level = 0.25", "filter.sizes = 4 values, mean 2.5", "filter.none = 0 values, mean 0",
        "filter.odd = 2 values, mean 0",
    ]  # fmt: skip


def test_troubles_of_ports() -> None:
    trouble = [{"what": "eth1 is gone", "since": "10:00"}, {"what": "GRO is on", "since": "11:00"}]
    assert port_troubles({"ports": {"in": {"trouble": trouble}, "out": {}}}) == [
        "port in: eth1 is gone (since 10:00)", "port in: GRO is on (since 11:00)",
    ]  # fmt: skip
    assert port_troubles({}) == []
