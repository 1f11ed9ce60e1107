"""The statistics object: figures that any program may read, and the directory that says what is where.

It has a name (`/coven-NAME`), so that it can be opened without asking anybody. Whoever writes to it has it from `make`;
whoever reads it opens it by `open_named`, for reading only, and can change nothing and hold up nobody.
"""

from __future__ import annotations

import contextlib
import errno
import grp
import mmap
import os
import secrets
import stat
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import posix_ipc

from itf.segment import C, SegmentObject, ffi, header, page_up, put_text

GROUP = "coven"  #: whose members may read it, where there is such a group
SHM = Path("/dev/shm")
PREFIX = "/coven-"
TRIES = 1000  #: of a copy that nobody wrote into meanwhile


class Row(NamedTuple):
    """A figure of the directory. `kind`: enum figure_kind. `at`: offset of its value in the object."""

    name: str
    labels: str  #: as Prometheus writes them
    why: str
    unit: str
    kind: int
    at: int


class Statistics(SegmentObject):
    """As the keeper has it: the forwarder writes `published`, the keeper the rest."""

    head: Any
    name: str | None  #: without one it cannot be opened by others

    @classmethod
    def make(cls, vnf: str, sample: int, name: str | None = None) -> Statistics:
        """The object of a VNF of which one packet in `sample` is timed. `name`: as `names` proposes. Raises OSError,
        FileExistsError when there is one of that name."""
        published = page_up(ffi.sizeof("struct statistics_header"))
        cells = page_up(published + ffi.sizeof("struct statistics"))
        directory = page_up(cells + 8 * C.FIGURE_CELLS)
        size = page_up(directory + C.FIGURES * ffi.sizeof("struct figure"))
        obj = cls.create("statistics", size) if name is None else cls._named(name, size)
        assert isinstance(obj, Statistics)
        obj.name = name
        try:
            os.posix_fallocate(obj.fd, 0, directory)  # no room later would end the forwarder
        except BaseException:
            obj.close()
            raise
        obj.head = head = header(obj, "struct statistics_header")
        put_text(head.name, vnf)
        us = Owner.ourselves()
        head.keeper_pid, head.keeper_start, head.keeper_namespace = us.pid, us.start, us.namespace
        head.start_wall_ns = time.time_ns()
        head.published, head.cells, head.directory = published, cells, directory
        head.sample = sample
        return obj

    @classmethod
    def _named(cls, name: str, size: int) -> Statistics:
        try:
            made = posix_ipc.SharedMemory(name, posix_ipc.O_CREX, mode=0o600, size=size)
        except posix_ipc.ExistentialError:
            raise FileExistsError(f"there is a {name}") from None
        except posix_ipc.Error as problem:
            raise OSError(str(problem)) from None
        os.set_inheritable(made.fd, False)
        with contextlib.suppress(KeyError, OSError):  # no such group, or not ours to give
            os.fchown(made.fd, -1, grp.getgrnam(GROUP).gr_gid)
            os.fchmod(made.fd, 0o640)
        return cls(made.fd, size)

    @property
    def published(self) -> Any:
        """The struct statistics as it is being written: one cell of it is right, the whole may not be."""
        return self.at("struct statistics", self.head.published)

    def statistics(self) -> Any:
        """A consistent copy of what the forwarder published (a struct statistics).

        Raises TimeoutError if it died while it was publishing."""
        size = ffi.sizeof("struct statistics")
        copy, cell = ffi.new("struct statistics *"), self.published
        for _ in range(TRIES * 100):
            before = cell.sequence
            if before & 1 == 0:
                ffi.memmove(copy, cell, size)
                if cell.sequence == before:
                    return copy
        raise TimeoutError("the forwarder's figures stay half-written")

    def write(self, rows: Sequence[Row] | None, cells: bytes) -> int:
        """The keeper's part: the directory (None: it stays as it is), and its cells. Readers who come meanwhile try
        again. Returns how many figures had no room."""
        room = self._room(len(rows)) if rows is not None else 0
        head = self.head
        head.sequence |= 1
        try:
            if rows is not None:
                self._describe(rows[:room])
                head.left_out = len(rows) - room
            ffi.memmove(self.at("char", head.cells), cells, len(cells))
            head.cells_used = len(cells) // 8
            head.keeper_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        finally:
            head.sequence += 1
        return int(head.left_out)

    def _room(self, figures: int) -> int:
        """How many figures the directory can have, of those wanted: less where /dev/shm has no room."""
        figures = min(figures, C.FIGURES)
        with contextlib.suppress(OSError):
            os.posix_fallocate(self.fd, self.head.directory, max(1, figures * ffi.sizeof("struct figure")))
            return figures
        return int(self.head.figures)

    def _describe(self, rows: Sequence[Row]) -> None:
        cells = self.at("struct figure", self.head.directory)
        for number, row in enumerate(rows):
            cell = cells[number]
            for field in ("name", "labels", "why", "unit"):
                put_text(getattr(cell, field), getattr(row, field))
            cell.kind, cell.at = row.kind, row.at
        self.head.figures = len(rows)
        self.head.version += 1

    def unlink(self) -> None:
        """It has no name any more; who has it open may go on reading."""
        if self.name is not None:
            with contextlib.suppress(posix_ipc.ExistentialError):
                posix_ipc.unlink_shared_memory(self.name)
            self.name = None

    def close(self) -> None:
        self.unlink()
        super().close()


