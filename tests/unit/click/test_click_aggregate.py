"""Aggregate elements in Click configurations: flows are numbered, numbers are counted."""

from __future__ import annotations

from pathlib import Path

from scapy.layers.inet import ICMP, IP, TCP, UDP, IPerror, UDPerror, fragment
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from tests.rigs.click import Running, mistakes

MAC = Ether(src="02:00:00:00:00:0a", dst="02:00:00:00:00:01")
A, B = "10.0.0.10", "10.0.0.2"
FLOWS = """
    FromDevice(in) -> MarkIPHeader(14) -> f :: AggregateIPFlows(%s) -> c :: AggregateCounter(%s)
        -> p :: PaintSwitch;
    p[0] -> ToDevice(o0); p[1] -> ToDevice(o1); p[2] -> ToDevice(o2); p[3] -> ToDevice(o3);
    f[1] -> Discard;
"""
OUTPUTS = ("o0", "o1", "o2", "o3")


def udp(src: str, sport: int, dst: str, dport: int, size: int = 4) -> bytes:
    return bytes(MAC / IP(src=src, dst=dst) / UDP(sport=sport, dport=dport) / Raw(b"x" * size))


def tcp(src: str, sport: int, dst: str, dport: int, flags: str) -> bytes:
    return bytes(MAC / IP(src=src, dst=dst) / TCP(sport=sport, dport=dport, flags=flags))




def test_flows_get_numbers_and_directions(tmp_path: Path) -> None:
    with Running(tmp_path, FLOWS % ("ICMP true", ""), outputs=OUTPUTS) as r:
        assert r.fates(udp(A, 1, B, 2), udp(B, 2, A, 1), udp(A, 1, B, 2)) == ["to 0", "to 1", "to 0"]
        assert r.read("c.nagg") == 1
        assert r.fates(udp(B, 5, A, 6), udp(A, 6, B, 5), tcp(A, 1, B, 2, "S")) == ["to 0", "to 1", "to 0"]
        assert (r.read("c.nagg"), r.read("c.count"), r.read("f.nflows")) == (3, 6, 3)
        quoted = IPerror(src=A, dst=B) / UDPerror(sport=1, dport=2)
        error: Packet = MAC / IP(src="10.9.9.9", dst=A) / ICMP(type=3, code=3) / quoted
        assert r.fates(bytes(error)) == ["to 2"]
        others = (MAC / IP(src=A, dst=B) / ICMP(), MAC / IP(src=A, dst=B, proto=47))
        assert r.fates(*map(bytes, others)) == ["discard"] * 2
        # the same addresses: ports tell the direction
        assert r.fates(udp(A, 9, A, 8), udp(A, 8, A, 9)) == ["to 0", "to 1"]
        assert r.write("f.clear")["ok"]
        assert r.read("f.nflows") == 0
        assert r.fates(udp(B, 2, A, 1)) == ["to 0"]  # a new flow


def test_flows_end(tmp_path: Path) -> None:
    with Running(tmp_path, FLOWS % ("UDP_TIMEOUT 10, TCP_DONE_TIMEOUT 5, REAP 100", ""), outputs=OUTPUTS) as r:
        r.send(udp(A, 1, B, 2))
        assert r.fates(udp(B, 2, A, 1), after=9) == ["to 1"]
        assert r.fates(udp(B, 2, A, 1), after=12) == ["to 0"]  # the old one had ended
        assert r.read("c.nagg") == 2
        r.fates(tcp(A, 1, B, 2, "S"), tcp(B, 2, A, 1, "SA"), tcp(A, 1, B, 2, "FA"), tcp(B, 2, A, 1, "FA"))
        assert r.fates(tcp(A, 1, B, 2, "A")) == ["to 0"]
        assert r.read("c.nagg") == 3
        assert r.fates(tcp(B, 2, A, 1, "S")) == ["to 0"]  # the same ports again
        assert r.read("c.nagg") == 4
        assert r.read("f.nflows") == 2
        r.send(udp(A, 7, B, 8), after=200)
        assert r.read("f.nflows") == 2  # the idle UDP flow is forgotten, TCP is not


def test_fragments_wait_for_their_flow(tmp_path: Path) -> None:
    with Running(tmp_path, FLOWS % ("UDP_TIMEOUT 600", ""), outputs=OUTPUTS) as r:
        whole = IP(src=A, dst=B, id=77) / UDP(sport=1, dport=2) / Raw(b"y" * 60)
        first, second, third = (bytes(MAC / piece) for piece in fragment(whole, fragsize=24))
        assert r.send(udp(B, 2, A, 1)) and r.send(second) == [] and r.send(first) == []
        assert r.send(udp(A, 1, B, 2)) == []  # in order: it waits behind them
        back = r.send(third, udp(A, 1, B, 2), after=40)
        assert [b.data for b in back] == [second, first, udp(A, 1, B, 2), third, udp(A, 1, B, 2)]
        assert {r.fate(b) for b in back} == {"to 1"}
        assert r.read("c.nagg") == 1


def test_counts_by_aggregate(tmp_path: Path) -> None:
    text = """FromDevice(in) -> MarkIPHeader(14) -> f :: AggregateIPFlows
        -> c :: AggregateCounter(BYTES true, IP_BYTES true, AGGREGATE_FREEZE 2);
        c[0] -> ToDevice(o0); c[1] -> ToDevice(o1);"""
    with Running(tmp_path, text, outputs=OUTPUTS) as r:
        fates = r.fates(udp(A, 1, B, 2), udp(A, 3, B, 4, 100), udp(A, 5, B, 6), udp(B, 2, A, 1))
        assert fates == ["to 0", "to 0", "to 1", "to 0"]  # the third came when it was frozen
        assert (r.read("c.nagg"), r.read("c.count"), r.read("c.freeze")) == (2, 2 * 32 + 128, "true")
        assert r.write("c.reaggregate_counts")["ok"]
        assert (r.read("c.nagg"), r.read("c.count")) == (2, 2)
        assert r.write("c.write_ip_file", "-")["ok"]
        assert "No such file" in r.write("c.write_file", "/nowhere/x")["error"]
        assert r.write("c.stop")["ok"]
        assert r.read("c.active") == "false"
        assert r.fates(udp(A, 1, B, 2)) == ["to 1"]
        assert r.write("c.clear")["ok"]
        log = r.forwarder.close()
        assert log.splitlines()[-4:] == ["!num_nonzero 2", "!ip", "0.0.0.64 1", "0.0.0.128 1"]
    found = mistakes(text.replace("AGGREGATE_FREEZE 2", "AGGREGATE_FREEZE 2, AGGREGATE_STOP 3"))
    assert len(found) == 1 and "one of them" in found[0]
