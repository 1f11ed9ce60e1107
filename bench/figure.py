"""The case study's rows as a table and a box plot: `python -m bench.figure [--write] ROWS.jsonl`.

A repetition gives one p50 and one p99. The table has their means over the repetitions with 95 % confidence
intervals (percentile bootstrap, Efron 1979, with a fixed seed); the picture has the repetitions themselves.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy

from bench import page

Row = dict[str, Any]  #: as bench.trial.run gives it, with `study` and `rep`

ROOT = Path(__file__).resolve().parent.parent
STUDIES = ("rtt", "throughput", "forwarders")
SECTION, PICTURE = "case study", "case-study.svg"
RESAMPLES = 10_000
#: of the C forwarder's rate
AIMS = {"Click": 0.95, "Java": 0.70, "JavaScript": 0.40}


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % confidence interval of the values' mean."""
    generator = numpy.random.default_rng(1)
    picks = generator.choice(numpy.asarray(values, dtype=float), (RESAMPLES, len(values)))
    low, high = numpy.percentile(picks.mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def values(rows: Sequence[Row], study: str, name: str, field: str = "value") -> list[float]:
    return [row[field] for row in rows if row["study"] == study and row["dut"] == name and field in row]


def names(rows: Sequence[Row], study: str) -> list[str]:
    """The devices of a study, in the order in which they were measured."""
    return list(dict.fromkeys(row["dut"] for row in rows if row["study"] == study))


def _failure(rows: Sequence[Row], study: str, name: str) -> str:
    found = (row["error"] for row in rows if row["study"] == study and row["dut"] == name and "error" in row)
    return next(found, "not run")


def _mean(found: Sequence[float]) -> str:
    low, high = interval(found)
    return f"{statistics.fmean(found):.4g} ({low:.4g}..{high:.4g})"


def rtt_table(rows: Sequence[Row]) -> str:
    """Round trips through the firewall, and what it lets through at most."""
    lines = [
        "| filter | RTT p50, us (95 % CI) | RTT p99, us (95 % CI) | repetitions | throughput, Mpps at 64 B |",
        "|---|---|---|---|---|",
    ]
    for name in names(rows, "rtt"):
        middle, high = values(rows, "rtt", name), values(rows, "rtt", name, "p99")
        if not middle:
            lines.append(f"| {name} | {_failure(rows, 'rtt', name)} | | | |")
            continue
        rate = values(rows, "throughput", name)
        most = f"{statistics.median(rate):.3g}" if rate else "not run"
        lines.append(f"| {name} | {_mean(middle)} | {_mean(high)} | {len(middle)} | {most} |")
    return "\n".join(lines)


def forwarder_table(rows: Sequence[Row]) -> str:
    """Medians of each language's rate, and what it takes longer for a packet than C."""
    lines = ["| forwarder | Mpps at 64 B | range | of C | ns a packet more | aim |", "|" + "---|" * 6]
    base = values(rows, "forwarders", "C")
    for name in names(rows, "forwarders"):
        found = values(rows, "forwarders", name)
        if not found:
            lines.append(f"| {name} | {_failure(rows, 'forwarders', name)} | | | | |")
            continue
        middle = statistics.median(found)
        share, more = "", ""
        if base and name != "C" and middle > 0:
            reference = statistics.median(base)
            share, more = f"{middle / reference:.2f}", f"{1000 / middle - 1000 / reference:+.0f}"
        aim = f">= {AIMS[name]:.2f}" if name in AIMS else ""
        spread = f"{min(found):.3g}..{max(found):.3g}"
        lines.append(f"| {name} | {middle:.3g} | {spread} | {share} | {more} | {aim} |")
    return "\n".join(lines)


def draw(rows: Sequence[Row], to: Path) -> bool:
    """A box for each filter's p50 and p99 over the repetitions. False without matplotlib, or without rows."""
    pyplot, shown = page.plotter(), [name for name in names(rows, "rtt") if values(rows, "rtt", name)]
    if pyplot is None or not shown:
        return False
    picture, axes = pyplot.subplots(1, 2, figsize=(11, 4), constrained_layout=True)
    for side, (field, title) in zip(axes, (("value", "p50"), ("p99", "p99")), strict=True):
        side.boxplot([values(rows, "rtt", name, field) for name in shown])
        side.set_xticks(range(1, len(shown) + 1), [name.replace(" + ", " +\n") for name in shown], fontsize=8)
        side.set_title(f"client-server RTT, {title} of a repetition")
        side.set_ylabel("us")
        side.set_ylim(bottom=0)
        side.grid(axis="y", alpha=0.3)
    page.save(pyplot, picture, to)
    return True


def section(rows: Sequence[Row], drawn: bool) -> str:
    """What stands in docs/performance.md."""
    parts = []
    if names(rows, "rtt"):
        parts += ["### The paper's figure: the firewall's filter in five languages", "", rtt_table(rows)]
        parts += ["", f"![RTT by the filter's language]({PICTURE})"] if drawn else []
        parts += [""]
    if names(rows, "forwarders"):
        parts += ["### Each language as a bare forwarder", "", forwarder_table(rows), ""]
    return "\n".join(parts).rstrip()


def publish(rows: Sequence[Row], folder: Path, write: bool) -> str:
    """Write the section to `folder` (case-study.md and its picture), with `write` to docs/ too; the text."""
    drawn = draw(rows, folder / PICTURE)
    text = section(rows, drawn)
    (folder / "case-study.md").write_text(text + "\n")
    if write:
        page.write(SECTION, text, (folder / PICTURE,) if drawn else ())
    return text if drawn else f"{text}\n(no picture: matplotlib is not installed, or no round trip was made)"


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.figure")
    parser.add_argument("rows", type=Path, nargs="?", default=ROOT / "build/bench/case-study.jsonl")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md and its picture")
    given = parser.parse_args()
    rows = [json.loads(line) for line in given.rows.read_text().splitlines()]
    print(publish(rows, given.rows.parent, given.write))


if __name__ == "__main__":
    main()
