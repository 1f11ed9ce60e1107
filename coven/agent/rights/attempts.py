"""Guesses at tokens are few: an address that failed too often is not listened to for a while.

Whoever was let in with some credential is known by it and goes on being let in: nobody shuts others out by guessing.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque

MOST = 10  #: failures of an address in WINDOW seconds
WINDOW = 60.0
ADDRESSES = 10_000  #: that are remembered
KNOWN = 1000  #: digests of credentials that were right


class Attempts:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failed: OrderedDict[str, deque[float]] = OrderedDict()
        self._known: OrderedDict[str, None] = OrderedDict()

    def wait(self, address: str, digest: str) -> float | None:
        """Seconds that who presents this has to wait; None: it is heard."""
        with self._lock:
            failures = self._failed.get(address, deque())
            if digest in self._known or len(failures) < MOST:
                return None
            left = failures[0] + WINDOW - time.monotonic()
            return left if left > 0 else None

    def succeeded(self, digest: str) -> None:
        with self._lock:
            self._known[digest] = None
            self._known.move_to_end(digest)
            if len(self._known) > KNOWN:
                self._known.popitem(last=False)

    def failed(self, address: str) -> None:
        with self._lock:
            self._failed.setdefault(address, deque(maxlen=MOST)).append(time.monotonic())
            self._failed.move_to_end(address)
            if len(self._failed) > ADDRESSES:
                self._failed.popitem(last=False)
