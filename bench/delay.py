"""Whether a delay put into a VNFC shows as it is: in its histogram, as every monitoring program reads it, and in the
round trip that a client outside measures, which goes through it twice; over the same chain without the delay, one
packet at a time. Of both the quickest tenth, since the others tell of whoever else had the core.

    sudo .venv/bin/python -m bench.delay

Needs root and two cores; the middle of a histogram's cell is up to 6 % away from what was counted in it.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time

from agents.statistics import Distribution, Reader
from bench.observed import object_of
from bench.rig import RigError, Traffic, cores, finish, percentile, rig
from bench.suite import ROOT, coven
from bench.trial import DRAIN, Kind, Settings, dut_and_sink

DELAYS = (300, 1000, 3000)  #: microseconds
RATE, PACKETS = 50, 200  #: a second, and of each; of its ways through the VNFC one in 16 is timed
PART = 0.1
SOURCE = """#include <coven/vnfc.h>
#include <time.h>

static uint64_t now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

VNFC_HANDLE
{
	for (uint64_t end = now_us() + DELAY; now_us() < end;)
		;
	return VNFC_FORWARD;
}
"""


def package(delay: int) -> str:
    """The folder of a package with one VNFC that takes so many microseconds for each packet."""
    folder = ROOT / "build" / "bench" / f"delay-{delay}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "slow.c").write_text(SOURCE.replace("DELAY", str(delay)))
    (folder / "vnf.yaml").write_text('name: delay\nversion: "1"\nvnfcs: {slow: {source: slow.c}}\n'
                                     "chain: in -> slow -> out\n")  # fmt: skip
    return str(folder)


def measure(delay: int) -> tuple[float, float]:
    """Microseconds: what the VNFC's histogram says, and the client's round trip. Raises RigError."""
    traffic = Traffic("pace", 64, 1, RATE, PACKETS / RATE)
    settings = Settings(*cores(0, 1), ROOT / "build" / "bench")
    kind = Kind("roundtrip", traffic, "us")
    with rig(0, 1) as at, dut_and_sink(kind, at, "delay", coven(package(delay)), settings) as (dut, sink, _):
        before = sink.read("h")["histogram"]
        finish(at.send(traffic))
        time.sleep(DRAIN)
        after = sink.read("h")["histogram"]
        with Reader.open(object_of(dut)) as reader:
            found = {(figure.name, figure.labels): value for figure, value in reader.read()}
    times = found["coven_vnfc_seconds", 'vnfc="slow"']
    assert isinstance(times, Distribution)
    trips = {bucket: count - before.get(bucket, 0) for bucket, count in after.items()}
    return times.quantile(PART) / 1000, float(percentile(trips, PART))


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.delay", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.parse_args()
    try:
        alone, trip_alone = measure(0)
        print(f"without: {alone:.1f} us in the VNFC, {trip_alone:.0f} us round trip")
        for delay in DELAYS:
            inside, trip = measure(delay)
            twice = (trip - trip_alone) / 2
            print(f"{delay} us: {inside:.0f} in its histogram ({inside / delay - 1:+.1%}), {trip:.0f} round trip, "
                  f"of which {twice:.0f} each way more than without ({twice / delay - 1:+.1%})")  # fmt: skip
    except RigError as error:
        print(f"bench.delay: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
