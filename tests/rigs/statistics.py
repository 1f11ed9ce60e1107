"""A statistics object with figures in it, for who reads such: a VNF `fw` with ports `in` and `out`, a VNFC `a`, and
one that an upgrade took away."""

from __future__ import annotations

from typing import Any

from agents.catalogue import BY_NAME, custom, labels
from coven.keeper.figures import directory
from coven.keeper.figures.directory import HopFacts, PortFacts
from coven.keeper.figures.keeping import PACKED
from itf.segment import C, ffi
from itf.statistics import Row, Statistics

PORTS = [PortFacts("in", 0), PortFacts("out", 1)]
HOPS = [
    HopFacts("a", 0, ((C.REASON_DECLARED, "policy"),), ("next", "side")),
    HopFacts("a", 3, ((C.REASON_DECLARED, "policy"),), ("next",)),  # what it was before an upgrade
    HopFacts("gone", 1, (), ("next",), False),
]


def count(times: Any, ns: int, often: int = 1) -> None:
    """As itf/frames.h's times_add."""
    top = ns.bit_length() - 1
    cell = 0
    if top >= C.TIMES_MOST:
        cell = C.TIMES_CELLS - 1
    elif top >= C.TIMES_LEAST:
        cell = 1 + (top - C.TIMES_LEAST) * C.TIMES_PARTS + (ns >> (top - 3) & (C.TIMES_PARTS - 1))
    times.count += often
    times.sum_ns += ns * often
    times.cell[cell] += often


def own(statistics: Statistics, *figures: tuple[str, dict[str, str], int, Any]) -> tuple[list[Row], bytes]:
    """The keeper's rows and cells: (name, labels, kind, value)."""
    rows, cells = [], b""
    for name, pairs, kind, value in figures:
        why = BY_NAME[name].why if name in BY_NAME else "said\\so"
        rows.append(Row(name, labels(pairs), why, "", kind, statistics.head.cells + len(cells)))
        cells += PACKED[kind].pack(*value) if isinstance(value, tuple) else PACKED[kind].pack(value)
    return rows, cells


def filled(name: str | None = None) -> Statistics:
    """The caller closes it."""
    made = Statistics.make("fw", 16, name)
    published = made.published
    arriving, leaving = published.place[C.PLACE_ARRIVING], published.place[C.PLACE_LEAVING + 1]
    arriving.received, arriving.forwarded, arriving.bytes_in = 100, 100, 6400
    leaving.received, leaving.forwarded, leaving.bytes_out = 80, 80, 5120
    for number, received, dropped in ((0, 60, 12), (3, 30, 8), (1, 10, 0)):
        place = published.place[C.PLACE_HOP + number]
        place.received, place.forwarded = received, received - dropped
        place.dropped[C.REASON_DECLARED] = dropped
        way = published.hop[number].way[0]
        way.packets, way.bytes = received - dropped, 64 * (received - dropped)
    published.place[C.PLACE_HOP].dropped[C.REASON_DECLARED] = 12
    bursts = published.place[C.PLACE_HOP].bursts
    bursts.cell[0], bursts.cell[5], bursts.sum = 2, 1, 34
    hop = published.hop[0]
    hop.waiting, hop.highest, hop.occupancy = 256, 512, 0.25
    count(hop.vnfc, 20_000_000, 3)
    count(published.hop[3].vnfc, 20_500_000, 2)
    count(hop.ring, 500)
    count(published.chain[0], 2**40)
    rows = directory.rows(made.head.published, PORTS, HOPS, [])
    counter, gauge, values = (custom(each, kind) for each, kind in (
        ("hits.bad", C.FIGURE_COUNTER), ("hits-bad", C.FIGURE_REAL), ("sizes", C.FIGURE_VALUES)))  # fmt: skip
    told, cells = own(
        made,
        ("coven_vnfc_up", {"vnfc": "a"}, C.FIGURE_GAUGE, 1),
        ("coven_vnfc_restarts_total", {"vnfc": "a"}, C.FIGURE_COUNTER, 4),
        ("coven_process_cpu_seconds_total", {"role": "vnfc", "vnfc": "a"}, C.FIGURE_REAL_COUNTER, 1.5),
        (counter[0], {"vnfc": "a", **counter[1]}, C.FIGURE_COUNTER, 7),
        (gauge[0], {"vnfc": "a", **gauge[1]}, C.FIGURE_REAL, 0.5),
        (values[0], {"vnfc": "a", **values[1]}, C.FIGURE_VALUES, (3, 9.5, *([1, 2] + [0] * (C.HOP_BUCKETS - 2)))),
    )
    assert made.write([*rows, *told], cells) == 0
    assert ffi.sizeof("struct times") == 8 * (2 + C.TIMES_CELLS)
    return made
