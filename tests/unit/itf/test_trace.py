"""The trace of a forwarder: every packet's whole way, numbered as in the capture, and never a reason to wait."""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.utils import wrpcap

from agents.explain import Explainer
from agents.summary import summary
from coven.package.filters import compile_match
from itf.segment import C, Sight, Watch
from tests.rigs.forwarder import Rig

WIRE = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
PACKETS = 40


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    packets = [WIRE / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=n, dport=9) / bytes(60) for n in range(PACKETS)]
    for n, packet in enumerate(packets):
        packet.time = 1000 + n / 1000
    packets[3].wirelen = 5000  # cut short by whoever captured it
    wrpcap(str(tmp_path / "in.pcap"), packets)
    rig = Rig()
    yield rig
    rig.close()


class Reader:
    """The keeper's part in a trace."""

    def __init__(
        self, rig: Rig, *, number: int = 0, room: int = 1 << 20, every: int = 1, most: int = 0, match: str | None = None
    ):
        self.trace = Watch.make(room, C.CLOCK_CAPTURE, 96)
        self.trace.head.follow, self.trace.head.most = every, most
        if match is not None:
            compiled = compile_match(match)
            self.trace.filter(compiled.ethernet, compiled.ip)
        self.bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        rig.send(C.MESSAGE_WATCH, number, fds=(self.trace.fd, self.bell))

    def read(self) -> list[Sight]:
        return self.trace.read(1 << 20)

    def close(self) -> None:
        os.close(self.bell)
        self.trace.close()


def serve(rig: Rig, behave: Any) -> None:
    """behave(number of the packet) -> verdict, arg, or None to keep it."""
    count = 0
    while True:
        hop = rig.hops[0]
        hop.head.host_asleep = 0
        back = []
        for ref in hop.take():
            given = behave(count)
            count += 1
            if given is not None:
                rig.records[ref].verdict, rig.records[ref].arg = given
                back.append(ref)
        if back:
            hop.give(back)
        hop.rest()
        message = rig.message(0.001)
        if message is not None and message.kind == C.MESSAGE_DONE:
            break
    assert rig.totals()["unaccounted"] == 0


def test_every_packets_way(rig: Rig, tmp_path: Path) -> None:
    reader = Reader(rig)
    rig.hops[0].head.reasons = 1
    rig.wire(tmp_path / "in.pcap", tmp_path / "out.pcap")

    def behave(n: int) -> Any:
        if n == 0:
            return C.VERDICT_DROP, C.REASON_DECLARED
        if n == 1:
            return C.VERDICT_CONSUME, 0
        if n == 2:
            return C.VERDICT_FORWARD, C.OUTPUT_BACK
        return None if n == PACKETS - 2 else (C.VERDICT_FORWARD, 0)

    serve(rig, behave)
    records = reader.read()
    assert reader.trace.missed == 0 and reader.trace.head.read == reader.trace.head.written
    assert reader.trace.head.count[0].seen == PACKETS
    ways: dict[int, list[tuple[int, int, int]]] = {}
    for record in records:
        ways.setdefault(record.packet, []).append((record.event, record.place, record.arg))
    hop, arrived = C.PLACE_HOP, (C.TRACE_ARRIVED, C.PLACE_ARRIVING, 0)
    handed = (C.TRACE_HANDED, hop, 0)
    assert ways[1] == [arrived, handed, (C.TRACE_DROPPED, hop, C.REASON_DECLARED)]
    assert ways[2] == [arrived, handed, (C.TRACE_VERDICT, hop, 0)]
    assert ways[3] == [arrived, handed, (C.TRACE_VERDICT, hop, C.OUTPUT_BACK), (C.TRACE_LEAVING, C.PLACE_LEAVING, 0)]
    assert ways[4] == [arrived, (C.TRACE_DROPPED, C.PLACE_ARRIVING, 14)], "truncated: numbered though it had no frame"
    assert ways[5][-1] == (C.TRACE_LEAVING, C.PLACE_LEAVING + 1, 0)
    assert ways[PACKETS][-1] == (C.TRACE_DROPPED, hop, 9), "held until the end: shutdown"
    assert all(r.snap[:6] == b"\x02\0\0\0\0\x02" for r in records if r.event == C.TRACE_ARRIVED)
    assert records[0].time_ns == 1000 * 10**9

    reasons = {C.REASON_DECLARED: "mine", 14: "truncated", 9: "shutdown"}
    explainer = Explainer(["in", "out"], {"hop": ["next"]}, lambda place, n: (f"x.{reasons[n]}", "why"), {})
    lines = explainer.feed(records) + explainer.finish()
    by_number = {int(line[:5]): line for line in lines}
    assert len(lines) == len(by_number) == PACKETS
    assert by_number[1].endswith("in: drop x.mine (why)") and "UDP 10.0.0.1:0 > 10.0.0.2:9, 102 B" in by_number[1]
    assert by_number[2].endswith("in: hop consume")
    assert by_number[3].endswith("in: hop back -> in")
    assert by_number[4].endswith("in: drop x.truncated (why)")
    assert by_number[5].endswith("in: hop forward -> out")
    assert list(by_number) == sorted(by_number), "in the packets' order"

    narrow = Explainer(["in", "out"], {"hop": ["next"]}, lambda place, n: (f"x.{reasons[n]}", "why " * 9), {}, width=60)
    lines = narrow.feed(records) + narrow.finish()
    assert max(map(len, lines)) <= 60
    assert lines[0].endswith("in: drop x.mine") and "UDP 10.0.0.1:0 > 10.0.0.2:9" in lines[0], "without length and why"
    reader.close()


