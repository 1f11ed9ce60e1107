"""Log lines of a VNF's parts, in memory and in their file."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest

from coven.keeper import logs
from coven.keeper.logs import Logs


def test_lines_are_in_the_order_in_which_they_were_said(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(2_000_000_000, -1000)  # NTP at boot, again and again
    monkeypatch.setattr(time, "time", lambda: float(next(clock)))
    kept = Logs()
    for number in range(5):
        kept.say("ab"[number % 2], str(number))
        kept.feed("c", 1, f"c{number}\n".encode())
    said = ["0", "c0", "1", "c1", "2", "c2", "3", "c3", "4", "c4"]
    assert [each["line"] for each in kept.tail(None, 100)] == said
    assert [each["line"] for each in kept.tail(None, 3)] == said[-3:]
    assert [each["line"] for each in kept.tail("a", 2)] == ["2", "4"]
    assert kept.tail(None, 0) == kept.tail(None, -1) == []


def test_a_file_that_cannot_be_turned_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "FILE_BYTES", 100)
    kept = Logs(tmp_path / "log")
    kept.say("a", "x" * 60)
    (tmp_path / "log.1").mkdir()  # nothing can be put in its place
    kept.say("a", "y" * 60)
    (tmp_path / "log.1").rmdir()
    kept.say("a", "z" * 60)
    assert [each["line"][0] for each in kept.tail("a", 10)] == ["x", "y", "z"]
    assert "z" * 60 in (tmp_path / "log").read_text() and "x" * 60 in (tmp_path / "log.1").read_text()
    kept.close()
