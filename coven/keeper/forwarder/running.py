"""The forwarder of one VNF: the segment's objects, the process that works in them, and one after it when it ends.

A forwarder that starts anew takes over the same objects, and is sent all descriptors again before its first look at
the wiring.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from coven.keeper.forwarder.epochs import Epochs
from coven.keeper.forwarder.process import NAME, ForwarderProcess
from coven.keeper.forwarder.watch import ForwarderWatch, Reports
from coven.keeper.forwarder.wiring import Wiring
from coven.keeper.hosts.placement import Placement
from coven.keeper.journal import Journal
from coven.keeper.logs import PLATFORM, Logs
from coven.keeper.loop import Loop
from itf import limits
from itf.mistakes import Kind, Mistake, Refused
from itf.segment import C, Config, Forwarder, Pool, Watch
from itf.statistics import Statistics

BACKOFF = 0.1, 10.0  #: seconds before it is started again, doubling; the first time at once


class Listener(Protocol):
    """Who is told what the forwarder says. Called from the loop."""

    def send_everything(self) -> None:
        """A new forwarder: send it what the wiring names."""

    def wiring_follows(self) -> None:
        """It has taken up another wiring."""

    def forwarder_done(self) -> None:
        """Captures have ended, or a drain."""

    def hop_finished(self, number: int, generation: int) -> None:
        """The generation that a hop had before has nothing left."""

    def hop_ended_in(self, number: int, what: str) -> None:
        """A hop's process ended while it had this packet: its time (ns), length, link type and first bytes in hex."""


class RunningForwarder:
    """Raises OSError when the segment cannot be made. `statistics` is closed with it."""

    def __init__(
        self, program: Path, wiring: Wiring, frames: int, frame_size: int, capture: bool, statistics: Statistics,
        placement: Placement, loop: Loop, journal: Journal, logs: Logs, listener: Listener,
    ):  # fmt: skip
        self.placement = placement
        self.loop = loop
        self.logs = logs
        self.listener = listener
        self.done = False  #: a capture has ended, or a drain
        with ExitStack() as made:
            self.statistics = statistics
            made.callback(self.statistics.close)
            self.pool = Pool.make(frames, frame_size)
            made.callback(self.pool.close)
            self.segment = Forwarder.make(self.pool.geometry)
            made.callback(self.segment.close)
            self.config = Config.make(C.CLOCK_CAPTURE if capture else C.CLOCK_LIVE)
            made.callback(self.config.close)
            self._made = made.pop_all()
        self.epochs = Epochs(wiring, self.config, self.segment, loop, self.kick)
        self.process = ForwarderProcess(program, loop, journal, logs, self._said, self._ended)
        self.reports = Reports(loop, lambda number: self.process.send(C.MESSAGE_REPORT, 0, number))
        self.watch = ForwarderWatch(loop, self.segment, self.reports, self._hangs)
        self._watches: dict[int, tuple[Watch, int]] = {}
        self._over = False
        self._backoff = 0.0
        self._started = 0.0

    @property
    def wiring(self) -> Wiring:
        """What is wired, or will be with the next epoch."""
        return self.epochs.wiring

    def start(self) -> None:
        """Raises OSError if the program cannot be started."""
        self._started = time.monotonic()
        with self.placement.on(self.placement.forwarder):
            self.process.start(self.pool, self.segment, self.config, self.statistics, self._send_everything)
        self.watch.began()

    def end(self) -> None:
        """Let the process exit; nothing starts it again."""
        self._over = True
        self.watch.stop()
        self.process.end()

    def close(self) -> None:
        """Let go of the segment; figures cannot be read any more."""
        self._made.close()

    # sending

    def kick(self) -> None:
        self.process.send(C.MESSAGE_KICK)

    def drain(self, on: bool) -> None:
        """Take nothing more in, let out what is on its way and count the rest as `shutdown`; `done` follows."""
        if on:
            self.done = False
        self.config.head.drain = int(on)
        self.kick()

    def inject(self, port: int, packet: bytes, send: bool) -> None:
        """A packet as if it came in by the port of that number; `send`: the port that it leaves by may send it."""
        self.process.inject(port, packet, send)
        self.kick()

    def watch_to(self, watch: Watch, bell: int) -> int:
        """From now on: write into `watch`, ring the eventfd `bell` when half of it is full. Both stay the caller's, and
        are kept open until `watch_off`, which wants the number. Raises Refused when there are too many."""
        number = next((n for n in range(C.WATCHES) if n not in self._watches), None)
        if number is None:
            raise Refused(Mistake(found=f"{C.WATCHES} others that trace or capture", remedy="try again in a moment"),
                          title="too many watch", kind=Kind.UNAVAILABLE)  # fmt: skip
        self._watches[number] = watch, bell
        self.process.send(C.MESSAGE_WATCH, number, fds=(watch.fd, bell))
        self.kick()
        return number

    def watch_off(self, number: int) -> None:
        """Copy no more into it."""
        self._watches.pop(number, None)
        self.process.send(C.MESSAGE_WATCH, number)
        self.kick()

    def _send_everything(self) -> None:
        for number, (watch, bell) in self._watches.items():
            self.process.send(C.MESSAGE_WATCH, number, fds=(watch.fd, bell))
        self.listener.send_everything()

    # what it says

    def _said(self, kind: int, index: int, generation: int, what: str) -> None:
        self.watch.sign()
        if kind == C.MESSAGE_REPORTED:
            self.reports.answered(generation)
        elif kind == C.MESSAGE_READY:
            self.listener.wiring_follows()
            self.epochs.ready(generation)
        elif kind == C.MESSAGE_ERROR:
            self.logs.say(self.wiring.stage_name(index), what)
            self.epochs.error(index, what)
        elif kind == C.MESSAGE_SWAPPED:
            self.listener.hop_finished(index, generation)
        elif kind == C.MESSAGE_LOST:
            self.listener.hop_ended_in(index, what)
        elif kind == C.MESSAGE_DONE:
            self.done = True
            self.listener.forwarder_done()

    def stage_mistakes(self, errors: list[tuple[int, str]]) -> list[Mistake]:
        """What stages said of a wiring that was taken up."""
        return [Mistake(field=self.wiring.stage_name(stage), found=what) for stage, what in errors]

    def unresponsive(self) -> Mistake:
        """Why a wiring is not taken up."""
        why = f": {self.watch.why}" if self.watch.why else ""
        return Mistake(field="forwarder", found=f"it is {self.watch.state}{why}",
                       expected="a forwarder that takes up its wiring", remedy="coven logs tells more")  # fmt: skip

    # its end

    def _hangs(self, why: str) -> None:
        self.logs.say(PLATFORM, f"the forwarder is ended: {why}")
        self.process.kill()

    def _ended(self, status: int) -> None:
        self.reports.forget()
        if self._over:
            return
        said = "".join(f", it said: {each['line']}" for each in self.logs.tail(NAME, 1))
        self.watch.ended(f"status {status}{said}")
        if time.monotonic() - self._started > BACKOFF[1]:
            self._backoff = 0.0
        self.logs.say(PLATFORM, f"the forwarder ended (status {status}): it starts again in {self._backoff:g} s")
        delay = self._backoff
        self._backoff = min(max(BACKOFF[0], self._backoff * 2), BACKOFF[1])
        self.loop.later(delay, self._again)

    def _again(self) -> None:
        """The same objects, another forwarder: it takes over the owners and writes the difference off."""
        if self._over:
            return
        try:
            self.start()
        except OSError as problem:
            self.logs.say(NAME, f"it cannot be started: {limits.words(problem)}")
            self._ended(-1)
