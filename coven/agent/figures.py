"""The VNFs' statistics objects as the agent reads them: without a question to any keeper, so that none that hangs is
waited for."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from agents.statistics import Reader, Unreadable
from coven.keeper.client import STATISTICS

log = logging.getLogger("coven.agent")


class Readers:
    """By VNF. `run`: the folder of the keepers' folders. For several threads: one at a time reads."""

    def __init__(self, run: Path):
        self.run = run
        self._lock = threading.Lock()
        self._open: dict[str, Reader] = {}

    @contextmanager
    def of(self, names: Collection[str], forget: bool = False) -> Iterator[dict[str, Reader | None]]:
        """Readers of these VNFs, to be used within; None for one that has no object that can be read. `forget`: there
        are no others."""
        with self._lock:
            for name in set(self._open) - set(names) if forget else ():
                self._open.pop(name).close()
            yield {name: self._find(name) for name in names}

    def _find(self, name: str) -> Reader | None:
        path = self.run / name / STATISTICS
        known = self._open.get(name)
        try:
            status = path.stat()
            if known is not None and known.identity == (status.st_dev, status.st_ino):
                return known
            found = Reader.open(path, ours=True)
        except Unreadable as problem:
            log.warning("%s: %s", name, problem)
            found = None
        except OSError:
            found = None
        if known is not None:
            self._open.pop(name).close()
        if found is not None:
            self._open[name] = found
        return found

    def close(self) -> None:
        with self._lock:
            for reader in self._open.values():
                reader.close()
            self._open.clear()
