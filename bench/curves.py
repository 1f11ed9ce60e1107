"""Rates over chain length and over flows, drawn from the rows of `python -m bench.run`."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import page

Row = dict[str, Any]
PICTURE = "curves.svg"


def medians(rows: Sequence[Row], comparison: str) -> dict[str, float]:
    """By device, in Mpps."""
    found: dict[str, list[float]] = {}
    for row in rows:
        if row["comparison"] == comparison and "value" in row:
            found.setdefault(row["dut"], []).append(row["value"])
    return {name: statistics.median(values) for name, values in found.items()}


def over_length(rows: Sequence[Row]) -> dict[int, float]:
    """Rate by the number of VNFCs in a row; 0: the bare forwarder."""
    found = medians(rows, "chain length")
    return {int(name.split()[0]) if name[0].isdigit() else 0: rate for name, rate in found.items()}


def over_flows(rows: Sequence[Row]) -> dict[str, dict[int, float]]:
    """By device, rate by the number of flows."""
    found: dict[str, dict[int, float]] = {}
    for comparison in dict.fromkeys(row["comparison"] for row in rows):
        count, _, what = comparison.partition(" ")
        if what == "flows":
            for name, rate in medians(rows, comparison).items():
                found.setdefault(name, {})[int(count)] = rate
    return found


def draw(rows: Sequence[Row], to: Path) -> bool:
    """False without matplotlib, or without such rows."""
    pyplot, length, flows = page.plotter(), over_length(rows), over_flows(rows)
    if pyplot is None or not length or not flows:
        return False
    picture, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4), constrained_layout=True)
    chain = sorted(n for n in length if n > 0)
    left.plot(chain, [length[n] for n in chain], "o-", label="isolated C VNFCs in a row")
    if 0 in length:
        left.axhline(length[0], linestyle="--", color="grey", label="bare AF_XDP")
    left.set_xlabel("VNFCs")
    for name, rates in flows.items():
        counts = sorted(rates)
        right.plot(counts, [rates[n] for n in counts], "o-", label=name)
    right.set_xscale("log")
    right.set_xlabel("flows")
    for side in (left, right):
        side.set_ylabel("Mpps at 64 B")
        side.set_ylim(0, 1.1 * side.dataLim.y1)
        side.grid(alpha=0.3)
        side.legend(loc="lower left")
    page.save(pyplot, picture, to)
    return True
