"""Tables and reports on narrow terminals, and colours where they are wanted."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from coven.base.report import report
from coven.base.tables import table
from coven.base.terminal import Colour, paint

HEAD = ["name", "state", "what"]
ROWS = [["filter", "STARTED", "x" * 60], ["analyzer", 1234567, None]]


def test_as_wide_as_it_must_be_where_nothing_limits_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert table(HEAD, ROWS, ["what"]).splitlines() == [
        "name      state      what",
        f"filter    STARTED    {'x' * 60}",
        "analyzer  1 234 567  -",
    ]


def test_columns_are_left_out_and_no_line_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert table(HEAD, ROWS, ["what", "state"]).splitlines() == [
        "name      state", "filter    STARTED", "analyzer  1 234 567"
    ]  # fmt: skip
    monkeypatch.setenv("COLUMNS", "12")
    assert table(HEAD, ROWS, ["what", "state"]).splitlines() == ["name", "filter", "analyzer"]


def figures(**more: Any) -> dict[str, Any]:
    return {"received": 7, "forwarded": 5, "sent": 5, "consumed": 0, "dropped": {}, "in_flight": 0, "originated": 0,
            "cloned": 0, "unaccounted": 0, **more}  # fmt: skip


STATUS = figures(
    dropped={"filter.telnet": 2}, explanations={"filter.telnet": "telnet is not allowed here, " * 3}, estimated=False,
    ports={"in": figures(backend="af_packet", dropped={}), "out": figures(backend="af_packet")}, classifier=figures(),
    vnfcs={"filter": figures(state="running", language="python", restarts=3, metrics={})},
)  # fmt: skip


def test_a_report_fits_eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = report(STATUS).splitlines()
    assert max(map(len, lines)) <= 80
    assert "restarts" in lines[0] and "consumed" not in lines[0], "what is zero everywhere goes first"
    row = next(line for line in lines if line.startswith("filter (python)"))
    assert row.split()[2:] == ["7", "5", "0", "0", "3", "0"] and lines[0].split()[-2:] == ["restarts", "unaccounted"]
    told = lines.index("dropped:")
    assert lines[told + 1].startswith("  filter.telnet  2  telnet is") and lines[told + 2].startswith(" " * 20)
    monkeypatch.setenv("COLUMNS", "200")
    assert "consumed" in report(STATUS).splitlines()[0]


def test_colours_only_where_they_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("CLICOLOR_FORCE", raising=False)
    assert paint("x", Colour.BAD) == "x", "no terminal"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    assert paint("x", Colour.BAD) == "\033[31mx\033[0m"
    monkeypatch.setenv("TERM", "dumb")
    assert paint("x", Colour.BAD) == "x"
    monkeypatch.setenv("CLICOLOR_FORCE", "1")
    assert paint("x", Colour.GOOD) == "\033[32mx\033[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert paint("x", Colour.GOOD) == "x"
