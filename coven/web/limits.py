"""What limits the chain of a VNF that somebody looks at: judged where packets wait, or are lost for lack of room."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from agents.bottleneck import NO_ROOM_AT_VNFC, NO_ROOM_IN, NO_ROOM_OUT
from itf.mistakes import Refused

log = logging.getLogger("coven.agent")

CROWDED = 0.3  #: of a ring
EACH = 5.0  #: seconds from one judgement to the next; so long after the last sign one still stands
_NO_ROOM = frozenset((*NO_ROOM_IN, NO_ROOM_OUT, *NO_ROOM_AT_VNFC))

Row = dict[str, Any]


class Crowding:
    """When what limits a chain is judged, and for how long that stands, by one reading after another; in seconds."""

    def __init__(self) -> None:
        self._before: Mapping[str, float] = {}
        self._crowded = self._judged = -EACH

    def due(self, found: Mapping[str, float], now: float, busy: bool = False) -> bool:
        """Whether it is to be judged now. `busy`: one judgement goes on."""
        is_crowded, self._before = crowded(self._before, found), found
        if is_crowded:
            self._crowded = now
        if not is_crowded or busy or now - self._judged < EACH:
            return False
        self._judged = now
        return True

    def is_over(self, now: float) -> bool:
        """Whether the last judgement does not stand any more."""
        return now - self._crowded > EACH


class Limits:
    """`ask`: observes for a second and judges, as the API's bottleneck. It is asked in a thread of its own."""

    def __init__(self, name: str, ask: Callable[[], Row | None]):
        self._name = name
        self._ask = ask
        self._thread: threading.Thread | None = None
        self._crowding = Crowding()
        self._found: Row | None = None

    def look(self, found: Mapping[str, float]) -> Row | None:
        """What limits it, by figures of a reading (`samples.figures`); None: nothing, or it is not known yet."""
        now = time.monotonic()
        if self._crowding.due(found, now, busy=self._thread is not None and self._thread.is_alive()):
            self._thread = threading.Thread(target=self._judge, name=f"page limits {self._name}", daemon=True)
            self._thread.start()
        if self._crowding.is_over(now):
            self._found = None
        return self._found

    def close(self) -> None:
        if self._thread:
            self._thread.join()

    def _judge(self) -> None:
        try:
            self._found = self._ask()
        except Refused:  # others ask, or it has just gone: the next time
            pass
        except Exception:
            log.exception("what limits %s", self._name)


def crowded(before: Mapping[str, float], found: Mapping[str, float]) -> bool:
    """Whether packets wait, or were lost for lack of room between two readings."""
    for name, value in found.items():
        if name.endswith(" occupancy") and value > CROWDED:
            return True
        lost = name.startswith("drop ") and name.rpartition(".")[2] in _NO_ROOM
        if lost and before and value > before.get(name, 0):
            return True
    return False
