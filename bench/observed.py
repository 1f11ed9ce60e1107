"""What being watched costs: a reader that takes the statistics object 100 times a second, and makes of it once a
second what a scraper gets, beside two C VNFCs under flood.

    sudo .venv/bin/python -m bench.observed [--turns N]

One appliance, watched and left alone in turns. Needs root and two cores; only a quiet machine tells 1 % from none.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from select import select

from agents.metrics import Exposition
from agents.statistics import Reader
from bench.rig import Dut, RigError, Traffic, cores, rig
from bench.suite import ROOT, coven
from bench.trial import Kind, Settings, dut_and_sink, rate
from itf.statistics import PREFIX, SHM, owner

RATE, SECONDS = 100, 1.0  #: reads a second, seconds of a turn


def watch(name: str) -> None:
    """Read until stdin ends; then say on stdout how much of a processor that took."""
    exposition = Exposition()
    with Reader.open(name) as reader:
        exposition.text({reader.vnf: reader})
        begun, spent = time.monotonic(), time.process_time()
        for turn in itertools.count(1):
            reader.snapshot()
            if turn % RATE == 0:
                exposition.text({reader.vnf: reader})
            if select([sys.stdin], [], [], max(0.0, begun + turn / RATE - time.monotonic()))[0]:
                break
        print((time.process_time() - spent) / (time.monotonic() - begun))


def object_of(dut: Dut) -> str:
    """The statistics object of a process of the device. Raises RigError."""
    tree = dut.tree()
    for path in SHM.glob(f"{PREFIX.removeprefix('/')}*"):
        found = owner(f"/{path.name}")
        if found is not None and found.pid in tree:
            return f"/{path.name}"
    raise RigError("no statistics object")


@contextmanager
def watched(name: str, shares: list[float]) -> Iterator[None]:
    words = [sys.executable, "-m", "bench.observed", "--watch", name]
    reader = subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    time.sleep(0.7)  # until it has started
    try:
        yield
    finally:
        shares.append(float(reader.communicate()[0]))


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.observed", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--turns", type=int, default=10)
    parser.add_argument("--watch", metavar="NAME", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.watch:
        watch(given.watch)
        return 0
    folder = ROOT / "build" / "bench"
    traffic = Traffic(size=64, flows=64, seconds=SECONDS)
    kind, command = Kind("rate", traffic, "Mpps"), coven("packages/forward/c-c.yaml", "af_packet")
    mpps: dict[str, list[float]] = {"alone": [], "watched": []}
    work: dict[str, list[float]] = {"alone": [], "watched": []}
    shares: list[float] = []
    os.chdir(ROOT)
    try:
        settings = Settings(*cores(0, 1), Path(folder))
        with rig(0, 1) as at, dut_and_sink(kind, at, "c-c", command, settings) as (dut, sink, _):
            name = object_of(dut)
            for turn in range(given.turns):
                for mode in ("alone", "watched") if turn % 2 else ("watched", "alone"):
                    if mode == "watched":
                        with watched(name, shares):
                            found = rate(at, dut, sink, traffic)
                    else:
                        found = rate(at, dut, sink, traffic)
                    mpps[mode].append(found["value"])
                    work[mode].append(found["cpu"] * 1e3 / found["value"])
    except RigError as error:
        print(f"bench.observed: {error}", file=sys.stderr)
        return 1
    for mode, values in mpps.items():
        spread, used = f"{min(values):.4f} to {max(values):.4f}", work[mode]
        print(f"{mode:8} {statistics.median(values):.4f} Mpps ({spread}), "
              f"{statistics.median(used):.0f} ns of a processor a packet (at best {min(used):.0f})")  # fmt: skip
    ratio = statistics.median(mpps["watched"]) / statistics.median(mpps["alone"])
    print(f"watched / alone: {ratio:.3f}; the reader takes {100 * statistics.median(shares):.2f} % of a processor")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
