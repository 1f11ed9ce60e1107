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
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > MOST_BYTES:
            return None
        return opened.read(MOST_BYTES).decode("utf-8", "replace")
