"""Captures of a running VNF: packets of certain places as pcapng, for whoever reads a descriptor.

The forwarder copies packets into a ring (itf/watch.c); `coven-capture` (agents/capture/), a process a capture, writes
them out. So this process, which has others to answer, handles no packet, and waits for no reader.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

from coven.keeper.life.hosting import NATIVE
from coven.keeper.life.vnf import Vnf
from coven.keeper.loop import Timer
from coven.keeper.watching.places import Places, Point, resolve
from coven.keeper.watching.tracing import compiled
from coven.package.filters import Match
from itf.mistakes import Kind, Mistake, Refused
from itf.segment import C, Watch, put_text

ROOM = 1 << 23  #: bytes of a capture's ring
WHOLE = 65535  #: bytes of a packet: all of it
CAPTURES = 4  #: at once
WORDS_SECONDS = 1.0  #: between looks whether names have changed, as an upgrade does
END_SECONDS = 1.0  #: that a reader has for the rest when the VNF ends


@dataclass(frozen=True)
class Asked:
    """What is to be captured. `seconds`, `count`: 0 for no end."""

    places: list[tuple[str, list[Point]]]
    match: Match | None
    expression: str
    snap: int
    seconds: float
    count: int


class _Capture:
    """One that goes on."""

    def __init__(self, watch: Watch, bell: int, process: subprocess.Popen[bytes], names: list[str]):
        self.watch = watch
        self.names = names
        self.bell = bell
        self.process = process

    def close(self) -> None:
        os.close(self.bell)
        self.watch.close()


class Captures:
    """Those of one VNF."""

    def __init__(self, vnf: Vnf):
        self.vnf = vnf
        self._going_on: dict[int, _Capture] = {}  #: by number of the watch
        self.missed: dict[str, int] = {}  #: by place: packets that found no room, of the capture that ended last
        self._words = ""
        self._timer: Timer | None = None

    def places(self) -> Places:
        return Places(self.vnf.descriptor, {host.name: host.reasons for host in self.vnf.hosts.values()})

    def judge(self, request: Mapping[str, Any]) -> Asked:
        """What a request asks: `at` (names of places), `drops`, `filter`, `snaplen`, `seconds`, `count`. Raises Refused
        with all that is wrong."""
        mistakes: list[Mistake] = []
        places: list[tuple[str, list[Point]]] = []
        match, expression = None, str(request.get("filter") or "")
        at = request.get("at") or []
        try:
            words = [str(each) for each in at] if isinstance(at, list) else [str(at)]
            drops, ports = request.get("drops") is True, list(self.vnf.descriptor.ports)
            places = resolve(self.places(), words, drops, ports)
        except Refused as refused:
            mistakes += refused.mistakes
        if expression:
            try:
                match = compiled(expression)
            except Refused as refused:
                mistakes += refused.mistakes
        if mistakes:
            raise Refused(mistakes, title="not captured")
        return Asked(places, match, expression, _number(request, "snaplen", WHOLE) or WHOLE,
                     max(0.0, float(request.get("seconds") or 0)), _number(request, "count", 1 << 62))  # fmt: skip

    def check_room(self) -> None:
        """Raises Refused when enough others capture."""
        if len(self._going_on) >= CAPTURES:
            raise Refused(Mistake(found=f"{CAPTURES} others that capture", remedy="try again in a moment"),
                          title="too many capture", kind=Kind.UNAVAILABLE)  # fmt: skip

    def begin(self, asked: Asked, to: int) -> None:
        """Capture into descriptor `to`, which stays the caller's, until nobody reads there any more. Raises Refused,
        OSError at a limit."""
        self.check_room()
        snap = 0 if asked.snap == WHOLE else asked.snap
        with ExitStack() as undo:
            watch = self._watch(asked)
            undo.callback(watch.close)
            bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            undo.callback(os.close, bell)
            number = self.vnf.forwarder.watch_to(watch, bell)
            undo.callback(self.vnf.forwarder.watch_off, number)
            fds = (watch.fd, bell, to)
            words = [",".join(map(str, fds)), f"{asked.seconds:.6f}", str(asked.count), str(snap), asked.expression]
            try:
                process = subprocess.Popen(
                    [str(NATIVE / "coven-capture"), *words], pass_fds=fds, stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, env={},
                )  # fmt: skip
            except OSError as problem:
                raise Refused(Mistake.of(problem, file=str(NATIVE / "coven-capture"), remedy="run `make native`"),
                              title="not captured", kind=Kind.UNAVAILABLE) from None  # fmt: skip
            undo.pop_all()
        self._going_on[number] = _Capture(watch, bell, process, [name for name, _ in asked.places])
        self.vnf.loop.on_exit(process.pid, lambda: self._ended(number))
        if self._timer is None:
            self._timer = self.vnf.loop.later(WORDS_SECONDS, self._look)

    def _watch(self, asked: Asked) -> Watch:
        live = not self.vnf.capture
        watch = Watch.make(ROOM, C.CLOCK_LIVE if live else C.CLOCK_CAPTURE, asked.snap)
        try:
            if asked.match is not None:
                watch.filter(asked.match.ethernet, asked.match.ip)
        except ValueError as problem:
            watch.close()
            raise Refused(Mistake(field="filter", found=str(problem), remedy="a shorter one"),
                          title="not captured") from None  # fmt: skip
        head = watch.head
        head.wall_minus_monotonic = time.time_ns() - time.monotonic_ns()
        states = self.vnf.forwarder.wiring.ports
        first = next((state.link for state in states.values()), C.LINK_ETHERNET)
        for number, (name, points) in enumerate(asked.places):
            put_text(head.interface[number].name, name)
            port = states.get(name.partition(":")[0])
            head.interface[number].link = port.link if port is not None else first
            for point in points:
                cell = head.point[head.points]
                cell.place, cell.arg, cell.events, cell.interface = point.place, point.arg, point.events, number
                head.points += 1
        head.interfaces = len(asked.places)
        self._words = self.places().words()
        watch.say(self._words)
        return watch

    def _look(self) -> None:
        """Names may have changed."""
        self._timer = None
        if not self._going_on:
            return
        if (words := self.places().words()) != self._words:
            self._words = words
            for capture in self._going_on.values():
                capture.watch.say(words)
        self._timer = self.vnf.loop.later(WORDS_SECONDS, self._look)

    def _ended(self, number: int) -> None:
        capture = self._going_on.pop(number)
        capture.process.wait()
        self.vnf.forwarder.watch_off(number)
        counts = capture.watch.head.count
        self.missed = {name: int(counts[place].missed) for place, name in enumerate(capture.names)}
        capture.close()

    def end(self) -> None:
        """Nothing moves any more: who reads gets the rest."""
        for capture in self._going_on.values():
            capture.watch.head.over = 1
        if not self.vnf.loop.run_until(lambda: not self._going_on, END_SECONDS):
            for capture in self._going_on.values():
                with suppress(ProcessLookupError):
                    capture.process.kill()
            self.vnf.loop.run_until(lambda: not self._going_on, END_SECONDS)


def _number(request: Mapping[str, Any], name: str, most: int) -> int:
    value = request.get(name)
    return min(max(value, 0), most) if isinstance(value, int) else 0
