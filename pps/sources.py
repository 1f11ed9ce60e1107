"""Looking into an author's sources for a better message: what a compiler names is opened only if it is theirs."""

from __future__ import annotations

import os
import stat
from pathlib import Path

MOST_BYTES = 4 << 20  #: of a file that is looked into


def text_of(file: str | os.PathLike[str], package: Path) -> str | None:
    """The text of a source in the folder `package`; None for what is elsewhere, behind a link, no file or too large.

    A `#line` directive makes a compiler name any file, and what reads its errors may do more than it may.
    """
    head = head_of(file, package, MOST_BYTES + 1)
    return None if head is None or len(head) > MOST_BYTES else head.decode("utf-8", "replace")


def head_of(file: str | os.PathLike[str], package: Path, most: int) -> bytes | None:
    """The first `most` bytes of a file in the folder `package`; None for what is elsewhere, a link or none."""
    path = Path(os.path.normpath(package / file))
    if not path.is_relative_to(package) or Path(os.path.realpath(path)) != Path(os.path.realpath(package)) / (
        path.relative_to(package)
    ):
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    with open(descriptor, "rb") as opened:
        return opened.read(most) if stat.S_ISREG(os.fstat(descriptor).st_mode) else None
