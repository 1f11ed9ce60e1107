"""Log lines of a VNF's parts, in memory and in their file."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import Any

import pytest

from coven.keeper import logs
from coven.keeper.logs import Answers, Logs
from coven.keeper.loop import Loop
from itf.mistakes import Refused


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


class Asked:
    """A log and its answers, as an asker sees them."""

    def __init__(self) -> None:
        self.logs, self.loop = Logs(), Loop()
        self.answers = Answers(self.logs, self.loop, "7.99")
        self.told: list[dict[str, Any]] = []

    def ask(self, **request: Any) -> None:
        self.answers.ask(request, self.told.append)

    def answer(self, **request: Any) -> tuple[list[str], bool, str]:
        self.ask(**request)
        assert self.loop.run_until(lambda: bool(self.told), 60)
        answer = self.told.pop()
        return [line["line"] for line in answer["lines"]], answer["missed"], answer["next"]


def test_each_line_is_told_once() -> None:
    asked = Asked()
    for number in range(5):
        asked.logs.say("ab"[number % 2], str(number))
    assert asked.answer(lines=2) == (["3", "4"], False, "7.99.5")
    assert asked.answer(after="7.99.5") == ([], False, "7.99.5")
    asked.logs.say("a", "5")
    assert asked.answer(after="7.99.5") == (["5"], False, "7.99.6")
    # as many as are wanted, from the oldest on
    assert asked.answer(after="7.99.1", lines=2) == (["1", "2"], False, "7.99.3")
    assert asked.answer(after="7.99.3", lines=2) == (["3", "4"], False, "7.99.5")
    # another part's lines are seen, too
    assert asked.answer(after="7.99.2", vnfc="b") == (["3"], False, "7.99.6")
    assert asked.answer(after="7.99.2", vnfc="c") == ([], False, "7.99.6")
    assert asked.answer(after="7.99.6", lines=0) == ([], False, "7.99.6")


def test_what_an_asker_misses_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked()
    assert asked.answer(after="6.98.400") == ([], True, "7.99.0")  # another keeper's
    for number in range(logs.LINES_KEPT + 2):
        asked.logs.say("a", str(number))
    asked.logs.say("b", "x")
    assert asked.answer(after="7.99.1", lines=1) == (["2"], True, "7.99.3")
    assert asked.answer(after="7.99.2", lines=1) == (["2"], False, "7.99.3")
    assert asked.answer(after="7.99.1", vnfc="b", lines=1) == (["x"], False, f"7.99.{logs.LINES_KEPT + 3}")
    # no room: the last lines have the newest, those after a number the oldest
    monkeypatch.setattr(logs, "ANSWER_BYTES", 200)
    last = str(logs.LINES_KEPT + 1)
    assert asked.answer(vnfc="a", lines=3) == ([str(logs.LINES_KEPT), last], True, f"7.99.{logs.LINES_KEPT + 3}")
    assert asked.answer(after="7.99.2", vnfc="a") == (["2", "3"], False, "7.99.4")


def test_an_answer_waits_for_the_next_line() -> None:
    asked = Asked()
    asked.ask(after="7.99.0", wait=logs.WAIT_MAX, vnfc="a")
    asked.logs.say("b", "of another")
    assert not asked.loop.run_until(lambda: bool(asked.told), 3 * logs.GATHER_SECONDS)
    asked.logs.say("a", "first")
    asked.logs.say("a", "at once after it")
    assert asked.loop.run_until(lambda: bool(asked.told), 60)
    assert [line["number"] for line in asked.told.pop()["lines"]] == [2, 3]
    assert asked.answer(after="7.99.3", wait=0.05) == ([], False, "7.99.3")


def test_only_so_many_wait() -> None:
    asked = Asked()
    for _ in range(logs.WAITING):
        asked.ask(after="7.99.0", wait=logs.WAIT_MAX)
    assert asked.told == []
    assert asked.answer(after="7.99.0", wait=logs.WAIT_MAX) == ([], False, "7.99.0")
    asked.logs.say("a", "x")
    assert asked.loop.run_until(lambda: len(asked.told) == logs.WAITING, 60)
    assert asked.answers._waiting == []


def test_wrong_questions() -> None:
    asked = Asked()
    with pytest.raises(Refused) as told:
        asked.ask(lines=-1, after="7", wait=logs.WAIT_MAX + 1)
    assert [mistake.field for mistake in told.value.mistakes] == ["lines", "wait", "after"]
    for after in (7, True, "7.99.x", "7.99.", "7.99.-1", ["7.99.1"]):
        with pytest.raises(Refused):
            asked.ask(after=after)
