"""`make bench`: Coven beside bare forwarders, in one run, interleaved, medians.

Every comparison runs its devices in turn, as often as --reps says, each time in a fresh rig with a fresh
process. Rows go to build/bench/results.jsonl, the table (bench/table.py) to the terminal.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

from bench import suite, table
from bench.rig import RigError, cores
from bench.trial import Settings, run


def main() -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="bench", description=__doc__, formatter_class=raw)
    parser.add_argument("--quick", action="store_true", help="the main figures, shorter: about two minutes")
    parser.add_argument("--reps", type=int, help="trials of each kind (5, quick: 1)")
    parser.add_argument("--seconds", type=float, help="traffic of a trial (2, quick: 1)")
    parser.add_argument("--only", metavar="TEXT", help="comparisons whose name contains TEXT")
    parser.add_argument("--list", action="store_true", help="name the comparisons and end")
    parser.add_argument("--cores", default="0,1", metavar="GENERATOR,DUT")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md and its picture")
    parser.add_argument("--out", type=Path, help="where rows go (build/bench/results.jsonl)")
    given = parser.parse_args()

    reps = given.reps or (1 if given.quick else 5)
    seconds = given.seconds or (1 if given.quick else 2)
    comparisons = suite.comparisons(seconds, given.quick)
    if given.only:
        comparisons = [c for c in comparisons if given.only in c.name]
    if given.list:
        print("\n".join(c.name for c in comparisons))
        return 0
    folder = suite.ROOT / "build" / "bench"
    out = given.out or folder / "results.jsonl"
    try:
        if os.geteuid() != 0:
            raise RigError("bench needs root (namespaces, XDP): sudo make bench")
        generator, dut = cores(*map(int, given.cores.split(",")))
    except RigError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    os.chdir(suite.ROOT)
    settings = Settings(generator, dut, folder)
    rows = []
    out.unlink(missing_ok=True)
    begun = time.monotonic()
    for rep in range(reps):
        for comparison in comparisons:
            for name, command in comparison.duts.items():
                row = run(comparison.kind_of(name), name, command, settings)
                row |= {"comparison": comparison.name, "rep": rep}
                rows.append(row)
                with out.open("a") as file:
                    file.write(json.dumps(row) + "\n")
                got = row.get("error") or f"{row['value']:.4g} {row['unit']}"
                print(f"{time.monotonic() - begun:5.0f} s  {comparison.name}: {name}: {got}", flush=True)
    print()
    print(table.publish(rows, folder, given.write))
    print(f"rows: {out}")
    return 1 if any("error" in row for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
