"""docs/performance.md: the sections in it that measurements write, each between two comment lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parent.parent / "docs" / "performance.md"


def section(name: str, text: str) -> str:
    """The text between the lines that `put` finds again."""
    return f"<!-- {name}: written by make bench -->\n\n{text}\n\n<!-- end of {name} -->"


def put(page: str, name: str, text: str) -> str:
    """The page with `text` in place of the section of that name, or with the section at its end."""
    begin, end = section(name, "\0").split("\n\n\0\n\n")
    before, found, rest = page.partition(begin)
    if not found:
        return f"{page.rstrip()}\n\n{section(name, text)}\n"
    _, closed, after = rest.partition(end)
    return before + section(name, text) + (after if closed else "\n")


def write(name: str, text: str, pictures: tuple[Path, ...] = ()) -> None:
    """Put a section into the page, and the pictures that it shows beside it."""
    PAGE.write_text(put(PAGE.read_text(), name, text))
    for picture in pictures:
        (PAGE.parent / picture.name).write_bytes(picture.read_bytes())


def plotter() -> Any | None:
    """matplotlib's pyplot, set up so that the same rows give the same file. None where it is not installed."""
    try:
        import matplotlib
    except ImportError:
        return None
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "coven"
    from matplotlib import pyplot

    return pyplot


def save(pyplot: Any, picture: Any, to: Path) -> None:
    """Write the picture without its date, and let go of it."""
    picture.savefig(to, metadata={"Date": None})
    pyplot.close(picture)
