"""Where each of the forwarder's figures is in the statistics object, in the words of the descriptor.

A series that stands here several times is the sum of its cells: so the sums of the whole VNF need nobody who adds
them up, and what a VNFC counted as another hop, before an upgrade, goes on counting.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from agents.catalogue import BY_NAME, SUMS, labels
from itf.segment import REASONS, C, ffi
from itf.statistics import Row

Reasons = Mapping[int, str]

_AT_HOP, _AT_PORT = {"hop", "all"}, {"port", "all"}


class HopFacts(NamedTuple):
    """A hop. `told`: its VNFC is one of the VNF's, and not only in the sums."""

    name: str
    number: int
    reasons: tuple[tuple[int, str], ...]  #: declared: number, name
    outputs: tuple[str, ...]
    told: bool = True


class PortFacts(NamedTuple):
    name: str
    number: int
    told: bool = True


def row(name: str, at: int, **pairs: str) -> Row:
    """A series of the catalogue."""
    entry = BY_NAME[name]
    assert tuple(pairs) == entry.labels[1:], name
    return Row(name, labels(pairs), entry.why, entry.unit, entry.figure, at)


def rows(
    base: int, ports: Iterable[PortFacts], hops: Iterable[HopFacts], seen: Iterable[tuple[int, int]]
) -> list[Row]:
    """All of the forwarder's. `base`: offset of its struct statistics. `seen`: places and reasons that packets were
    dropped for, whether these can be there or not."""
    made = _Rows(base, set(seen))
    for port in ports:
        made.port(port)
    for hop in hops:
        made.hop(hop)
    for name, place in (("classifier", C.PLACE_CLASSIFIER), ("nsh", C.PLACE_NSH), ("flow", C.PLACE_FLOW)):
        made.single(name, place)
    made.add("coven_unaccounted_packets", "unaccounted")
    return made.rows


class _Rows:
    def __init__(self, base: int, seen: set[tuple[int, int]]):
        self.base = base
        self.seen = seen
        self.rows: list[Row] = []

    def add(self, name: str, *path: str | int, **pairs: str) -> None:
        self.rows.append(row(name, self.base + ffi.offsetof("struct statistics", *path), **pairs))

    def sums(self, place: int, *names: str) -> None:
        for name in names:
            self.add(f"coven_vnf_{name}_packets_total", "place", place, name)
        self.add("coven_in_flight_packets", "place", place, "in_flight")

    def drops(self, name: str, place: int, where: set[str], declared: Iterable[tuple[int, str]] = ()) -> None:
        known = {number: reason.name for number, reason in REASONS.items() if reason.where in where}
        known.update(declared)
        for number in sorted({number for at, number in self.seen if at == place} - set(known)):
            known[number] = REASONS[number].name if number in REASONS else f"reason_{number}"
        for number, reason in known.items():
            self.add("coven_drops_total", "place", place, "dropped", number, place=name, reason=reason)

    def port(self, port: PortFacts) -> None:
        arriving, leaving = C.PLACE_ARRIVING + port.number, C.PLACE_LEAVING + port.number
        self.sums(arriving, "received", "originated", "cloned", "consumed")
        self.sums(leaving, "originated", "cloned", "forwarded", "consumed")
        for place in (arriving, leaving):
            self.drops(port.name, place, _AT_PORT)
        if not port.told:
            return
        for way, place, packets, size in (
            ("in", arriving, "received", "bytes_in"), ("out", leaving, "forwarded", "bytes_out"),
        ):  # fmt: skip
            pairs = {"port": port.name, "direction": way}
            self.add("coven_port_packets_total", "place", place, packets, **pairs)
            self.add("coven_port_bytes_total", "place", place, size, **pairs)
            self.add("coven_port_in_flight_packets", "place", place, "in_flight", **pairs)
            self.add("coven_port_burst_packets", "place", place, "bursts", **pairs)
        self.add("coven_chain_seconds", "chain", port.number, port=port.name)

    def hop(self, hop: HopFacts) -> None:
        place = C.PLACE_HOP + hop.number
        self.sums(place, "originated", "cloned", "consumed")
        self.drops(hop.name, place, _AT_HOP, hop.reasons)
        if not hop.told:
            return
        vnfc = {"vnfc": hop.name}
        for name in SUMS:
            self.add(f"coven_vnfc_{name}_packets_total", "place", place, name, **vnfc)
        for output, name in _outputs(hop):
            self.add("coven_vnfc_packets_total", "hop", hop.number, "way", output, "packets", **vnfc, output=name)
            self.add("coven_vnfc_bytes_total", "hop", hop.number, "way", output, "bytes", **vnfc, output=name)
        for name, field in (
            ("coven_vnfc_received_bytes_total", "bytes_in"), ("coven_vnfc_in_flight_packets", "in_flight"),
            ("coven_vnfc_bogus_total", "bogus"), ("coven_vnfc_wakeups_total", "wakeups"),
            ("coven_vnfc_burst_packets", "bursts"),
        ):  # fmt: skip
            self.add(name, "place", place, field, **vnfc)
        for name, field in (
            ("coven_vnfc_seconds", "vnfc"), ("coven_ring_seconds", "ring"),
            ("coven_ring_highest_packets", "highest"), ("coven_ring_occupancy_ratio", "occupancy"),
        ):  # fmt: skip
            self.add(name, "hop", hop.number, field, **vnfc)
        for way, field in (("in", "waiting"), ("out", "returning")):
            self.add("coven_ring_packets", "hop", hop.number, field, **vnfc, direction=way)

    def single(self, name: str, place: int) -> None:
        self.sums(place, "originated", "cloned", "consumed")
        self.drops(name, place, {name})


def _outputs(hop: HopFacts) -> Iterator[tuple[int, str]]:
    yield from enumerate(hop.outputs)
    yield C.SEG_OUTPUTS, "back"
