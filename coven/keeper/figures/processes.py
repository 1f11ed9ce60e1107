"""Processor time and memory of a VNF's processes, by psutil."""

from __future__ import annotations

from contextlib import suppress

import psutil

from agents.machine import descendants


class Processes:
    """By role and VNFC: one process after another, whose processor times add up."""

    def __init__(self) -> None:
        self._now: dict[tuple[str, str], _Process] = {}
        self._past: dict[tuple[str, str], float] = {}
        self._told: dict[tuple[str, str], tuple[float, int]] = {}

    def told(self, role: str, vnfc: str) -> tuple[float, int]:
        """Processor seconds ever, and bytes of resident memory when it was last looked at, with those of its
        children."""
        return self._told.get((role, vnfc), (0.0, 0))

    def look(self, role: str, vnfc: str, pid: int | None) -> None:
        key = role, vnfc
        process = self._now.get(key)
        if process is not None and process.pid != pid:
            self._past[key] = self._past.get(key, 0.0) + process.seconds
            del self._now[key]
            process = None
        if process is None and pid is not None:
            process = self._now[key] = _Process(pid)
        memory = process.look() if process is not None else 0
        seconds = self._past.get(key, 0.0) + (process.seconds if process is not None else 0.0)
        self._told[key] = seconds, memory


class _Process:
    """A process and its children; what one that has ended used counts on."""

    def __init__(self, pid: int):
        self.pid = pid
        self.seconds = 0.0
        self._known: dict[int, psutil.Process] = {}
        self._used: dict[int, float] = {}

    def look(self) -> int:
        memory = 0
        for pid in [self.pid, *descendants(self.pid)]:
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
