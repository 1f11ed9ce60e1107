"""Memory limits by cgroup: a group for each VNFC, under our own group, v1 or v2.

The kernel ends what is in a group that goes over its limit, and nothing else: `oom_kills` tells that
apart from other deaths. Where no group can be made the caller falls back to RLIMIT_DATA.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from dataclasses import dataclass
from pathlib import Path

PREFIX = "coven."
SYSTEM = Path("/sys/fs/cgroup")
MIB = 1 << 20


@dataclass(frozen=True)
class Controller:
    """Where groups are made. `version` 1 or 2."""

    version: int
    parent: Path

    @property
    def kind(self) -> str:
        return f"cgroup-v{self.version}"


def find_controller(system: Path = SYSTEM, membership: Path = Path("/proc/self/cgroup")) -> Controller | None:
    """The place where this process may make memory groups; None if there is none."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return None
    own = {kinds: path for _, kinds, path in (line.split(":", 2) for line in lines)}
    for kinds, path in own.items():
        if "memory" in kinds.split(","):
            for parent in (system / "memory" / path.lstrip("/"), system / "memory"):
                if _can_make(parent, "memory.limit_in_bytes"):
                    return Controller(1, parent)
    if (system / "cgroup.controllers").is_file() and "" in own:
        # Below a group that has processes the kernel gives no controllers (the root excepted), so beside
        # our own group, then under the root.
        mine = system / own[""].lstrip("/")
        for parent in (mine, mine.parent, system):
            if parent.is_relative_to(system) and _offers_memory(parent) and _can_make(parent, "memory.max"):
                return Controller(2, parent)
    return None


def _offers_memory(parent: Path) -> bool:
    try:
        return "memory" in (parent / "cgroup.subtree_control").read_text().split()
    except OSError:
        return False


def _can_make(parent: Path, file: str) -> bool:
    """Try it: access bits say nothing about delegation."""
    probe = parent / f"{PREFIX}probe.{os.getpid()}"
    try:
        probe.mkdir()
    except OSError:
        return False
    try:
        return (probe / file).exists() and os.access(probe / "cgroup.procs", os.W_OK)
    finally:
        probe.rmdir()


class MemoryGroup:
    """One VNFC's group. It may be entered again after a restart; `remove` ends what is still in it."""

    def __init__(self, controller: Controller, name: str, limit_mb: int):
        """Make the group with a limit in MiB. Raises OSError."""
        self.controller = controller
        self.path = controller.parent / (PREFIX + name)
        self.path.mkdir(exist_ok=True)
        limit = str(limit_mb * MIB)
        if controller.version == 2:
            (self.path / "memory.max").write_text(limit)
            self._optional("memory.swap.max", "0")
        else:
            # A smaller limit than memsw's is always accepted first; swap then counts as memory.
            self._optional("memory.memsw.limit_in_bytes", "-1")
            (self.path / "memory.limit_in_bytes").write_text(limit)
            self._optional("memory.memsw.limit_in_bytes", limit)

    def _optional(self, file: str, value: str) -> None:
        with contextlib.suppress(OSError):  # kernels without swap accounting lack the file
            (self.path / file).write_text(value)

    def entry_fd(self) -> int:
        """A descriptor: whoever writes "0" to it enters the group. The caller closes it."""
        return os.open(self.path / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)

    def pids(self) -> list[int]:
        try:
            return [int(pid) for pid in (self.path / "cgroup.procs").read_text().split()]
        except OSError:
            return []

    def oom_kills(self) -> int:
        """How many processes the kernel has ended here for want of memory."""
        file = "memory.events" if self.controller.version == 2 else "memory.oom_control"
        try:
            rows = (self.path / file).read_text().splitlines()
        except OSError:
            return 0
        return sum(int(row.split()[1]) for row in rows if row.startswith("oom_kill "))

    def remove(self) -> bool:
        """End what is in the group and remove it; False if something in it does not end within 1 s."""
        for pid in self.pids():
            _end(pid)
        try:
            self.path.rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True


def _end(pid: int) -> None:
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return
    try:
        signal.pidfd_send_signal(fd, signal.SIGKILL)
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        poll.poll(1000)
    except ProcessLookupError:
        pass
    finally:
        os.close(fd)


def sweep(controller: Controller | None, prefix: str) -> None:
    """Remove groups that a dead keeper left: those of ours whose name starts with `prefix`."""
    if controller is None:
        return
    for path in controller.parent.glob(PREFIX + prefix + "*"):
        group = object.__new__(MemoryGroup)
        group.controller, group.path = controller, path
        group.remove()
