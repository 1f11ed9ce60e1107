"""IP rewriters in Click configurations: what packets become, what they remember, when they forget."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from tests.rigs.click import Running, mistakes

MAC = Ether(src="02:00:00:00:00:0a", dst="02:00:00:00:00:01")
INSIDE, SERVER, NAT = "10.0.0.10", "192.0.2.1", "198.51.100.1"
CONFIG = """
    FromDevice(in) -> Strip(14) -> CheckIPHeader -> c :: IPClassifier(src net 10.0.0.0/8, -);
    rw :: %s;
    c[0] -> [0] rw;
    c[1] -> [1] rw;
    rw[0] -> Unstrip(14) -> ToDevice(zero);
    rw[1] -> Unstrip(14) -> ToDevice(one);
"""
NAPT = CONFIG % f"IPRewriter(pattern {NAT} 5000-5002# - - 0 1, drop%s)"
SIDES = ("zero", "one")


def tcp(src: str, sport: int, dst: str, dport: int, data: bytes = b"", **fields: Any) -> Packet:
    return MAC / IP(src=src, dst=dst) / TCP(sport=sport, dport=dport, seq=7, **fields) / Raw(data)


def udp(src: str, sport: int, dst: str, dport: int, **fields: Any) -> Packet:
    return MAC / IP(src=src, dst=dst) / UDP(sport=sport, dport=dport, **fields) / Raw(b"question")


def lines(table: str) -> list[str]:
    return sorted(table.splitlines())


def test_packets_and_replies_are_translated(tmp_path: Path) -> None:
    with Running(tmp_path, NAPT % "", outputs=SIDES) as r:
        # a map each, but one sequence
        for make, table, ports in ((tcp, "tcp_table", (5000, 5001)), (udp, "udp_table", (5002, 5000))):
            for i, port in enumerate(ports):
                [there] = r.send(bytes(make(INSIDE, 1000 + i, SERVER, 80)))
                assert (r.fate(there), there.data) == ("to 0", bytes(make(NAT, port, SERVER, 80)))
                [back] = r.send(bytes(make(SERVER, 80, NAT, port)))
                assert (r.fate(back), back.data) == ("to 1", bytes(make(SERVER, 80, INSIDE, 1000 + i)))
            [again] = r.send(bytes(make(INSIDE, 1000, SERVER, 80)))
            assert again.data == bytes(make(NAT, ports[0], SERVER, 80))
            assert len(lines(r.read(f"rw.{table}"))) == 4
        assert lines(r.read("rw.tcp_table"))[0] == (
            "(10.0.0.10, 1000, 192.0.2.1, 80) => (198.51.100.1, 5000, 192.0.2.1, 80) [*0 1] i0 exp300"
        )
        assert "(192.0.2.1, 80, 198.51.100.1, 5001) => (192.0.2.1, 80, 10.0.0.10, 1001) [0 *1] i0" in r.read(
            "rw.tcp_table"
        )
        assert r.read("rw.tcp_lookup", "10.0.0.10 1000 192.0.2.1 80") == "198.51.100.1 5000 192.0.2.1 80"
        assert r.read("rw.tcp_lookup", "10.0.0.10 9 192.0.2.1 80") == ""
        assert (r.read("rw.table_size"), r.read("rw.size"), r.read("rw.mapping_failures")) == (4, 4, 0)
        assert r.read("rw.patterns") == "198.51.100.1 5000-5002 - - [4]\n<drop>\n"
        # one port is left, the fifth TCP flow finds none
        fates = r.fates(*(bytes(tcp(INSIDE, 2000 + i, SERVER, 80)) for i in range(2)))
        assert fates == ["to 0", "not_rewritten"]
        assert r.read("rw.mapping_failures") == 1
        # nobody asked for these
        assert r.fates(bytes(tcp(SERVER, 81, NAT, 5000)), bytes(MAC / IP(src=INSIDE) / ICMP())) == ["not_rewritten"] * 2
        assert r.write("rw.clear")["ok"]
        assert r.read("rw.tcp_table") == r.read("rw.udp_table") == ""
        assert r.fates(bytes(tcp(SERVER, 80, NAT, 5000))) == ["not_rewritten"]


def test_udp_without_a_checksum_keeps_none(tmp_path: Path) -> None:
    with Running(tmp_path, CONFIG % f"UDPRewriter(pattern {NAT} 7 - 99 0 1, pass 1)", outputs=SIDES) as r:
        [there] = r.send(bytes(udp(INSIDE, 1000, SERVER, 53, chksum=0)))
        assert there.data == bytes(udp(NAT, 7, SERVER, 99, chksum=0))
        later = MAC / IP(src=SERVER, dst=NAT, frag=5) / Raw(b"a later fragment")
        assert r.fates(bytes(later), bytes(udp(SERVER, 1, NAT, 1))) == ["to 1", "to 1"]
        first = MAC / IP(src=INSIDE, dst=SERVER, frag=5) / Raw(b"a later fragment")
        assert r.fates(bytes(first)) == ["not_rewritten"]


def test_ports_that_are_kept_and_ports_at_random(tmp_path: Path) -> None:
    keeps = f"TCPRewriter(pattern {NAT} 1000-2000 - - 0 1, keep 0 1)"
    with Running(tmp_path, CONFIG % keeps, outputs=SIDES) as r:
        got = [Ether(r.send(bytes(tcp(INSIDE, p, SERVER, 80)))[0].data)[TCP].sport for p in (1500, 2000, 3000)]
        assert got[:2] == [1500, 2000] and 1000 <= got[2] <= 2000
        [other] = r.send(bytes(tcp("10.0.0.11", 1500, SERVER, 80)))
        assert Ether(other.data)[TCP].sport not in (1500, 2000)
        kept = bytes(tcp(SERVER, 1, "192.0.2.77", 2))
        assert [(r.fate(b), b.data) for b in r.send(kept)] == [("to 0", kept)]
        assert r.fates(bytes(tcp("192.0.2.77", 2, SERVER, 1))) == ["to 1"]
    with Running(tmp_path, CONFIG % f"TCPRewriter(pattern {NAT} 1-60000? - - 0 1, drop)", outputs=SIDES) as r:
        ports = [Ether(r.send(bytes(tcp(INSIDE, p, SERVER, 80)))[0].data)[TCP].sport for p in range(100, 140)]
        assert len(set(ports)) == 40 and ports != list(range(100, 140))
        assert min(ports) < 15000 and max(ports) > 45000


def test_flows_expire(tmp_path: Path) -> None:
    times = ", TCP_NODATA_TIMEOUT 20, TCP_TIMEOUT 100, TCP_DONE_TIMEOUT 10, UDP_TIMEOUT 30, UDP_STREAMING_TIMEOUT 60,"
    times += " GUARANTEE 2, UDP_GUARANTEE 0, REAP_INTERVAL 1"
    config = NAPT.replace("5000-5002#", "5000-5999#") % times
    with Running(tmp_path, config, outputs=SIDES) as r:

        def talk(port: int, **last: Any) -> None:
            """A TCP flow with data both ways; `last` is in the last packet of each side."""
            there = Ether(r.send(bytes(tcp(INSIDE, port, SERVER, 80, b"get")))[0].data)
            r.send(bytes(tcp(SERVER, 80, NAT, there[TCP].sport, b"page", **last)))
            r.send(bytes(tcp(INSIDE, port, SERVER, 80, **last)))

        r.send(bytes(tcp(INSIDE, 1, SERVER, 80, flags="S")))
        talk(2)
        talk(3, flags="FA")
        r.send(bytes(udp(INSIDE, 4, SERVER, 53)))
        for _ in range(3):
            port = Ether(r.send(bytes(udp(INSIDE, 5, SERVER, 53)))[0].data)[UDP].sport
        r.send(bytes(udp(SERVER, 53, NAT, port)))
        sizes = []
        for seconds in (5, 7, 11, 10, 40, 50):
            r.wait(seconds)
            sizes.append(r.read("rw.size"))
        # 10 s: done; 20 s: no data; 30 s: UDP; 60 s: streaming UDP; 100 s: TCP with data
        assert sizes == [5, 4, 3, 2, 1, 0]


def test_capacity_takes_the_next_to_expire(tmp_path: Path) -> None:
    config = CONFIG % f"TCPRewriter(pattern {NAT} 5000-5999# - - 0 1, drop, CAPACITY 3, GUARANTEE 5)"
    with Running(tmp_path, config, outputs=SIDES) as r:
        flows = [bytes(tcp(INSIDE, port, SERVER, 80)) for port in range(5)]
        # all are guaranteed: there is no place for a fourth
        assert r.fates(*flows[:4]) == ["to 0"] * 3 + ["not_rewritten"]
        assert (r.read("rw.size"), r.read("rw.mapping_failures")) == (3, 1)
        r.wait(6)
        assert r.fates(flows[4]) == ["to 0"]  # instead of the oldest
        assert "(10.0.0.10, 0," not in r.read("rw.table") and r.read("rw.size") == 3
        assert r.write("rw.capacity", "1")["ok"]
        assert (r.read("rw.capacity"), r.read("rw.size")) == (1, 1)


def test_many_flows_come_and_go(tmp_path: Path) -> None:
    config = CONFIG % f"UDPRewriter(pattern {NAT} 1024-65535# - - 0 1, drop, CAPACITY 500, UDP_GUARANTEE 0)"
    with Running(tmp_path, config, outputs=SIDES) as r:
        for start in range(0, 2000, 200):
            packets = [bytes(udp(INSIDE, start + i + 1, SERVER, 53)) for i in range(200)]
            assert {r.fate(b) for b in r.send(*packets)} == {"to 0"}
        assert r.read("rw.size") == 500
        assert len(lines(r.read("rw.table"))) <= 1000
        assert Ether(r.send(bytes(udp(SERVER, 53, NAT, 1024 + 1999)))[0].data)[UDP].dport == 2000
        assert r.fates(bytes(udp(SERVER, 53, NAT, 1024))) == ["not_rewritten"]


def test_addresses_of_any_protocol(tmp_path: Path) -> None:
    config = CONFIG % "IPAddrPairRewriter(pattern 198.51.100.0/30# - 0 1, drop)"
    with Running(tmp_path, config, outputs=SIDES) as r:
        for i, layer in enumerate((ICMP(), TCP(sport=1, dport=2), UDP(sport=3, dport=4))):
            there = MAC / IP(src=f"10.0.0.{i}", dst=SERVER) / layer
            want = MAC / IP(src=f"198.51.100.{i + 1}", dst=SERVER) / layer
            if i == 2:  # only .1 and .2 are hosts
                assert r.fates(bytes(there)) == ["not_rewritten"]
                continue
            assert r.send(bytes(there))[0].data == bytes(want)
            [back] = r.send(bytes(MAC / IP(src=SERVER, dst=f"198.51.100.{i + 1}") / layer))
            assert back.data == bytes(MAC / IP(src=SERVER, dst=f"10.0.0.{i}") / layer)
        shown = lines(r.read("rw.table"))[0]
        assert shown.startswith("(10.0.0.0, 192.0.2.1) => (198.51.100.1, 192.0.2.1) [*0 1] i0 exp")


def test_annotations_and_shared_capacity(tmp_path: Path) -> None:
    text = """
        FromDevice(in) -> Strip(14) -> CheckIPHeader -> c :: IPClassifier(src net 10.0.0.0/8, src 192.0.2.1, -);
        IPRewriterPatterns(out 198.51.100.1 5000-5010# - -);
        AddressInfo(server 192.0.2.1);
        a :: TCPRewriter(pattern out 0 1, drop, REPLY_ANNO PAINT, CAPACITY 3);
        b :: TCPRewriter(pattern - - server 8080 0 1, CAPACITY a);
        c[0] -> Paint(3) -> [0] a; c[1] -> Paint(1) -> [1] a; c[2] -> [0] b;
        a[0] -> Unstrip(14) -> ToDevice(zero); a[1] -> k :: CheckPaint(3) -> Unstrip(14) -> ToDevice(one);
        k[1] -> Discard;
        b[0] -> look :: StaticIPLookup(192.0.2.1/32 0) -> Unstrip(14) -> ToDevice(zero); b[1] -> Discard;
    """
    with Running(tmp_path, text, outputs=SIDES) as r:
        assert r.fates(bytes(tcp(INSIDE, 1, SERVER, 80)), bytes(tcp(SERVER, 80, NAT, 5000))) == ["to 0", "to 1"]
        [there] = r.send(bytes(tcp("203.0.113.1", 1, "203.0.113.2", 80)))
        assert there.data == bytes(tcp("203.0.113.1", 1, SERVER, 8080))
        assert (r.read("a.size"), r.read("b.size"), r.read("a.table_size"), r.read("b.table_size")) == (2, 2, 1, 1)
        assert r.write("b.clear")["ok"]
        assert r.read("a.table") == ""


def test_patterns_may_be_written(tmp_path: Path) -> None:
    with Running(tmp_path, NAPT % "", outputs=SIDES) as r:
        r.send(bytes(tcp(INSIDE, 1, SERVER, 80)))
        for wrong, why in (
            ("keep 0 2", "out of range"), ("pattern 1.2.3.4 0 - - 0 1", "bad source port"), ("go", "unknown"),
            ("pattern 1.2.3 - - - 0 1", "bad source address"), ("", "syntax error"),
            ("pattern - - x - 0 1", "bad destination address"), ("pattern - - - 70000 0 1", "bad destination port"),
        ):  # fmt: skip
            answer = r.write("rw.pattern0", wrong or " ")
            assert why in answer.get("error", ""), (wrong, answer)
        assert r.read("rw.table_size") == 1
        assert r.write("rw.pattern0", "pattern 203.0.113.9 - - 8080 1 0")["ok"]
        assert r.read("rw.table_size") == 0
        [back] = r.send(bytes(tcp(INSIDE, 1, SERVER, 80)))
        assert (r.fate(back), back.data) == ("to 1", bytes(tcp("203.0.113.9", 1, SERVER, 8080)))
        assert r.read("rw.pattern0") == "203.0.113.9 - - 8080 [1]\n"


def test_wrong_specifications_are_mistakes() -> None:
    for spec, expected in (
        ("keep 0 7", "0 to 1"), ("pattern 1.2.3.4 9-1 - - 0 1", "bad source port"), ("what", "drop, pass"),
        ("pattern nobody 0 1", "IPRewriterPatterns"), ("pattern - - x - 0 1", "bad destination address"),
        ("pattern 1.1.1.9-1.1.1.1 - - - 0 1", "bad source address"), ("drop 3", "drop alone"),
    ):  # fmt: skip
        found = mistakes(CONFIG % f"IPRewriter({spec}, drop)")
        assert len(found) == 1 and expected in found[0], (spec, found)
    assert "one INPUTSPEC for each input" in mistakes(CONFIG % "IPRewriter(drop)")[0]
