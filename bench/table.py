"""Rows of results as a Markdown table: medians, range, ratio or difference to the reference, and the aim.

`python -m bench.table FILE.jsonl` prints it for docs/performance.md.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import suite

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


if __name__ == "__main__":
    found = [json.loads(line) for line in Path(sys.argv[1]).read_text().splitlines()]
    known = {row["comparison"] for row in found}
    print(markdown(found, [c for c in suite.comparisons(2, False) if c.name in known]))
