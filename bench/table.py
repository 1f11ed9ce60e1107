"""Rows of results as a Markdown table: medians, range, ratio or difference to the reference, and the aim.

`python -m bench.table [--write] [ROWS.jsonl]` prints it, with --write into docs/performance.md as well.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import curves, page, suite

HEAD = "| what | device | median | range | against the reference | aim |\n|---|---|---|---|---|---|"


def markdown(rows: Sequence[dict[str, Any]], comparisons: Sequence[suite.Comparison]) -> str:
    lines = [HEAD]
    for comparison in comparisons:
        own = [row for row in rows if row["comparison"] == comparison.name]
        reference = _values(own, comparison.reference)
        for name in comparison.duts:
            values = _values(own, name)
            if not values:
                why = next((row["error"] for row in own if row["dut"] == name and "error" in row), "not run")
                lines.append(f"| {comparison.name} | {name} | {why} | | | |")
                continue
            middle, unit = statistics.median(values), comparison.kind.unit
            spread = f"{min(values):.4g}..{max(values):.4g}"
            against, aim = "", ""
            if name != comparison.reference:
                aim = comparison.aims.get(name, "")
                if reference:
                    against = compare(middle, statistics.median(reference), unit)
            cells = (comparison.name, name, f"{middle:.4g} {unit}", spread, against, aim)
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def compare(value: float, reference: float, unit: str) -> str:
    """Rates as a ratio, with the time that each packet costs more; times as a difference."""
    if unit == "us":
        return f"{value - reference:+.1f} us"
    if unit != "Mpps" or not value or not reference:
        return ""
    return f"{value / reference:.2f} ({1000 / value - 1000 / reference:+.0f} ns a packet)"


def _values(rows: Sequence[dict[str, Any]], name: str | None) -> list[float]:
    return [row["value"] for row in rows if row["dut"] == name and "value" in row]


def publish(rows: Sequence[dict[str, Any]], folder: Path, write: bool) -> str:
    """The table of these rows; its curves go to `folder`, and with `write` both to docs/."""
    known = {row["comparison"] for row in rows}
    text = markdown(rows, [c for c in suite.comparisons(2, False) if c.name in known])
    picture = folder / curves.PICTURE
    drawn = curves.draw(rows, picture)
    if drawn:
        text += f"\n\n![Rate by chain length and by flows]({curves.PICTURE})"
    if write:
        page.write("comparisons", text, (picture,) if drawn else ())
    return text


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.table", description=__doc__.splitlines()[0])
    parser.add_argument("rows", type=Path, nargs="?", default=suite.ROOT / "build/bench/results.jsonl")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md and its picture")
    given = parser.parse_args()
    try:
        rows = [json.loads(line) for line in given.rows.read_text().splitlines()]
    except OSError as error:
        parser.error(f"{given.rows}: {error.strerror}; `python -m bench.run` makes it")
    print(publish(rows, given.rows.parent, given.write))


if __name__ == "__main__":
    main()
