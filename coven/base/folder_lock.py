"""Folders that others remove when nobody holds them: of runs, and of keepers.

Whoever lives in one holds it shared. Whoever removes one holds it alone from the look to the end, so that "nobody is
here" and "it is gone" are one step. A lock goes away with its process.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


class Held(Exception):
    """Somebody lives in this folder."""


def _open(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def hold(folder: Path) -> int:
    """Make the folder if it is not there, and hold it: a descriptor to be closed. Raises OSError."""
    while True:
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700, parents=True)
        try:
            fd = _open(folder)
        except FileNotFoundError:  # removed between the two
            continue
        fcntl.flock(fd, fcntl.LOCK_SH)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(fd), folder.stat(follow_symlinks=False)):
                return fd
        os.close(fd)  # somebody was removing it: another one


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """To look into a folder and remove it. Raises Held while somebody lives there, OSError if it is none."""
    fd = _open(folder)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Held(f"{folder}: somebody lives here") from None
        yield
    finally:
        os.close(fd)
