"""How the agent's callers reach keepers: few at a time at one keeper, each with an end, and true words for silence."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from coven.keeper.client import CALL_SECONDS, REQUEST_SECONDS, Keeper, Unreachable
from itf.mistakes import Kind, Mistake, Refused

QUICK_SECONDS = 1.5  #: for what a keeper answers by itself
LINE_SECONDS = 0.1  #: for a place among those that wait on a keeper
LINE = 4  #: callers that may wait on one keeper: the agent has 16 threads for all
CONFIGURE_SECONDS = 25.0  #: it may take VNFCs 10 s, and as long to take it back
SECONDS = {"configure": CONFIGURE_SECONDS, "paths": CALL_SECONDS, "request": REQUEST_SECONDS}


def unavailable(found: str, remedy: str = "try again in a moment", title: str = "not now") -> Refused:
    """503: what is worth trying again."""
    return Refused(Mistake(found=found, remedy=remedy), title=title, kind=Kind.UNAVAILABLE)


class Lines:
    """A line of callers before each keeper, and since when a keeper has been silent."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._places: dict[str, threading.BoundedSemaphore] = {}
        self._silent: dict[str, float] = {}  #: VNF -> CLOCK_MONOTONIC of the first question without an answer

    @contextmanager
    def place(self, name: str) -> Iterator[None]:
        """Raises Refused with 503 when enough others wait on that keeper."""
        with self._lock:
            places = self._places.setdefault(name, threading.BoundedSemaphore(LINE))
        if not places.acquire(timeout=0 if self.silent(name) is not None else LINE_SECONDS):
            found = f"{LINE} others that wait on the keeper of {name}"
            raise unavailable(found, "try again in a second", "too many wait")
        try:
            yield
        finally:
            places.release()

    def silent(self, name: str) -> float | None:
        """Seconds since a question that the keeper has not answered; None while it answers."""
        with self._lock:
            since = self._silent.get(name)
        return None if since is None else time.monotonic() - since

    def heard(self, name: str) -> None:
        with self._lock:
            self._silent.pop(name, None)

    def unheard(self, name: str, seconds: float) -> None:
        """It did not answer what it was asked so many seconds ago."""
        with self._lock:
            self._silent.setdefault(name, time.monotonic() - seconds)

    def ask(self, name: str, keeper: Keeper, op: str, /, **arguments: Any) -> dict[str, Any]:
        """A keeper's answer. Raises Refused, or Unreachable: then `silent` tells whether it is there and hangs.

        With `wait`, seconds that the keeper may hold its answer back, the caller sees to it that few ask.
        """
        if wait := arguments.get("wait"):
            return self._call(name, keeper, op, QUICK_SECONDS + wait, **arguments)
        with self.place(name):
            if op in ("configure", "paths"):  # may take long, by which nobody could tell whether it hangs
                self._call(name, keeper, "ping", QUICK_SECONDS)
            return self._call(name, keeper, op, SECONDS.get(op, QUICK_SECONDS), **arguments)

    def _call(self, name: str, keeper: Keeper, op: str, seconds: float, /, **arguments: Any) -> dict[str, Any]:
        try:
            answer = keeper.call(op, seconds, **arguments)
        except Refused:  # an answer, too
            self.heard(name)
            raise
        except Unreachable as error:
            if error.late:
                self.unheard(name, seconds - arguments.get("wait", 0))
            raise
        self.heard(name)
        return answer


def frozen(pid: int) -> bool:
    """Whether somebody stopped that process (SIGSTOP, a debugger)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in ("T", "t")
    except (OSError, IndexError):
        return False
