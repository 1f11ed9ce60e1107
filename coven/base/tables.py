"""Tables for people: aligned, never wider than the terminal, and nothing that a plain one could not show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from coven.base.terminal import Colour, paint, width
from itf.printable import printable

GAP = "  "


def table(head: Sequence[str], rows: Iterable[Sequence[object]], less: Sequence[str] = ()) -> str:
    """Columns as wide as they must be; numbers to the right. `less`: names of columns in the order in which they are
    left out where the terminal is narrower than the table; lines are never broken."""
    cells = [[_text(cell) for cell in row] for row in rows]
    columns = [[name, *(row[n] for row in cells)] for n, name in enumerate(head)]
    columns = _fitting(columns, less)
    widths = [max(map(len, column)) for column in columns]
    numeric = [len(column) > 1 and all(map(_is_number, column[1:])) for column in columns]

    def line(row: Sequence[str]) -> str:
        parts = [
            cell.rjust(w) if right else cell.ljust(w)
            for cell, w, right in zip(row, widths, numeric, strict=True)
        ]
        return GAP.join(parts).rstrip()

    first, *others = [line(row) for row in zip(*columns, strict=True)]
    return "\n".join([paint(first, Colour.BOLD), *others])


def _fitting(columns: list[list[str]], less: Sequence[str]) -> list[list[str]]:
    """The columns that the terminal has room for. What cannot be left out is the reader's to scroll to."""
    room = width()
    for name in less:
        needed = sum(max(map(len, column)) for column in columns) + len(GAP) * (len(columns) - 1)
        if room is None or needed <= room:
            break
        columns = [column for column in columns if column[0] != name]
    return columns


def _is_number(cell: str) -> bool:
    return cell == "-" or cell.replace(" ", "").lstrip("-").isdigit()


def _text(cell: object) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, int) and not isinstance(cell, bool):
        return f"{cell:,}".replace(",", " ")
    return printable(str(cell))
