"""What the boot tells whoever looks at the machine's consoles. Nothing of it goes into the journal."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import struct
import termios
import time
from pathlib import Path

ACTIVE = Path("/sys/class/tty/console/active")
SECONDS = 1.0  #: that a console may take; then it goes without the rest


def consoles(active: Path = ACTIVE) -> list[Path]:
    """Those that the kernel's command line names."""
    try:
        return [Path("/dev") / name for name in active.read_text().split()]
    except OSError:
        return []


def tell(lines: list[str], where: list[Path] | None = None) -> None:
    """Print lines on every console, as far as it takes them: a serial line with nobody there holds nothing up."""
    text = "".join(f"coven: {line}\r\n" for line in lines).encode(errors="replace")
    for console in consoles() if where is None else where:
        with contextlib.suppress(OSError):
            _write(os.open(console, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC), text)


def _write(descriptor: int, text: bytes) -> None:
    """Write what it takes within a second, and close it."""
    end = time.monotonic() + SECONDS
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    try:
        while text and (left := end - time.monotonic()) > 0:
            poll.poll(left * 1000)
            with contextlib.suppress(BlockingIOError):
                text = text[os.write(descriptor, text) :]
        if os.isatty(descriptor):
            while (waiting := _waiting(descriptor)) and time.monotonic() < end:
                time.sleep(0.01)
            if waiting or text:
                termios.tcflush(descriptor, termios.TCOFLUSH)  # else closing it would wait for half a minute
    except termios.error:
        pass
    finally:
        os.close(descriptor)


def _waiting(descriptor: int) -> int:
    """Bytes that a terminal has yet to send."""
    waiting: int = struct.unpack("i", fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(4)))[0]
    return waiting
