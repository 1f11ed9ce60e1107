"""What the boot tells whoever looks at the machine's consoles. Nothing of it goes into the journal."""

from __future__ import annotations

import contextlib
from pathlib import Path

ACTIVE = Path("/sys/class/tty/console/active")


def consoles(active: Path = ACTIVE) -> list[Path]:
    """Those that the kernel's command line names."""
    try:
        return [Path("/dev") / name for name in active.read_text().split()]
    except OSError:
        return []


def tell(lines: list[str], where: list[Path] | None = None) -> None:
    """Print lines on every console, as far as it takes them."""
    text = "".join(f"coven: {line}\r\n" for line in lines)
    for console in consoles() if where is None else where:
        with contextlib.suppress(OSError), console.open("w") as stream:
            stream.write(text)