def test_a_line_waits_for_the_packets_before(rig: Rig, tmp_path: Path) -> None:
    """The first packet is held to the end: in a capture nothing is told before it, live nothing for a second."""
    reader = Reader(rig)
    rig.wire(tmp_path / "in.pcap", tmp_path / "out.pcap")
    serve(rig, lambda n: None if n == 0 else (C.VERDICT_FORWARD, 0))
    records = reader.read()
    for patient in True, False:
        explainer = Explainer(
            ["in", "out"], {"hop": ["next"]}, lambda place, n: ("x.shutdown", ""), {}, patient=patient
        )
        held = next(n for n, r in enumerate(records) if r.packet == 1 and r.event == C.TRACE_DROPPED)
        assert explainer.feed(records[:held]) == []
        late = [r._replace(time_ns=r.time_ns + 2 * 10**9 * (r.packet > 1)) for r in records[:held]]
        again = Explainer(["in", "out"], {"hop": ["next"]}, lambda place, n: ("x.shutdown", ""), {}, patient=patient)
        told = again.feed(late)
        assert bool(told) != patient
        rest = explainer.feed(records[held:]) + explainer.finish()
        assert [int(line[:5]) for line in rest] == list(range(1, PACKETS + 1))
    reader.close()


def test_a_slow_reader_loses_records_and_knows_how_many(rig: Rig, tmp_path: Path) -> None:
    whole, small = Reader(rig), Reader(rig, number=1, room=4096)
    rig.wire(tmp_path / "in.pcap", tmp_path / "out.pcap")
    serve(rig, lambda n: (C.VERDICT_FORWARD, 0))
    records, seen = whole.read(), small.read()
    assert 0 < len(seen) < len(records) and seen == records[: len(seen)], "what there is room for, in order"
    assert len(seen) + small.trace.missed == len(records) and whole.trace.missed == 0
    assert os.eventfd_read(small.bell) > 0, "half of its ring was full"
    assert rig.totals()["forwarded"] == PACKETS - 1
    assert small.read() == []
    small.close()
    whole.close()


def test_one_in_so_many_and_only_what_matches(rig: Rig, tmp_path: Path) -> None:
    reader = Reader(rig, every=8)
    some = Reader(rig, number=1, match="udp src portrange 10-12")
    rig.wire(tmp_path / "in.pcap", tmp_path / "out.pcap")
    serve(rig, lambda n: (C.VERDICT_FORWARD, 0))
    for numbers, read in (range(1, PACKETS + 1, 8), reader), (range(11, 14), some):
        events: dict[int, list[int]] = {}
        for record in read.read():
            events.setdefault(record.packet, []).append(record.event)
        whole = [C.TRACE_ARRIVED, C.TRACE_HANDED, C.TRACE_VERDICT, C.TRACE_LEAVING]
        assert events == dict.fromkeys(numbers, whole), "and of those everything"
        read.close()


@pytest.mark.parametrize(
    ("count", "apart", "most", "every", "followed", "passed"),
    [
        (40, 0.001, 10, 1, [*range(1, 11)], 30),
        (40, 0.001, 4, 8, [1, 9, 17, 25], 1),
        (40, 0.001, 40, 1, [*range(1, 41)], 0),
        # a burst takes 6.4 s of the capture, after which there is room for three again
        (200, 0.1, 3, 1, [1, 2, 3, 65, 66, 67, 129, 130, 131, 193, 194, 195], 188),
    ],
)
def test_so_many_a_second_and_the_others_are_counted(
    rig: Rig, tmp_path: Path, count: int, apart: float, most: int, every: int, followed: list[int], passed: int
) -> None:
    packets = [WIRE / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=n, dport=9) for n in range(count)]
    for n, packet in enumerate(packets):
        packet.time = 1000 + n * apart
    wrpcap(str(tmp_path / "in.pcap"), packets)
    reader, whole = Reader(rig, most=most, every=every), Reader(rig, number=1)
    rig.wire(tmp_path / "in.pcap", tmp_path / "out.pcap")
    serve(rig, lambda n: (C.VERDICT_FORWARD, 0))
    records, every_record = reader.read(), whole.read()
    told = reader.trace.head.count[0]
    counts = told.seen, told.matched, told.missed, told.passed
    reader.close()
    whole.close()
    assert sorted({record.packet for record in records}) == followed
    assert records == [record for record in every_record if record.packet in followed], "of those everything"
    assert counts == (len(followed), len(followed), 0, passed)


