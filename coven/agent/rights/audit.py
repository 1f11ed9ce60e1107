"""The audit log: who changed what, from where, with what result. Lines of JSON, only ever added to; rotated by size."""

from __future__ import annotations

import json
import logging
import os
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from coven.agent.store import now

log = logging.getLogger("coven.agent")

FILE = "audit.log"
BYTES, FILES = 4 << 20, 8  #: of one file; of those before it


class _Rotating(RotatingFileHandler):
    """For its owner only."""

    def _open(self) -> TextIOWrapper:
        fd = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        return TextIOWrapper(open(fd, "ab"), encoding="utf-8")

    def handleError(self, record: logging.LogRecord) -> None:
        log.exception("the audit log cannot be written")


class Audit:
    def __init__(self, folder: Path):
        self._handler = _Rotating(folder / FILE, maxBytes=BYTES, backupCount=FILES, encoding="utf-8", delay=True)

    def note(self, who: str, origin: str, what: str, result: Any, **more: Any) -> None:
        """`what`: the change that was asked for, in the words of its interface, without contents."""
        line = {"time": now(), "who": who, "from": origin, "what": what, "result": result, **more}
        record = logging.LogRecord("audit", logging.INFO, "", 0, json.dumps(line), None, None)
        self._handler.handle(record)

    def close(self) -> None:
        self._handler.close()
