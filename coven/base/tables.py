"""Tables and lines for people: aligned, and nothing that a plain terminal could not show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Columns as wide as they must be; numbers to the right."""
    cells = [[_text(cell) for cell in row] for row in rows]
    plain = [list(row) for row in cells]
    numeric = [
        bool(plain) and all(row[n].replace(" ", "").lstrip("-").isdigit() or row[n] == "-" for row in plain)
        for n in range(len(head))
    ]
    widths = [
        max(len(name), *(len(row[n]) for row in plain)) if plain else len(name) for n, name in enumerate(head)
    ]

    def line(row: Sequence[str]) -> str:
        parts = [
            cell.rjust(w) if right else cell.ljust(w)
            for cell, w, right in zip(row, widths, numeric, strict=True)
        ]
        return "  ".join(parts).rstrip()

    return "\n".join([line(head), *(line(row) for row in plain)])


def _text(cell: object) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, int) and not isinstance(cell, bool):
        return f"{cell:,}".replace(",", " ")
    return "".join(c if c.isprintable() else "?" for c in str(cell))
