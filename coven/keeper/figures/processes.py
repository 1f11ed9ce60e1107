"""Processor time and memory of a VNF's processes, by psutil."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import psutil


class Processes:
    """By role and VNFC: one process after another, whose processor times add up."""

    def __init__(self) -> None:
        self._now: dict[tuple[str, str], _Process] = {}
        self._past: dict[tuple[str, str], float] = {}

    def look(self, role: str, vnfc: str, pid: int | None) -> tuple[float, int]:
        """Processor seconds ever, and bytes of resident memory now, with those of its children."""
        key = role, vnfc
        process = self._now.get(key)
        if process is not None and process.pid != pid:
            self._past[key] = self._past.get(key, 0.0) + process.seconds
            del self._now[key]
            process = None
        if process is None and pid is not None:
            process = self._now[key] = _Process(pid)
        memory = process.look() if process is not None else 0
        return self._past.get(key, 0.0) + (process.seconds if process is not None else 0.0), memory


class _Process:
    """A process and its children; what one that has ended used counts on."""

    def __init__(self, pid: int):
        self.pid = pid
        self.seconds = 0.0
        self._known: dict[int, psutil.Process] = {}
        self._used: dict[int, float] = {}

    def look(self) -> int:
        memory = 0
        for pid in [self.pid, *_children(self.pid)]:
            with suppress(psutil.Error):
                process = self._known.get(pid)
                if process is None or not process.is_running():
                    self._used[-len(self._used) - 1] = self._used.pop(pid, 0.0)
                    process = self._known[pid] = psutil.Process(pid)
                with process.oneshot():
                    times = process.cpu_times()
                    memory += process.memory_info().rss
                self._used[pid] = max(self._used.get(pid, 0.0), times.user + times.system)
        self.seconds = max(self.seconds, sum(self._used.values()))
        return memory


def _children(pid: int) -> list[int]:
    """Children, and theirs. psutil would look at every process of the machine for them."""
    found: list[int] = []
    for parent in [pid]:
        with suppress(OSError):
            near = [int(each) for each in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
            for child in near:
                found += [child, *_children(child)]
    return found
