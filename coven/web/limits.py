"""What limits the chain of a VNF that somebody looks at: judged where packets wait, or are lost for lack of room."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from itf.mistakes import Refused

log = logging.getLogger("coven.agent")

CROWDED = 0.3  #: of a ring
EACH = 5.0  #: seconds from one judgement to the next; so long after the last sign one still stands
_NO_ROOM = re.compile(r"drop .*\.(full|quota|rx_ring_full|rx_dropped|tx_full|no_frame)")

Row = dict[str, Any]


class Limits:
    """`ask`: observes for a second and judges, as the API's bottleneck. It is asked in a thread of its own."""

    def __init__(self, name: str, ask: Callable[[], Row | None]):
        self._name = name
        self._ask = ask
        self._thread: threading.Thread | None = None
        self._before: Mapping[str, float] = {}
        self._crowded = self._judged = -EACH
        self._found: Row | None = None

    def look(self, found: Mapping[str, float]) -> Row | None:
        """What limits it, by figures of a reading (`samples.figures`); None: nothing, or it is not known yet."""
        now = time.monotonic()
        if crowded(self._before, found):
            self._crowded = now
            if now - self._judged >= EACH and not (self._thread and self._thread.is_alive()):
                self._judged = now
                self._thread = threading.Thread(target=self._judge, name=f"page limits {self._name}", daemon=True)
                self._thread.start()
        elif now - self._crowded > EACH:
            self._found = None
        self._before = found
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
        if before and value > before.get(name, 0) and _NO_ROOM.fullmatch(name):
            return True
    return False
