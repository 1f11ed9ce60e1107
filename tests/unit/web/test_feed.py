"""The page's feed: one reading a second however many look, nothing while nobody does, and nobody is waited for."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from coven.keeper.logs import Answers, Logs
from coven.web.feed import STREAMS, VNFS, Feed
from coven.web.limits import crowded
from coven.web.samples import KEPT, History, figures, marks
from coven.web.tails import KEPT as LINES
from itf.mistakes import Refused

STATUS: dict[str, Any] = {
    "ports": {"in": {"received": 5, "sent": 3, "bytes_in": 500, "bytes_out": 300}},
    "vnfcs": {"a": {"received": 5, "forwarded": 4, "consumed": 0, "in_flight": 1, "restarts": 0, "state": "running"}},
    "dropped": {"a.x": 1}, "forwarder": {"restarts": 0, "state": "running"}, "unaccounted": 0, "time_ns": 0,
}  # fmt: skip


class Window:
    """A stream, and the events that were written to it."""

    def __init__(self) -> None:
        self.open = True
        self.events: list[tuple[str, Any]] = []

    def write(self, data: bytes) -> bool:
        lines = data.decode().splitlines()
        if lines and lines[0].startswith("event: "):
            self.events.append((lines[0][7:], json.loads(lines[1].removeprefix("data: "))))
        return True

    def close(self) -> None:
        self.open = False

    def named(self, event: str) -> list[Any]:
        return [value for name, value in self.events if name == event]


class World:
    """A feed over one VNF, read every 20 ms."""

    def __init__(self, tmp_path: Any) -> None:
        self.read = 0
        self.status = STATUS
        vnf = {"name": "fw", "package": "fw:1", "instantiation_state": "INSTANTIATED", "config": {"a": {"limit": 1}}}
        descriptor = SimpleNamespace(vnfcs={}, config={})
        lifecycle: Any = SimpleNamespace(
            vnf=lambda name: vnf, descriptor=lambda package: descriptor, places=SimpleNamespace(run=tmp_path),
            ask=self._ask,
        )  # fmt: skip
        self.feed = Feed(lifecycle, lambda: {"vnfs": ["fw"]}, self._stats, self._limits, seconds=0.02)
        self.logs = Logs()
        self.answers = Answers(self.logs, None, "k1")  # type: ignore[arg-type]  # none waits
        self.judged = 0

    def _stats(self, name: str) -> dict[str, Any]:
        self.read += 1
        return self.status

    def _ask(self, name: str, op: str, **query: Any) -> dict[str, Any]:
        found: list[dict[str, Any]] = []
        self.answers.ask(query, found.append)
        return found[0]

    def _limits(self, name: str) -> dict[str, Any]:
        self.judged += 1
        return {"place": "a", "why": "slow", "helps": []}


def until(so: Callable[[], object]) -> None:
    end = time.monotonic() + 60
    while not so():
        assert time.monotonic() < end
        time.sleep(0.005)


def threads() -> int:
    return sum(thread.name.startswith("page ") for thread in threading.enumerate())


@pytest.fixture
def world(tmp_path: Any) -> Any:
    world = World(tmp_path)
    yield world
    world.feed.close()
    assert threads() == 0


def test_however_many_look_a_vnf_is_read_once(world: World) -> None:
    windows = [Window() for _ in range(STREAMS)]
    for window in windows:
        world.feed.add(window, ("fw",))
    until(lambda: all(len(window.named("vnf")) >= 3 for window in windows))
    assert threads() == 2 and world.feed.reading == ["fw"]
    assert max(len(window.named("vnf")) for window in windows) <= world.read
    with pytest.raises(Refused, match="too many look"):
        world.feed.check_room(("fw",))


def test_nothing_is_read_while_nobody_looks(world: World) -> None:
    window = Window()
    world.feed.add(window, ("fw",))
    until(lambda: window.named("vnf"))
    window.close()
    until(lambda: threads() == 0)
    read = world.read
    time.sleep(0.1)
    assert world.read == read and world.feed.reading == []
    again = Window()
    world.feed.add(again, ("fw",))
    assert len(again.named("history")[0]["rows"]) >= 1, "what was read is kept for who comes back"


def test_what_vnfcs_say_comes_once_to_each_with_the_readings(world: World) -> None:
    def said(window: Window, event: str = "vnf") -> list[str]:
        return [each["line"] for reading in window.named(event) for each in reading["said"]]

    for number in range(LINES + 5):
        world.logs.say("a", f"old {number}")
    world.logs.say("keeper", "of no VNFC")
    window = Window()
    world.feed.add(window, ("fw",))
    until(lambda: said(window))
    for number in range(3):
        world.logs.say("a", f"new {number}")
        until(lambda: said(window)[-1] == f"new {number}")  # noqa: B023
    assert said(window) == [f"old {number}" for number in range(5, LINES + 5)] + ["new 0", "new 1", "new 2"]
    later = Window()
    world.feed.add(later, ("fw",))
    until(lambda: later.named("vnf"))
    assert said(later, "history") == said(window)[-LINES:] and said(later) == [], "who comes later gets what was"
    world.answers = Answers(another := Logs(), None, "k2")  # type: ignore[arg-type]
    another.say("a", "of another keeper")
    until(lambda: said(later) == ["of another keeper"])
    assert said(window)[-1] == "of another keeper"


def test_what_limits_a_chain_is_judged_once_for_all_who_look(world: World) -> None:
    windows = [Window(), Window()]
    for window in windows:
        world.feed.add(window, ("fw",))
    until(lambda: all(window.named("vnf") for window in windows))
    assert world.judged == 0 and windows[0].named("vnf")[-1]["limit"] is None
    world.status = {**STATUS, "dropped": {"a.x": 1, "a.full": 7}}
    until(lambda: all(window.named("vnf")[-1]["limit"] for window in windows))
    assert world.judged == 1


@pytest.mark.parametrize("figure, sign", [
    ("vnfc a occupancy", False), ("drop a.x", False), ("drop a.full", True), ("drop in.rx_ring_full", True),
    ("drop a.fuller", False), ("drop a.unanswered", True),
])  # fmt: skip
def test_packets_that_are_lost_for_lack_of_room_are_a_sign(figure: str, sign: bool) -> None:
    assert crowded({figure: 0.1}, {figure: 0.2}) is sign
    assert not crowded({figure: 0.2}, {figure: 0.2})
    assert crowded({}, {"vnfc a occupancy": 0.31}) and not crowded({}, {figure: 0.2}), "what was before is no sign"


def test_a_stream_shows_only_so_much(world: World) -> None:
    with pytest.raises(Refused):
        world.feed.check_room(tuple(f"v{number}" for number in range(VNFS + 1)))


def test_a_stream_ends_when_who_it_is_for_may_not_look_any_more(world: World) -> None:
    token = ["valid"]
    window, other = Window(), Window()
    world.feed.add(window, ("fw",), over=lambda: not token)
    world.feed.add(other, ("fw",))
    until(lambda: len(window.named("vnf")) >= 5)
    assert window.open
    token.clear()
    until(lambda: not window.open)
    assert other.open


def test_what_the_agent_keeps_is_told_when_it_changes(world: World) -> None:
    window = Window()
    world.feed.add(window, ())
    until(lambda: len(window.named("agent")) >= 1)
    time.sleep(0.2)
    assert len(window.named("agent")) <= 2, "the same is not told again"


def test_figures_are_kept_for_a_quarter_of_an_hour() -> None:
    history = History()
    for second in range(KEPT + 10):
        history.add(float(second), figures(STATUS) if second else {})
    document = history.document()
    assert len(document["rows"]) == KEPT and document["rows"][-1][0] == KEPT + 9
    row = dict(zip(document["columns"], document["rows"][-1][1:], strict=True))
    assert (row["port in received"], row["vnfc a forwarded"], row["drop a.x"]) == (5, 4, 1)


def test_restarts_and_configurations_leave_marks() -> None:
    before: dict[str, Any] = {"status": STATUS, "config": {"a": {"limit": 1, "same": 2}}}
    restarted = {**STATUS, "vnfcs": {"a": {**STATUS["vnfcs"]["a"], "restarts": 1}}}
    after = {"status": restarted, "config": {"a": {"limit": 9, "same": 2}}}
    assert [each["what"] for each in marks(before, after, 1.0)] == ["a restarted", "a: limit configured"]
    assert marks(None, after, 1.0) == [] and marks(after, after, 1.0) == []
