"""Being told when files of a folder are saved: inotify through the C library, as a descriptor for the loop."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from pathlib import Path

from itf.limits import WatchLimit

_MASK = 0x008 | 0x040 | 0x080 | 0x100 | 0x200  # close after write, moved from, moved to, created, deleted
_IN_CREATE, _IN_ISDIR = 0x100, 0x40000000
_EVENT = struct.Struct("iIII")


class Inotify:
    """Watches a folder and those below it. `fd` is readable when something happened. Raises OSError."""

    def __init__(self, folder: Path):
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.fd = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self.fd < 0:
            raise WatchLimit(ctypes.get_errno(), "inotify is not to be had", str(folder))
        self._folders: dict[int, Path] = {}
        try:
            self._add(folder)
        except OSError:
            self.close()
            raise

    def _add(self, folder: Path) -> None:
        for where, folders, _ in os.walk(folder):
            folders[:] = [name for name in folders if not name.startswith((".", "__pycache__"))]
            number = self._libc.inotify_add_watch(self.fd, os.fsencode(where), _MASK)
            if number < 0:
                raise WatchLimit(ctypes.get_errno(), os.strerror(ctypes.get_errno()), where)
            self._folders[number] = Path(where)

    def read(self) -> Iterator[Path]:
        """What happened since: the files and folders concerned."""
        try:
            data = os.read(self.fd, 65536)
        except BlockingIOError:
            return
        at = 0
        while at < len(data):
            number, mask, _, size = _EVENT.unpack_from(data, at)
            name = data[at + _EVENT.size : at + _EVENT.size + size].rstrip(b"\0")
            at += _EVENT.size + size
            if number not in self._folders:
                continue
            path = self._folders[number] / os.fsdecode(name)
            if mask & _IN_ISDIR and mask & _IN_CREATE and path.is_dir():
                self._add(path)
            yield path

    def close(self) -> None:
        os.close(self.fd)
