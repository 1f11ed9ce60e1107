"""Files that must outlast a power cut before anybody is told that they are there. Until its content has been settled
(fsync(2)), such a cut may leave of a new file its name alone."""

from __future__ import annotations

import os
import stat
from pathlib import Path

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def settle(path: Path) -> None:
    """A file, or a folder with all below it, and its own name are on the disk when this returns. Raises OSError."""
    for folder, _, files in os.walk(path, topdown=False):
        for name in files:
            each = os.path.join(folder, name)
            if stat.S_ISREG(os.lstat(each).st_mode):
                _sync(each)
        _sync(folder)
    if not path.is_dir():
        _sync(path)
    _sync(path.parent)


def move(made: Path, target: Path) -> None:
    """What was made beside takes its place, whole or not at all, whatever happens meanwhile. Raises OSError."""
    settle(made)
    os.replace(made, target)
    _sync(target.parent)


def secret(file: Path, text: str) -> None:
    """A file with that line, for its owner alone. Raises OSError."""
    part = file.with_name(file.name + ".new")
    part.unlink(missing_ok=True)
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as stream:
        stream.write(text.rstrip("\n") + "\n")
    move(part, file)


def _sync(path: str | Path) -> None:
    fd = os.open(path, _FLAGS)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
