"""The journal of one keeper: what has been changed outside its own memory, written before each act.

An append-only file of JSON lines, the only truth about what a keeper that was killed left behind. Whoever
comes next undoes it from the end (`undo`). The keeper holds an exclusive lock on the file as long as it
lives, so a living keeper's journal is never undone, and numbers of processes are believed only together
with their start times.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

JOURNAL = "journal"  #: its name in a keeper's folder


class Busy(Exception):
    """A living keeper holds this journal."""


class Journal:
    """Append-only. `path` None keeps nothing (a run whose acts all die with the process).

    Raises Busy if another process holds it, OSError if it cannot be written.
    """

    def __init__(self, path: Path | None):
        self.path = path
        self._fd = -1
        if path is not None:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            lock(self._fd)

    def write(self, act: str, **facts: Any) -> None:
        """Record an act; on the disk when this returns, as far as a killed process is concerned. Raises OSError if it
        cannot be written: then it is not to be done."""
        if self._fd >= 0:
            line = (json.dumps({"act": act, **facts}, separators=(",", ":")) + "\n").encode()
            size = os.fstat(self._fd).st_size
            wrote = 0
            try:
                while wrote < len(line):
                    wrote += os.write(self._fd, line[wrote:])
            except OSError:
                os.ftruncate(self._fd, size)  # half a line would spoil the next one
                raise

    def note(self, act: str, **facts: Any) -> None:
        """Record what has happened already and what nobody needs in order to undo it; not on a full disk."""
        with contextlib.suppress(OSError):
            self.write(act, **facts)

    def __call__(self, entry: Mapping[str, Any]) -> None:
        """What a port backend is handed: an entry `{"act": ..., ...}` of its own."""
        entry = dict(entry)
        self.write(str(entry.pop("act", "interface")), **entry)

    def process(self, pid: int, role: str) -> None:
        """A process was started (it cannot be recorded before it has a number; it dies with its parent)."""
        self.note("process", pid=pid, start=start_time(pid), role=role)

    def finish(self) -> None:
        """Everything is undone: the file goes away."""
        if self._fd >= 0:
            assert self.path is not None
            self.path.unlink(missing_ok=True)
            os.close(self._fd)
            self._fd = -1


def lock(fd: int) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise Busy("a keeper is running here") from None


def start_time(pid: int) -> int | None:
    """When the process started, in clock ticks since boot; None if there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return int(text.rpartition(")")[2].split()[19])


@dataclass
class Left:
    """What was found in a dead keeper's journal."""

    started: bool = False  #: its VNF was forwarding
    undone: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)  #: could not be undone, and why


def read(path: Path) -> list[dict[str, Any]]:
    """The entries; a last line cut short by the keeper's death is left out."""
    entries = []
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        return []
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            entries.append(entry)
    return entries


def undo(path: Path, restore: Callable[[dict[str, Any]], str | None]) -> Left:
    """Undo a dead keeper's acts, the last one first, and remove its journal if all could be undone.

    `restore` undoes entries that are neither of processes nor of states; it returns what it did, or None
    for an entry that needed nothing. Raises Busy if the keeper lives.
    """
    left = Left()
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return left
    lock(fd)
    try:
        entries = read(path)
        for entry in entries:
            if entry.get("act") in ("started", "stopped"):
                left.started = entry["act"] == "started"
        for entry in reversed(entries):
            try:
                did = _kill(entry) if entry.get("act") == "process" else restore(entry)
            except Exception as problem:  # one thing that cannot be undone must not keep the others
                left.failed.append(f"{json.dumps(entry)}: {problem}")
                continue
            if did:
                left.undone.append(did)
        if not left.failed:
            path.unlink(missing_ok=True)
    finally:
        os.close(fd)
    return left


def _kill(entry: Mapping[str, Any]) -> str | None:
    """End a process that is certainly the one that was recorded."""
    pid, start = entry.get("pid"), entry.get("start")
    if not isinstance(pid, int) or pid <= 1 or start is None or start_time(pid) != start:
        return None
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return None
    return f"ended process {pid} ({entry.get('role')})"