def two_links(packets: list[bytes], every: int) -> bytes:
    """A pcapng (draft-ietf-opsawg-pcapng) of Ethernet, but for every so manieth packet, which is plain IP."""

    def block(kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)

    made = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    made += b"".join(block(1, struct.pack("<HHI", link, 0, 0)) for link in (1, 101))
    for n, data in enumerate(packets):
        made += block(6, struct.pack("<IIIII", (n + 1) % every == 0, 0, n * 1000, len(data), len(data)) + data)
    return made


def test_of_a_few_that_are_followed_nothing_is_missed_while_others_are_passed_over(rig: Rig, tmp_path: Path) -> None:
    """Whatever ends them: also what a port refuses, here for its link, and what a VNFC keeps to the end."""
    count, every = 4000, 199  # more than a burst, so that whole bursts are passed over
    ip = IP(src="10.0.0.1", dst="10.0.0.2") / UDP(sport=1, dport=9) / bytes(60)
    (tmp_path / "in.pcap").write_bytes(two_links([bytes(ip if n % 3 == 2 else WIRE / ip) for n in range(count)], 3))
    verdicts = [(C.VERDICT_FORWARD, 0)] * 5 + [(C.VERDICT_DROP, C.REASON_DECLARED), (C.VERDICT_CONSUME, 0)]
    kept = [number - 1 - number // 3 for number in (598, 1394)]  # as the VNFC counts them; both are followed

    def ways(rig: Rig, readers: list[Reader]) -> list[list[tuple[int, ...]]]:
        rig.hops[0].head.reasons = 1
        rig.wire(tmp_path / "in.pcap", tmp_path / "out.pcap")
        serve(rig, lambda n: None if n in kept else verdicts[n % len(verdicts)])
        return [[(r.packet, r.event, r.place, r.arg, r.verdict) for r in reader.read()] for reader in readers]

    alone = Reader(rig, every=every)
    (found,) = ways(rig, [alone])
    alone.close()
    other = Rig()
    try:
        readers = [Reader(other, every=every), Reader(other, number=1, room=1 << 23)]
        sampled, whole = ways(other, readers)
        for reader in readers:
            reader.close()
    finally:
        other.close()
    followed = set(range(1, count + 1, every))
    assert sorted(found) == sorted(sampled) == sorted(step for step in whole if step[0] in followed)
    assert {step[0] for step in found if step[1:4] == (C.TRACE_DROPPED, C.PLACE_HOP, 9)} == {598, 1394}, "shutdown"
    ends = {step[1:3] for step in found}
    assert ends > {(C.TRACE_LEAVING, C.PLACE_LEAVING + 1), (C.TRACE_DROPPED, C.PLACE_ARRIVING),
                   (C.TRACE_DROPPED, C.PLACE_HOP), (C.TRACE_VERDICT, C.PLACE_HOP)}  # fmt: skip


def test_nonsense_is_no_trace(rig: Rig, tmp_path: Path) -> None:
    reader = Reader(rig)
    reader.trace.head.ring_size = 1 << 30
    rig.send(C.MESSAGE_WATCH, fds=(reader.trace.fd, reader.bell))
    rig.wire(tmp_path / "in.pcap", tmp_path / "out.pcap")
    serve(rig, lambda n: (C.VERDICT_FORWARD, 0))
    assert rig.totals()["forwarded"] == PACKETS - 1
    reader.close()


@pytest.mark.parametrize(
    ("packet", "words"),
    [
        (WIRE / IP(src="10.0.0.1", dst="10.0.0.2") / TCP(sport=1, dport=80, flags="SA"),
         "TCP SA 10.0.0.1:1 > 10.0.0.2:80"),
        (WIRE / Dot1Q(vlan=7) / ARP(psrc="10.0.0.1", pdst="10.0.0.2"), "vlan 7 ARP who has 10.0.0.2, tell 10.0.0.1"),
        (WIRE / IPv6(src="fd00::1", dst="fd00::2") / UDP(sport=5, dport=6), "UDP [fd00::1]:5 > [fd00::2]:6"),
        (WIRE / IP(src="10.0.0.1", dst="10.0.0.2", frag=2) / bytes(8), "IP fragment at 16 10.0.0.1 > 10.0.0.2"),
        (Ether(type=0x88CC, src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / bytes(9),
         "type 0x88cc 02:00:00:00:00:01 > 02:00:00:00:00:02"),
    ],
)  # fmt: skip
def test_summary(packet: Any, words: str) -> None:
    data = bytes(packet)
    assert summary(data, C.LINK_ETHERNET, len(data)) == f"{words}, {len(data)} B"


def test_a_summary_of_anything() -> None:
    chance = random.Random(1)
    for _ in range(20000):
        data = bytearray(chance.randbytes(chance.randrange(60)))
        if len(data) > 14:
            data[12:14] = chance.choice([b"\x08\x00", b"\x86\xdd", b"\x08\x06", b"\x81\x00", b"\x89\x4f"])
        assert summary(bytes(data), chance.randrange(3), 60)
