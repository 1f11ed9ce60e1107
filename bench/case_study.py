"""The paper's figure, and every language beside C: `python -m bench.case_study` (a part of `make bench`).

Each trial is a fresh rig with a fresh process (bench/trial.py); devices take turns, so that what else the
machine does hits all alike. Rows go to build/bench/case-study.jsonl, table and picture beside it; with
--write into docs/performance.md as well. `python -m bench.figure` makes both from the rows again.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import figure, suite
from bench.rig import RigError, Traffic, cores
from bench.trial import Kind, Settings, run

#: the analyzer in Python and the filter in each language: name -> descriptor of packages/l7-firewall
FILTERS = {
    "Python + C": "vnf.yaml",
    "Python + Python": "python.yaml",
    "Python + Click": "click.yaml",
    "Python + Java": "java.yaml",
    "Python + JavaScript": "javascript.yaml",
}
#: each language as a bare forwarder: name -> descriptor of packages/forward
FORWARDERS = {
    "C": "c.yaml",
    "Click": "click.yaml",
    "Java": "java.yaml",
    "JavaScript": "javascript.yaml",
    "Python": "python.yaml",
    "Python, bursts": "python-burst.yaml",
    "all five": "five.yaml",
}
REPETITIONS, RATE_REPETITIONS = 30, 5  #: of round trips; of rates
QUICK_REPETITIONS = 3


@dataclass(frozen=True)
class Trial:
    study: str  #: one of figure.STUDIES
    kind: Kind
    name: str
    command: str


def trials(seconds: float, rep: int, rates: int) -> Iterator[Trial]:
    """Those of one repetition; the first `rates` repetitions measure rates as well."""
    ordinary = Kind("roundtrip", Traffic("pace", 64, 1, 1000, seconds), "us")
    rate = Kind("rate", Traffic(flows=64, seconds=seconds), "Mpps")
    firewall, forward = suite.ROOT / "packages/l7-firewall", suite.ROOT / "packages/forward"
    studies = [("rtt", ordinary, FILTERS, firewall)]
    if rep < rates:
        studies += [("throughput", rate, FILTERS, firewall), ("forwarders", rate, FORWARDERS, forward)]
    for study, kind, devices, folder in studies:
        for name, descriptor in devices.items():
            if (folder / descriptor).exists():
                package = (folder / descriptor).relative_to(suite.ROOT)
                yield Trial(study, kind, name, suite.coven(str(package)))


def measure(given: argparse.Namespace, settings: Settings, out: Path) -> list[figure.Row]:
    reps = given.reps or (QUICK_REPETITIONS if given.quick else REPETITIONS)
    rates = min(reps, given.rates or (1 if given.quick else RATE_REPETITIONS))
    rows: list[figure.Row] = []
    begun = time.monotonic()
    for rep in range(reps):
        for trial in trials(given.seconds or (0.5 if given.quick else 1), rep, rates):
            if given.only and given.only not in (trial.study, trial.name):
                continue
            row = run(trial.kind, trial.name, trial.command, settings)
            row |= {"study": trial.study, "rep": rep}
            rows.append(row)
            with out.open("a") as file:
                file.write(json.dumps(row) + "\n")
            got = row.get("error") or f"{row['value']:.4g} {row['unit']}"
            print(f"{time.monotonic() - begun:5.0f} s  {trial.study}: {trial.name}: {got}", flush=True)
    return rows


def main() -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="bench.case_study", description=__doc__, formatter_class=raw)
    parser.add_argument("--quick", action="store_true", help="three repetitions, half a second each")
    parser.add_argument("--reps", type=int, help="repetitions (30)")
    parser.add_argument("--rates", type=int, help="of them, those that measure rates as well (5)")
    parser.add_argument("--seconds", type=float, help="traffic of a trial (1)")
    parser.add_argument("--only", metavar="NAME", help=f"one device, or one of {', '.join(figure.STUDIES)}")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md and its picture")
    parser.add_argument("--cores", default="0,1", metavar="GENERATOR,DUT")
    given = parser.parse_args()
    folder = suite.ROOT / "build" / "bench"
    out = folder / "case-study.jsonl"
    try:
        if os.geteuid() != 0:
            raise RigError("bench needs root (namespaces, XDP): sudo make bench")
        generator, dut = cores(*map(int, given.cores.split(",")))
    except RigError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    os.chdir(suite.ROOT)
    folder.mkdir(parents=True, exist_ok=True)
    out.unlink(missing_ok=True)
    rows = measure(given, Settings(generator, dut, folder), out)
    print()
    print(figure.publish(rows, folder, given.write))
    print(f"rows: {out}")
    return 1 if any("error" in row for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
