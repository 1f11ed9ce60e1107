"""The keeper's event loop: descriptors, timers and the ends of processes, in one thread.

It never sleeps for a fixed time: it waits until something is readable, a process ends or a timer is due.
"""

from __future__ import annotations

import heapq
import itertools
import os
import selectors
import threading
import time
from collections.abc import Callable
from typing import Any


class Timer:
    """One call in the future; `cancel` forgets it."""

    __slots__ = ("at", "call")

    def __init__(self, at: float, call: Callable[[], None]):
        self.at = at
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        self.call = None


class _Watch:
    __slots__ = ("call",)

    def __init__(self, call: Callable[[], None]):
        self.call: Callable[[], None] | None = call


class Loop:
    """Times are in seconds of CLOCK_MONOTONIC."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._timers: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._stopping = False

    def read(self, source: Any, call: Callable[[], None]) -> None:
        """Call whenever the descriptor (or what has one) is readable or at its end."""
        self._selector.register(source, selectors.EVENT_READ, _Watch(call))

    def read_write(self, source: Any, call: Callable[[], None]) -> None:
        """From now on call when it can be written, too."""
        self._selector.modify(source, selectors.EVENT_READ | selectors.EVENT_WRITE, _Watch(call))

    def read_only(self, source: Any, call: Callable[[], None]) -> None:
        self._selector.modify(source, selectors.EVENT_READ, _Watch(call))

    def forget(self, source: Any) -> None:
        """No more calls for it; nothing happens if there were none. Do this before closing it."""
        try:
            self._selector.unregister(source).data.call = None
        except (KeyError, ValueError):
            pass

    def later(self, seconds: float, call: Callable[[], None]) -> Timer:
        timer = Timer(time.monotonic() + seconds, call)
        heapq.heappush(self._timers, (timer.at, next(self._order), timer))
        return timer

    def on_exit(self, pid: int, call: Callable[[], None]) -> int:
        """Call once when the process has ended. Returns the pidfd, which is closed then.

        Raises ProcessLookupError if there is no such process (a child that was not waited for always is).
        """
        pidfd = os.pidfd_open(pid)

        def ended() -> None:
            self.forget(pidfd)
            os.close(pidfd)
            call()

        self.read(pidfd, ended)
        return pidfd

    def work(self, call: Callable[[], Any], done: Callable[[Any, BaseException | None], None]) -> None:
        """Call in a thread of its own, and then, from the loop, `done` with what it returned or raised."""
        bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        result: list[Any] = [None, None]

        def work() -> None:
            try:
                result[0] = call()
            except BaseException as problem:  # it is raised, or told, by whoever asked
                result[1] = problem
            os.eventfd_write(bell, 1)

        def ended() -> None:
            self.forget(bell)
            os.close(bell)
            done(result[0], result[1])

        self.read(bell, ended)
        threading.Thread(target=work, daemon=True).start()

    def _wait(self) -> float | None:
        while self._timers and self._timers[0][2].call is None:
            heapq.heappop(self._timers)
        return max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None

    def turn(self, limit: float | None = None) -> None:
        """Wait for one round of events, at most `limit` seconds, and handle them."""
        wait = self._wait()
        if limit is not None:
            wait = limit if wait is None else min(wait, limit)
        for key, _ in self._selector.select(wait):
            if key.data.call is not None:  # an earlier call of this round may have forgotten it
                key.data.call()
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            timer = heapq.heappop(self._timers)[2]
            if timer.call is not None:
                timer.call()

    def run(self) -> None:
        """Until `stop`."""
        self._stopping = False
        while not self._stopping:
            self.turn()

    def run_until(self, done: Callable[[], bool], seconds: float | None = None) -> bool:
        """Handle events until done() or the time is over; returns done()."""
        end = None if seconds is None else time.monotonic() + seconds
        while not done():
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                return done()
            self.turn(left)
        return True

    def stop(self) -> None:
        self._stopping = True

    def close(self) -> None:
        self._selector.close()
