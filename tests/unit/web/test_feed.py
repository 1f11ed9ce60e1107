"""The page's feed: one reading a second however many look, nothing while nobody does, and nobody is waited for."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from coven.web.feed import STREAMS, VNFS, Feed
from coven.web.samples import KEPT, History, figures, marks
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
        vnf = {"name": "fw", "package": "fw:1", "instantiation_state": "INSTANTIATED", "config": {"a": {"limit": 1}}}
        descriptor = SimpleNamespace(vnfcs={}, config={})
        lifecycle: Any = SimpleNamespace(
            vnf=lambda name: vnf, descriptor=lambda package: descriptor, places=SimpleNamespace(run=tmp_path)
        )
        self.feed = Feed(lifecycle, lambda: {"vnfs": ["fw"]}, self._stats, seconds=0.02)

    def _stats(self, name: str) -> dict[str, Any]:
        self.read += 1
        return STATUS


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


def test_a_stream_shows_only_so_much(world: World) -> None:
    with pytest.raises(Refused):
        world.feed.check_room(tuple(f"v{number}" for number in range(VNFS + 1)))


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
