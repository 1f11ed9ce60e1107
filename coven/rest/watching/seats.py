"""Requests that watch a VNF for a while hold a thread each: of every kind there are only so many at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from coven.agent.keepers.line import unavailable


class Seats:
    """`what`: what they who have one do, in a word."""

    def __init__(self, count: int, what: str):
        self._count = count
        self._what = what
        self._free = threading.BoundedSemaphore(count)

    def take(self) -> None:
        """Raises Refused with 503 when none is free."""
        if not self._free.acquire(blocking=False):
            raise unavailable(f"{self._count} others that {self._what}", title=f"too many {self._what}")

    def give_back(self) -> None:
        self._free.release()

    @contextmanager
    def one(self) -> Iterator[None]:
        """Have one within. Raises Refused with 503 when none is free."""
        self.take()
        try:
            yield
        finally:
            self.give_back()
