"""How long a scrape takes: what `GET /metrics` answers about 10 VNFs of 10 VNFCs each, every figure of every one.

    .venv/bin/python -m bench.scrape

The objects are real ones, with figures in them; the network and Prometheus are not in the figure.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

from agents.metrics import Exposition
from agents.statistics import Reader
from coven.agent.measured import Measured
from coven.keeper.figures.directory import HopFacts, PortFacts, row, rows
from itf.segment import C
from itf.statistics import Row, Statistics

REASONS = 3  #: that each VNFC declares


def filled(vnfcs: int) -> Statistics:
    """The object of a VNF whose VNFCs have all been busy."""
    made = Statistics.make("bench", 16)
    names = [f"vnfc{n}" for n in range(vnfcs)]
    declared = tuple((C.REASON_DECLARED + n, f"reason{n}") for n in range(REASONS))
    hops = [HopFacts(name, number, declared, ("next",)) for number, name in enumerate(names)]
    figures = rows(made.head.published, [PortFacts("in", 0), PortFacts("out", 1)], hops, [])
    own = [each for name in names for each in _own(made, name)]
    for number in range(vnfcs):
        place, hop = made.published.place[C.PLACE_HOP + number], made.published.hop[number]
        place.received = place.forwarded = 123456789 + number
        for cell in range(20, 120):
            hop.ring.cell[cell] = hop.vnfc.cell[cell] = 1000 + cell
    assert made.write([*figures, *own], bytes(8 * len(own))) == 0
    return made


def _own(made: Statistics, vnfc: str) -> list[Row]:
    """What the keeper tells of one VNFC."""
    at = made.head.cells
    named = ("coven_vnfc_up", "coven_vnfc_restarts_total", "coven_vnfc_exceptions_total", "coven_vnfc_held_packets",
             "coven_vnfc_requests_total", "coven_vnfc_request_timeouts_total",
             "coven_vnfc_request_seconds_total")  # fmt: skip
    found = [row(name, at, vnfc=vnfc) for name in named]
    for name in ("coven_process_cpu_seconds_total", "coven_process_resident_memory_bytes"):
        found.append(row(name, at, role="vnfc", vnfc=vnfc))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.scrape", description=__doc__)
    parser.add_argument("--vnfs", type=int, default=10)
    parser.add_argument("--vnfcs", type=int, default=10)
    parser.add_argument("--scrapes", type=int, default=50)
    given = parser.parse_args()
    objects = [filled(given.vnfcs) for _ in range(given.vnfs)]
    readers = {f"vnf{n}": Reader.open(Path(f"/proc/self/fd/{each.fd}")) for n, each in enumerate(objects)}
    exposition, measured = Exposition(), Measured()
    took, used = [], []
    for _ in range(given.scrapes + 1):
        begun, spent = time.perf_counter(), time.process_time()
        text = exposition.text(readers) + measured.text()
        took.append((time.perf_counter() - begun) * 1e3)
        used.append((time.process_time() - spent) * 1e3)
    lines = sum(1 for line in text.splitlines() if not line.startswith("#"))
    print(f"{given.vnfs} VNFs of {given.vnfcs} VNFCs: {lines} samples, {len(text) / 1e6:.2f} MB")
    for what, each in (("by the clock", took), ("of a processor", used)):
        print(f"ms {what}: the first scrape {each[0]:.0f}, then {statistics.median(each[1:]):.1f} "
              f"({min(each[1:]):.1f} to {max(each[1:]):.1f})")  # fmt: skip
    for reader in readers.values():
        reader.close()
    for made in objects:
        made.close()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
