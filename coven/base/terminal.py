"""What the terminal that we print to can show: how wide it is, and whether it wants colours (https://no-color.org)."""

from __future__ import annotations

import os
import shutil
import sys
from enum import Enum
from typing import TextIO

PLAIN = "\033[0m"


class Colour(Enum):
    """By what is said, never as the only sign of it."""

    BOLD = "\033[1m"
    DIM = "\033[2m"
    GOOD = "\033[32m"
    WARNING = "\033[33m"
    BAD = "\033[31m"


def width(stream: TextIO | None = None) -> int | None:
    """Columns that a line may have; None where nothing limits it: a file, a pipe."""
    stream = stream or sys.stdout
    if os.environ.get("COLUMNS", "").isdigit():
        return int(os.environ["COLUMNS"]) or None
    return shutil.get_terminal_size().columns if stream.isatty() else None


def colourful(stream: TextIO | None = None) -> bool:
    """A terminal, unless NO_COLOR is set or it is a dumb one; CLICOLOR_FORCE makes anything one."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("CLICOLOR_FORCE", "0") != "0":
        return True
    return (stream or sys.stdout).isatty() and os.environ.get("TERM", "dumb") != "dumb"


def paint(text: str, colour: Colour | None, stream: TextIO | None = None) -> str:
    """The text in a colour, if the stream shows them."""
    return f"{colour.value}{text}{PLAIN}" if colour and text and colourful(stream) else text


def progress(text: str) -> None:
    """Where long work is, for people who wait: one line on the terminal, written over; "" takes it away."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text[: (width(sys.stderr) or 100) - 1]}", end="", file=sys.stderr, flush=True)