def names(base: str) -> Iterator[str]:
    """Names for the object of what lives in a folder called `base`: the plain one, then others, since another agent's
    VNF may be called the same, and anybody may take a name in /dev/shm."""
    yield PREFIX + base
    while True:
        yield f"{PREFIX}{base}.{secrets.token_hex(4)}"


class Strange(OSError):
    """What has the name is no object, or somebody else's: anybody may make anything in /dev/shm."""


def open_named(name: str | Path, ours: bool = False) -> tuple[int, mmap.mmap]:
    """A descriptor and a map of the object, for reading. `name`: of the object, or a path, or a link, that leads to it.
    `ours`: only of our own user, as nobody else can cut it short. Raises OSError, Strange."""
    path = name if isinstance(name, Path) else SHM / name.removeprefix("/")
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW  # a FIFO would be waited for
    if isinstance(name, Path) and path.is_symlink():  # a keeper's, to the object's name or a descriptor of its own
        path = path if path.is_relative_to("/proc") else path.parent / path.readlink()
        flags &= ~os.O_NOFOLLOW if path.is_relative_to("/proc") else ~0
    try:
        fd = os.open(path, flags)
    except OSError as problem:
        if problem.errno in (errno.ELOOP, errno.ENXIO):  # a link, a socket
            raise Strange(f"{path} is no statistics object") from None
        raise
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise Strange(f"{path} is no statistics object")
        if ours and status.st_uid != os.geteuid():
            raise Strange(f"{path} belongs to user {status.st_uid}, not to {os.geteuid()}")
    except BaseException:
        os.close(fd)
        raise
    try:
        return fd, mmap.mmap(fd, os.fstat(fd).st_size, mmap.MAP_SHARED, mmap.PROT_READ)
    except (OSError, ValueError) as problem:  # ValueError: an empty file
        os.close(fd)
        raise OSError(f"{path} cannot be mapped: {problem}") from None


@dataclass(frozen=True)
class Owner:
    """The keeper whose object it is: a process, by what no other has."""

    pid: int
    start: int  #: clock ticks since boot
    namespace: int  #: of PIDs, its inode number

    @classmethod
    def ourselves(cls) -> Owner:
        return cls(os.getpid(), _start_time(os.getpid()) or 0, _namespace())

    @property
    def gone(self) -> bool:
        """It certainly is no more: in another PID namespace nobody here can tell."""
        return self.namespace == _namespace() and _start_time(self.pid) != self.start


def _namespace() -> int:
    return os.stat("/proc/self/ns/pid").st_ino


def _start_time(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except OSError:
        return None


def owner(name: str) -> Owner | None:
    """Whose object it is; None: of one that died before it could say so. Raises OSError, Strange."""
    fd, view = open_named(name, ours=True)
    os.close(fd)
    with contextlib.closing(view):
        if len(view) < ffi.sizeof("struct statistics_header"):
            return None
        head = ffi.new("struct statistics_header *")
        ffi.memmove(head, view[: ffi.sizeof(head[0])], ffi.sizeof(head[0]))
        return Owner(head.keeper_pid, head.keeper_start, head.keeper_namespace) if head.keeper_pid else None


def remove_left(name: str, of: Owner | None = None) -> bool:
    """Remove the object of a keeper that is gone; `of`: of that one alone. False: there was none."""
    try:
        whose = owner(name)
    except (FileNotFoundError, Strange):
        return False
    except OSError:
        whose = None  # without a size yet
    if whose is not None and (not whose.gone if of is None else whose != of):
        return False
    if whose is None and of is None:  # it may be in the making
        return False
    try:
        posix_ipc.unlink_shared_memory(name)
    except posix_ipc.Error:
        return False
    return True


def sweep() -> list[str]:
    """Remove every object whose keeper is gone, whatever its folder has come to; their names."""
    found = [f"/{path.name}" for path in SHM.glob(f"{PREFIX.removeprefix('/')}*")] if SHM.is_dir() else []
    return [name for name in sorted(found) if remove_left(name)]
