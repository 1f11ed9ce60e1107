"""Files that must outlast a power cut before anybody is told that they are there. Until its content has been settled
(fsync(2)), such a cut may leave of a new file its name alone."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from pathlib import Path

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
MANY = 64  #: files from which on all of the file system is settled at once, which is quicker then


def settle(path: Path) -> None:
    """A file, or a folder with all below it, and its own name are on the disk when this returns. Links below it are not
    followed. Raises OSError, which names the file."""
    _settle_content(path)
    settle_names(path.parent)


def settle_names(folder: Path) -> None:
    """The same of the names in a folder. Raises OSError."""
    _sync(folder)


def settle_all(folder: Path) -> None:
    """All that anybody has written to the file system that a folder is in (syncfs(2)). Raises OSError."""
    fd = os.open(folder, _FLAGS)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(fd):
            raise OSError(number := ctypes.get_errno(), os.strerror(number), str(folder))
    finally:
        os.close(fd)


def move(made: Path, target: Path) -> None:
    """What was made beside takes its place, whole or not at all, whatever happens meanwhile. Raises OSError."""
    _settle_content(made)
    os.replace(made, target)
    settle_names(target.parent)


def secret(file: Path, text: str) -> None:
    """A file with that line, for its owner alone. Raises OSError."""
    part = file.with_name(file.name + ".new")
    part.unlink(missing_ok=True)
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as stream:
        stream.write(text.rstrip("\n") + "\n")
    move(part, file)


def _settle_content(path: Path) -> None:
    if not path.is_dir():
        _sync(path)
        return
    found: list[str | Path] = []

    def unseen(error: OSError) -> None:
        raise error

    for folder, _, names in os.walk(path, topdown=False, onerror=unseen):
        files = (os.path.join(folder, name) for name in names)
        found += [each for each in files if stat.S_ISREG(os.lstat(each).st_mode)]
        found.append(folder)
    if len(found) > MANY:
        settle_all(path)
        return
    for each in found:
        _sync(each)


def _sync(path: str | Path) -> None:
    fd = os.open(path, _FLAGS)
    try:
        os.fsync(fd)
    except OSError as error:
        # some file systems know no such thing of folders, whose names are then as safe as they get
        number = error.errno or errno.EIO
        if number not in (errno.EINVAL, errno.ENOTSUP) or not stat.S_ISDIR(os.fstat(fd).st_mode):
            raise OSError(number, os.strerror(number), str(path)) from None
    finally:
        os.close(fd)
