"""`coven top`: reads a VNF each second and draws it with curses, in any terminal."""

from __future__ import annotations

import argparse
import contextlib
import curses
import os
import sys
import threading
import time
from typing import Any
from urllib.parse import quote

from coven.base.problem import Misuse
from coven.cli.client import Client, agent_of
from coven.cli.top.screen import SORTS, Line, Reading, Row, View, screen
from coven.web.limits import Crowding
from itf.mistakes import Mistake, Refused

LOOK_MILLISECONDS = 100  #: for a key
OBSERVED = 0.5  #: seconds, for what limits a VNF
PAGES = (curses.KEY_PPAGE, curses.KEY_NPAGE)
#: by lines, or halves of the screen
SCROLLS = {curses.KEY_UP: -1, curses.KEY_DOWN: 1, ord("k"): -1, ord("j"): 1, PAGES[0]: -1, PAGES[1]: 1}

_CPU, _MEMORY = "coven_process_cpu_seconds_total", "coven_process_resident_memory_bytes"
_RING = "coven_ring_occupancy_ratio"


def top(given: argparse.Namespace) -> int:
    """Until q or Ctrl-C."""
    client = agent_of(given)
    name = client.only_vnf(given.vnf)
    if not sys.stdout.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        raise Misuse(Mistake(found="no terminal", expected="a terminal", remedy="coven stats --watch writes lines"))
    reader = Reader(client, name, given.interval)
    with contextlib.suppress(KeyboardInterrupt):
        curses.wrapper(lambda window: _show(window, reader))
    return 0


class Reader:
    """Reads in a thread of its own, so that keys are heard while an agent does not answer."""

    def __init__(self, client: Client, name: str, seconds: float):
        self._client = client
        self._path = f"/v1/vnfs/{quote(name)}"
        self._seconds = seconds
        self.chain: Row = {"name": name, **client.get(f"{self._path}/chain")}
        self.before: Reading | None = None
        self.now: Reading | None = None
        self.said = ""
        self._limit: Row | None = None
        self._crowding = Crowding()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._ended.set()

    def _run(self) -> None:
        due = time.monotonic()
        while not self._ended.is_set():
            try:
                now = self._read()
                self.before, self.now, self.said = self.now, now, ""
            except Refused as refused:
                self.said = "; ".join(str(each.found or each) for each in refused.mistakes)
            due = max(due + self._seconds, time.monotonic())
            self._ended.wait(due - time.monotonic())

    def _read(self) -> Reading:
        status = self._client.get(f"{self._path}/stats")
        at = time.monotonic()
        found: dict[str, dict[str, float]] = {_CPU: {}, _MEMORY: {}, _RING: {}}
        with contextlib.suppress(Refused):  # they are there with the next reading
            for metric in self._client.get(f"{self._path}/metrics")["metrics"]:
                if metric["name"] in found and (vnfc := metric["labels"].get("vnfc")):
                    found[metric["name"]][vnfc] = metric["value"] or 0.0
        now = Reading(at, status, found[_CPU], found[_MEMORY], found[_RING])
        now.limit = self._limiting(now)
        return now

    def _limiting(self, now: Reading) -> Row | None:
        """What limits the chain: asked for now and then while packets wait, or are lost for lack of room."""
        if self._crowding.due(_signs(now), now.at):
            with contextlib.suppress(Refused):  # others ask
                self._limit = self._client.get(f"{self._path}/bottleneck", seconds=OBSERVED)["bottleneck"]
        if self._crowding.is_over(now.at):
            self._limit = None
        return self._limit


def _signs(reading: Reading) -> dict[str, float]:
    found = {f"vnfc {name} occupancy": value for name, value in reading.occupancy.items()}
    return {**found, **{f"drop {name}": count for name, count in reading.status["dropped"].items()}}


def _show(window: Any, reader: Reader) -> None:
    with contextlib.suppress(curses.error):  # terminals without
        curses.curs_set(0)
    with contextlib.suppress(curses.error):
        curses.use_default_colors()
    window.timeout(LOOK_MILLISECONDS)
    view = View()
    held: tuple[Reading | None, Reading | None] = (None, None)
    drawn: tuple[list[Line], int, int] | None = None
    reader.start()
    while True:
        if not view.paused:
            held = reader.before, reader.now
        height, width = window.getmaxyx()
        lines = screen(reader.chain, *held, view, width - 1, height, reader.said)
        if (lines, width, height) != drawn:
            drawn = lines, width, height
            window.erase()
            for number, line in enumerate(lines[:height]):
                with contextlib.suppress(curses.error):  # it has just become smaller
                    window.addstr(number, 0, line.text, curses.A_BOLD if line.bold else curses.A_NORMAL)
            window.refresh()
        key = window.getch()
        if key in (ord("q"), ord("Q")):
            reader.close()
            return
        if key == ord("p"):
            view.paused = not view.paused
        elif key == ord("d"):
            view.drops = not view.drops
            view.offset = 0
        elif key == ord("s"):
            view.sort = SORTS[(SORTS.index(view.sort) + 1) % len(SORTS)]
        elif key in SCROLLS:
            view.offset = max(0, view.offset + SCROLLS[key] * (height // 2 if key in PAGES else 1))
