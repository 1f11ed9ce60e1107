"""What the boot of an appliance found wrong: lines in a file of the runtime folder, which the agent's answers show."""

from __future__ import annotations

from pathlib import Path

NAME = "troubles"


def read(run: Path) -> list[str]:
    """The lines; none where nothing was wrong."""
    try:
        return [line for line in (run / NAME).read_text(errors="replace").splitlines() if line]
    except OSError:
        return []


def add(run: Path, lines: list[str]) -> None:
    """What is there stays, and nothing is there twice. Raises OSError."""
    new = ["; ".join(part.strip() for part in line.splitlines()) for line in lines]
    known = read(run)
    with (run / NAME).open("a") as file:
        file.writelines(f"{line}\n" for line in dict.fromkeys(new) if line not in known)
