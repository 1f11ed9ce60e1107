"""The forwarder against VNFCs that behave, and against ones that lie."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.utils import PcapReader, wrpcap

from itf import segment
from itf.segment import C
from tests.rigs.forwarder import PlayedHop, Rig


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    ether = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
    packets = [ether / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=n, dport=9) / bytes(20) for n in range(300)]
    for n, packet in enumerate(packets):
        packet.time = 1000 + n / 1000
    wrpcap(str(tmp_path / "in.pcap"), packets)
    return tmp_path / "in.pcap"


@pytest.fixture
def rigs() -> Iterator[list[Rig]]:
    made: list[Rig] = []
    yield made
    for rig in made:
        rig.close()


def verdict(rig: Rig, ref: int, kind: int, arg: int = 0) -> int:
    rig.records[ref].verdict, rig.records[ref].arg = kind, arg
    return ref


def play(rig: Rig, behave: object) -> dict[str, int]:
    """Serve every hop with behave(hop, refs) -> refs to give back, until the captures have ended."""
    for _ in range(100000):
        for hop in rig.hops:
            hop.head.host_asleep = 0
            refs = hop.take()
            back = behave(hop, refs)  # type: ignore[operator]
            if back:
                hop.give(back)
            hop.rest()
        message = rig.message(0.001)
        if message is not None:
            assert message.kind == C.MESSAGE_DONE, segment.text(message.text)
            break
        assert rig.totals()["unaccounted"] == 0
    else:
        pytest.fail("the captures never ended")
    rig.places_balanced()
    return rig.totals()


def test_two_hops_forward_everything_in_order(rigs: list[Rig], capture: Path, tmp_path: Path) -> None:
    rig = Rig(hops=2)
    rigs.append(rig)
    rig.wire(capture, tmp_path / "out.pcap")
    totals = play(rig, lambda hop, refs: [verdict(rig, ref, C.VERDICT_FORWARD) for ref in refs])
    assert totals["received"] == totals["forwarded"] == 300
    assert totals["unaccounted"] == totals["bogus"] == totals["in_flight"] == 0
    with PcapReader(str(tmp_path / "out.pcap")) as reader:
        assert [packet[UDP].sport for packet in reader] == list(range(300))


def test_every_verdict_is_counted_under_its_name(rigs: list[Rig], capture: Path, tmp_path: Path) -> None:
    rig = Rig()
    rigs.append(rig)
    segment.put_text(rig.hops[0].head.reason[0].name, "mine")
    rig.hops[0].head.reasons = 1
    rig.wire(capture, tmp_path / "out.pcap")
    verdicts = [
        (C.VERDICT_FORWARD, 0), (C.VERDICT_FORWARD, C.OUTPUT_BACK), (C.VERDICT_FORWARD, 7),
        (C.VERDICT_DROP, C.REASON_DECLARED), (C.VERDICT_DROP, C.REASON_DECLARED + 1),
        (C.VERDICT_CONSUME, 0), (C.VERDICT_NONE, 0), (77, 0),
        (C.VERDICT_FORWARD | C.VERDICT_FLOW, 0), (C.VERDICT_DROP, 65535),
    ]  # fmt: skip
    count = 0

    def behave(hop: PlayedHop, refs: list[int]) -> list[int]:
        nonlocal count
        for ref in refs:
            verdict(rig, ref, *verdicts[count % 10])
            count += 1
        return refs

    totals = play(rig, behave)
    hop = rig.statistics.statistics().place[C.PLACE_HOP]
    assert (hop.consumed, hop.dropped[C.REASON_DECLARED], hop.dropped[6]) == (30, 30, 30)
    assert hop.dropped[5] == 120  # output 7, a reason not declared, 65535, verdict 77
    place = rig.statistics.statistics().place
    assert place[C.PLACE_LEAVING].forwarded == 30 and place[C.PLACE_LEAVING + 1].forwarded == 60
    assert totals["unaccounted"] == 0


def test_packets_made_and_cloned_are_counted(rigs: list[Rig], capture: Path, tmp_path: Path) -> None:
    rig = Rig()
    rigs.append(rig)
    rig.wire(capture, tmp_path / "out.pcap")
    kinds = (C.FRAME_ORIGINATED, C.FRAME_CLONED)
    made = dict.fromkeys(kinds, 0)

    def behave(hop: PlayedHop, refs: list[int]) -> list[int]:
        spares = hop.take_spares(len(refs))
        for ref in spares:
            kind = kinds[sum(made.values()) % 2]
            made[kind] += 1
            record = rig.records[ref]
            record.data, record.len, record.link, record.port = 384, 60, C.LINK_ETHERNET, 0
            record.flags, record.graph = kind, 0
            verdict(rig, ref, C.VERDICT_FORWARD)
        return [verdict(rig, ref, C.VERDICT_FORWARD) for ref in refs] + spares

    totals = play(rig, behave)
    assert [totals["originated"], totals["cloned"]] == list(made.values()) == [150, 150]
    assert totals["forwarded"] == 600
    assert totals["unaccounted"] == 0


@pytest.mark.parametrize("seed", range(12))
def test_a_lying_vnfc_loses_nothing_but_its_own_packets(
    rigs: list[Rig], capture: Path, tmp_path: Path, seed: int
) -> None:
    """Random references, verdicts, bounds, flags and ring positions: the equation holds at every snapshot."""
    dice = random.Random(seed)
    rig = Rig(hops=2)
    rigs.append(rig)
    rig.wire(capture, tmp_path / "out.pcap")
    kept: list[int] = []
    honest_head: list[int] = []

    def lie(hop: PlayedHop, refs: list[int]) -> list[int]:
        if hop.number == 1:
            return [verdict(rig, ref, C.VERDICT_FORWARD) for ref in refs]
        if honest_head:
            hop.head.from_vnfc_head.position = honest_head.pop()
        kept.extend(refs)
        kept.extend(hop.take_spares(dice.randrange(4)))
        back: list[int] = []
        for _ in range(dice.randrange(1, 8)):
            ref = dice.choice([dice.randrange(2**32), dice.randrange(rig.pool.geometry.frames)] + kept)
            if ref < rig.pool.geometry.frames:
                record = rig.records[ref]
                verdict(rig, ref, dice.randrange(256) if dice.random() < 0.3 else C.VERDICT_FORWARD, dice.randrange(3))
                if dice.random() < 0.3:
                    record.data, record.len = dice.randrange(2**32), dice.randrange(2**32)
                record.flags, record.port = dice.randrange(256), dice.randrange(256)
                record.graph, record.link = dice.randrange(256), dice.randrange(256)
            back.append(ref)
        for ref in kept[:-100]:  # or nothing would ever end
            back.append(verdict(rig, ref, C.VERDICT_DROP, 5))
            kept.remove(ref)
        if not refs:
            back += [verdict(rig, ref, C.VERDICT_CONSUME) for ref in kept]
            kept.clear()
        if refs and dice.random() < 0.2:
            honest_head.append(hop.head.from_vnfc_head.position)
            hop.head.from_vnfc_head.position = dice.randrange(2**32)
        return back

    totals = play(rig, lie)
    assert totals["unaccounted"] == 0
    assert rig.process.poll() is None


def test_a_new_generation_loses_what_the_old_process_had(rigs: list[Rig], capture: Path, tmp_path: Path) -> None:
    rig = Rig()
    rigs.append(rig)
    rig.wire(capture, tmp_path / "out.pcap")
    old = rig.hops[0]
    while not (had := len(old.take())):
        pass
    new = PlayedHop(0, 2)
    rig.hops[0] = new
    rig.send_hop(new)
    rig.change(lambda w: rig.wire_hop(w, new, lost_reason=1))
    totals = play(rig, lambda hop, refs: [verdict(rig, ref, C.VERDICT_FORWARD) for ref in refs])
    hung = rig.statistics.statistics().place[C.PLACE_HOP].dropped[1]
    assert had <= hung and totals["forwarded"] == 300 - hung and totals["unaccounted"] == 0
    assert not rig.statistics.statistics().place[C.PLACE_HOP].dropped[0], "what it let wait is its fault, too"
    old.object.close()


def test_a_hop_that_is_down_drops_or_is_bypassed(rigs: list[Rig], capture: Path, tmp_path: Path) -> None:
    for on_failure, dropped in ((C.FAILURE_RESTART, 300), (C.FAILURE_BYPASS, 0)):
        rig = Rig()
        rigs.append(rig)
        rig.wire(capture, tmp_path / "out.pcap", state=C.HOP_DOWN, on_failure=on_failure)
        totals = play(rig, lambda hop, refs: refs)
        assert rig.statistics.statistics().place[C.PLACE_HOP].dropped[0] == dropped
        assert totals["forwarded"] == 300 - dropped and totals["unaccounted"] == 0


def kill(rig: Rig) -> None:
    rig.process.kill()
    rig.process.wait()
    rig.control.close()
    assert rig.process.stderr
    rig.process.stderr.close()


def test_a_spoilt_pool_keeps_no_forwarder_from_starting(rigs: list[Rig], capture: Path, tmp_path: Path) -> None:
    """Every VNFC may write to all of the pool: whoever starts anew trusts nothing in it."""
    rig = Rig()
    rigs.append(rig)
    kill(rig)
    segment.ffi.memmove(rig.pool.base, b"\xff" * rig.pool.size, rig.pool.size)
    rig.start_forwarder()
    rig.wire(capture, tmp_path / "out.pcap")
    totals = play(rig, lambda hop, refs: [verdict(rig, ref, C.VERDICT_FORWARD) for ref in refs])
    assert totals["received"] == totals["forwarded"] == 300 and totals["unaccounted"] == 0


def test_a_killed_forwarder_is_replaced_and_the_loss_written_off(
    rigs: list[Rig], capture: Path, tmp_path: Path
) -> None:
    rig = Rig()
    rigs.append(rig)
    rig.wire(capture, tmp_path / "out.pcap")
    had: list[int] = []
    while not had:
        had = rig.hops[0].take()
    kill(rig)

    def send_everything() -> None:
        rig.send_hop(rig.hops[0])
        for n, (name, flags) in enumerate((("in.pcap", os.O_RDONLY), ("out.pcap", os.O_WRONLY))):
            fd = os.open(tmp_path / name, flags)
            rig.send(C.MESSAGE_PORT, n, 1, (fd,))
            os.close(fd)

    rig.start_forwarder(send_everything)
    rig.switch(rig.config.head.epoch)
    rig.hops[0].give([verdict(rig, ref, C.VERDICT_FORWARD) for ref in had])
    totals = play(rig, lambda hop, refs: [verdict(rig, ref, C.VERDICT_FORWARD) for ref in refs])
    assert rig.forwarder.head.estimated == 1
    assert totals["unaccounted"] == 0 and totals["received"] == 300
    assert totals["forwarded"] + totals["dropped"] == 300 and totals["forwarded"] >= len(had)


def test_what_is_written_off_is_a_loss_of_the_place_that_had_it(
    rigs: list[Rig], capture: Path, tmp_path: Path
) -> None:
    """The first port has handed nothing on yet: what was lost came in by the other one."""
    rig = Rig()
    rigs.append(rig)
    while rig.forwarder.head.state != C.FORWARDER_RUNNING:
        time.sleep(0.001)
    kill(rig)
    place = rig.forwarder.head.live.place
    place[C.PLACE_ARRIVING + 1].received = place[C.PLACE_ARRIVING + 1].forwarded = 3
    rig.start_forwarder()
    rig.wire(capture, tmp_path / "out.pcap")
    totals = play(rig, lambda hop, refs: [verdict(rig, ref, C.VERDICT_FORWARD) for ref in refs])
    assert totals["received"] == 303 and totals["forwarded"] == 300 and totals["dropped"] == 3
    assert totals["unaccounted"] == 0
    rig.places_balanced()
