"""A hop's next generation takes over: nothing is lost, nothing overtakes, and nobody is freed from under a process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.utils import PcapReader, wrpcap

from itf.segment import REASONS, C, ffi
from tests.rigs.forwarder import PlayedHop, Rig

PACKETS = 200
SHUTDOWN = next(number for number, reason in REASONS.items() if reason.name == "shutdown")


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    ether = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
    wire = ether / IP(src="10.0.0.1", dst="10.0.0.2")
    wrpcap(str(tmp_path / "in.pcap"), [wire / UDP(sport=n, dport=9) for n in range(PACKETS)])
    rig = Rig(capture=False)
    yield rig
    rig.close()


def forward(rig: Rig, hop: PlayedHop, refs: list[int]) -> None:
    for ref in refs:
        rig.records[ref].verdict, rig.records[ref].arg = C.VERDICT_FORWARD, 0
    hop.give(refs)


def until(what: Any) -> Any:
    """Look until it is true: the forwarder runs beside us."""
    for _ in range(1_000_000):
        found = what()
        if found:
            return found
    raise AssertionError("it never came to that")


def swap(rig: Rig) -> tuple[PlayedHop, PlayedHop]:
    old, new = rig.hops[0], PlayedHop(0, 2)
    rig.hops.append(new)  # closed with the rig
    rig.send_hop(new)

    def edit(w: Any) -> None:
        w.hop[0].generation, w.hop[0].previous, w.hop[0].lost_reason = 2, 1, SHUTDOWN

    rig.change(edit)
    return old, new


def forget_previous(w: Any) -> None:
    w.hop[0].previous = 0


def forget_ports_too(w: Any) -> None:
    forget_previous(w)
    w.port[0].kind = w.port[1].kind = C.PORT_NONE


def sent(rig: Rig) -> int:
    return int(rig.forwarder.head.live.place[C.PLACE_LEAVING + 1].forwarded)


def test_nothing_is_lost_and_nothing_overtakes(rig: Rig, tmp_path: Path) -> None:
    rig.wire(tmp_path / "in.pcap", tmp_path / "out.pcap")
    old = rig.hops[0]
    first = until(lambda: (refs := old.take()) and refs)
    old, new = swap(rig)
    late = old.take()  # what was in its ring stays its own
    came = new.take()  # at most what 20 ms of waiting let through: nothing, unless this machine stood still
    for refs in (first, late):
        forward(rig, old, refs)
    swapped = rig.wait_for(C.MESSAGE_SWAPPED)
    assert (swapped.index, swapped.generation) == (0, 1)
    while sent(rig) < PACKETS:
        came += new.take()
        forward(rig, new, came)
        came = []
    rig.change(forget_previous)
    totals = until(lambda: (t := rig.totals())["forwarded"] == PACKETS and t)
    assert totals["received"] == PACKETS and totals["dropped"] == totals["unaccounted"] == totals["bogus"] == 0
    rig.places_balanced()
    assert sum(place_frames(rig, C.OWNER_SPARE + C.HOP_PREVIOUS)) == 0, "its spare frames are free again"
    with PcapReader(str(tmp_path / "out.pcap")) as reader:
        assert [packet[UDP].sport for packet in reader] == list(range(PACKETS))


def place_frames(rig: Rig, owner: int) -> list[bool]:
    owners = rig.forwarder.at("uint16_t", rig.forwarder.head.owners)
    return [owners[i] == owner for i in range(rig.forwarder.head.pool.frames)]


def test_what_the_old_one_never_gives_back_is_counted_when_it_has_ended(rig: Rig, tmp_path: Path) -> None:
    rig.wire(tmp_path / "in.pcap", tmp_path / "out.pcap")
    kept = until(lambda: (refs := rig.hops[0].take()) and refs)
    old, new = swap(rig)
    forward(rig, old, old.take())
    old.head.held = len(kept)  # it holds them: nobody waits for those
    done = lambda: sent(rig) + len(kept) >= PACKETS  # noqa: E731
    while not done():
        forward(rig, new, new.take())
    assert until(lambda: rig.totals()["in_flight"] == len(kept))
    assert rig.totals()["dropped"] == 0
    rig.change(forget_previous)
    totals = rig.totals()
    assert totals["dropped"] == len(kept) and totals["in_flight"] == totals["unaccounted"] == 0
    assert rig.statistics.statistics().place[C.PLACE_HOP].dropped[SHUTDOWN] == len(kept)
    rig.places_balanced()


def test_a_forwarder_that_dies_in_between_leaves_no_frame_behind(rig: Rig, tmp_path: Path) -> None:
    rig.wire(tmp_path / "in.pcap", tmp_path / "out.pcap")
    kept = until(lambda: (refs := rig.hops[0].take()) and refs)
    _, new = swap(rig)
    assert kept
    rig.process.kill()
    rig.process.wait()
    rig.process.stderr and rig.process.stderr.close()
    rig.control.close()
    rig.start_forwarder(lambda: rig.send_hop(new))
    while (message := rig.message(10)) is not None and message.kind != C.MESSAGE_READY:
        pass  # its ports did not come along: of no interest here
    rig.change(forget_ports_too)
    owners = rig.forwarder.at("uint16_t", rig.forwarder.head.owners)
    tags = {owners[i] & 0xFF for i in range(rig.forwarder.head.pool.frames) if owners[i] >= C.OWNER_SPARE}
    assert not any(tag >= C.HOP_PREVIOUS for tag in tags)
    assert rig.totals()["unaccounted"] == 0


def test_a_barrier_waits_for_what_is_on_its_way_and_not_for_what_is_held(rig: Rig, tmp_path: Path) -> None:
    rig.wire(tmp_path / "in.pcap", tmp_path / "out.pcap")
    hop = rig.hops[0]
    held = until(lambda: (refs := hop.take()) and refs)[:3]
    hop.head.held = len(held)

    def barrier(w: Any) -> None:
        w.barrier = 1
        for graph in range(w.graphs):
            w.graph_was[graph] = graph

    epoch = rig.config.head.epoch + 1
    w = rig.config.slot(epoch)
    ffi.memmove(w, rig.config.slot(epoch - 1), ffi.sizeof("struct wiring"))
    w.epoch = epoch
    barrier(w)
    rig.config.head.epoch = epoch
    rig.send(C.MESSAGE_KICK)
    given = 0
    while rig.forwarder.head.epoch != epoch:
        refs = hop.take()
        forward(rig, hop, refs)
        given += len(refs)
    rig.wait_for(C.MESSAGE_READY)
    forward(rig, hop, held)  # those follow the new wiring by now, or the old one
    hop.head.held = 0
    while sent(rig) + 0 < given + len(held):
        pass
    assert rig.totals()["unaccounted"] == 0


def test_a_hop_that_goes_gives_back_what_it_has(rig: Rig, tmp_path: Path) -> None:
    rig.wire(tmp_path / "in.pcap", tmp_path / "out.pcap")
    hop = rig.hops[0]
    had = until(lambda: (refs := hop.take()) and refs)

    def without(w: Any) -> None:
        w.hop[0].state, w.hop[0].previous, w.hop[0].lost_reason = C.HOP_DOWN, 1, SHUTDOWN
        w.first[0] = C.STAGE_PORT + 1
        for number in range(C.SEG_OUTPUTS):
            w.next[0][0][number] = C.STAGE_NONE

    rig.change(without)
    had += hop.take()
    forward(rig, hop, had)
    swapped = rig.wait_for(C.MESSAGE_SWAPPED)
    assert (swapped.index, swapped.generation) == (0, 1)
    rig.change(forget_previous)
    totals = until(lambda: (t := rig.totals())["forwarded"] == PACKETS and t)
    assert totals["dropped"] == totals["unaccounted"] == totals["in_flight"] == 0
    assert sum(place_frames(rig, C.OWNER_SPARE + C.HOP_PREVIOUS)) == 0
