"""Where a VNFC's process was: every host, asked by SIGNAL or ended by a fault of its own code, writes its stack."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable

SIGNAL = signal.SIGXCPU  #: no language's runtime uses it, and what does not know it ends
SECONDS = 2.0  #: that it may take to answer; it ends when it has

HEAD = "(most recent call first):"
#: of Python's faulthandler; and ours, in the other languages
_FRAME = re.compile(
    r'\s*File "(?P<python>[^"]+)", line (?P<line>\d+) in (?P<function>.+)'
    r"|\s+at (?P<file>[^:]+):(?P<at>\d+) in (?P<of>.+)"
)


def place(lines: Iterable[str]) -> tuple[str, int, str] | None:
    """(file, line, function) of the innermost frame in the package, in the last stack of what a process wrote; the
    package's files have names from its folder."""
    found = None
    looking = False
    for text in lines:
        if text.endswith(HEAD):
            found, looking = None, True
        elif looking and found is None and (frame := _FRAME.fullmatch(text)) is not None:
            file = frame["python"] or frame["file"]
            if not file.startswith(("/", "<")):
                found = file, int(frame["line"] or frame["at"]), frame["function"] or frame["of"]
    return found
