"""What is looked at again and again, in a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from itf.mistakes import Refused

log = logging.getLogger("coven.agent")


class Rounds:
    """Calls `look` every so many seconds. What goes wrong in one round is said under `name`; the next is another."""

    def __init__(self, name: str, seconds: float, look: Callable[[], object]):
        self._name = name
        self._seconds = seconds
        self._look = look
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """After the round that is going on."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._closing.wait(self._seconds):
            try:
                self._look()
            except Refused as refused:  # a full disk: the next time
                log.warning("%s: %s", self._name, refused)
            except Exception:
                log.exception(self._name)
