"""The audit log: who changed what, from where, with what result. Lines of JSON, only ever added to; rotated by size."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from collections import deque
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from coven.agent.rights.callers import NOBODY
from coven.agent.store import now
from itf.mistakes import Mistake

log = logging.getLogger("coven.agent")

FILE = "audit.log"
BYTES, FILES = 4 << 20, 8  #: of one file; of those before it
STRANGERS, WINDOW = 10, 60.0  #: lines about who is not known, in so many seconds: they must not push the others out
MOST = 300  #: characters of what was asked for


class _Rotating(RotatingFileHandler):
    """For its owner only."""

    def _open(self) -> TextIOWrapper:
        fd = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        return TextIOWrapper(open(fd, "ab"), encoding="utf-8")

    def emit(self, record: logging.LogRecord) -> None:
        super().emit(record)
        if self.stream is not None and record.levelno >= logging.INFO:  # strangers' lines may be lost in a power cut
            try:
                os.fsync(self.stream.fileno())
            except OSError:
                self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:
        error = sys.exc_info()[1]
        told = Mistake.of(error, file=self.baseFilename) if isinstance(error, OSError) else error
        log.error("the audit log cannot be written: %s", told)


class Audit:
    def __init__(self, folder: Path):
        self._handler = _Rotating(folder / FILE, maxBytes=BYTES, backupCount=FILES, encoding="utf-8", delay=True)
        self._lock = threading.Lock()
        self._strangers: deque[float] = deque(maxlen=STRANGERS)  #: when there was a line about one
        self._left_out = 0

    def note(self, who: str, origin: str, what: str, result: Any, **more: Any) -> None:
        """`what`: the change that was asked for, in the words of its interface, without contents. Of many lines about
        who is not known the next one says how many were left out."""
        if who == NOBODY.name:
            with self._lock:
                at = time.monotonic()
                if len(self._strangers) == STRANGERS and at - self._strangers[0] < WINDOW:
                    self._left_out += 1
                    return
                self._strangers.append(at)
                if self._left_out:
                    more["left_out"], self._left_out = self._left_out, 0
        line = {"time": now(), "who": who, "from": origin, "what": what[:MOST], "result": result, **more}
        level = logging.DEBUG if who == NOBODY.name else logging.INFO
        record = logging.LogRecord("audit", level, "", 0, json.dumps(line), None, None)
        self._handler.handle(record)

    def close(self) -> None:
        self._handler.close()
