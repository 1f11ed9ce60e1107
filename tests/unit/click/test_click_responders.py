"""Routing tables, ICMP and ARP in Click configurations, compared with what Scapy makes of the same packets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from scapy.layers.inet import ICMP, IP, UDP, IPerror
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet, Raw

from tests.rigs.click import Running, mistakes

A, B, ROUTER = "02:00:00:00:00:0a", "02:00:00:00:00:0b", "02:00:00:00:00:01"
MAC = Ether(src=A, dst=ROUTER)


def wire(packet: Packet) -> bytes:
    return bytes(packet)


def to(address: str, **fields: Any) -> bytes:
    return wire(MAC / IP(src="10.0.0.10", dst=address, **fields) / UDP(sport=1000, dport=2000) / Raw(b"hello"))


# ---- routing tables ------------------------------------------------------------------------------------------

ROUTES = "10.0.0.0/8 0, 10.1.0.0/16 192.168.9.9 1, 10.1.2.3/32 2, 10.1.0.0/16 0"
OUTPUTS = ("zero", "one", "two")


def router(kind: str, routes: str = ROUTES) -> str:
    return f"""
        FromDevice(in) -> Strip(14) -> CheckIPHeader -> r :: {kind}({routes});
        r[0] -> Unstrip(14) -> ToDevice(zero);
        r[1] -> Unstrip(14) -> ToDevice(one);
        r[2] -> Unstrip(14) -> ToDevice(two);
    """


def test_tables_find_the_longest_prefix(tmp_path: Path) -> None:
    for kind in ("StaticIPLookup", "LinearIPLookup", "RadixIPLookup"):
        with Running(tmp_path, router(kind), outputs=OUTPUTS) as r:
            packets = [to(a) for a in ("10.9.9.9", "10.1.9.9", "10.1.2.3", "11.0.0.1")]
            assert r.fates(*packets) == ["to 0", "to 1", "to 2", "unroutable"]
            # of two routes for one prefix the first counts
            assert r.read("r.table") == (
                "10.0.0.0/8\t\t-\t\t0\n10.1.0.0/16\t\t192.168.9.9\t1\n10.1.2.3/32\t\t-\t\t2\n"
            )
            assert r.read("r.lookup", "10.1.7.7") == "1 192.168.9.9"
            assert r.read("r.lookup", "12.0.0.0") == "-1"


def test_tables_change(tmp_path: Path) -> None:
    with Running(tmp_path, router("LinearIPLookup"), outputs=OUTPUTS) as r:
        assert r.write("r.add", "11.0.0.0/8 2")["ok"]
        assert "conflict with existing route '11.0.0.0/8 - 2'" in r.write("r.add", "11.0.0.0/8 1")["error"]
        assert r.write("r.set", "11.0.0.0/8 10.0.0.1 1")["ok"]
        assert r.read("r.lookup", "11.1.1.1") == "1 10.0.0.1"
        assert "bad OUTPUT" in r.write("r.add", "12.0.0.0/8 3")["error"]
        assert "not found" in r.write("r.remove", "11.0.0.0/8 2")["error"]
        before = r.read("r.table")
        assert "bad command 'go'" in r.write("r.ctrl", "add 13.0.0.0/8 0\nset 10.0.0.0/8 1\ngo")["error"]
        assert r.read("r.table") == before  # all or nothing
        assert r.write("r.ctrl", "remove 10.0.0.0/8\nadd 13.0.0.0/8 0\n")["ok"]
        # the new route takes the first free slot
        assert r.read("r.table").splitlines()[0] == "13.0.0.0/8\t\t-\t\t0"
        assert r.fates(to("10.9.9.9"), to("13.1.1.1")) == ["unroutable", "to 0"]
    with Running(tmp_path, router("RadixIPLookup"), outputs=OUTPUTS) as r:
        for i in range(300):
            assert r.write("r.add", f"20.{i % 256}.{i // 256}.0/24 {i % 3}")["ok"]
        assert [r.read("r.lookup", f"20.{i % 256}.{i // 256}.9") for i in (0, 100, 299)] == ["0", "1", "2"]
        assert r.write("r.flush")["ok"]
        assert r.read("r.table") == ""
        assert r.fates(to("10.9.9.9")) == ["unroutable"]


def test_wrong_routes_are_mistakes() -> None:
    found = mistakes(router("LinearIPLookup", "10.0.0.0, 1.2.3.4/255.0.255.0 0"))
    found += mistakes(router("LinearIPLookup", "10.0.0.0/8 7"))
    assert len(found) == 3
    assert "ADDR/MASK" in found[0] and "prefix" in found[1] and "0 to 2" in found[2]


# ---- ICMP ------------------------------------------------------------------------------------------------------

ERROR = """
    FromDevice(in) -> Strip(14) -> MarkIPHeader -> e :: ICMPError(%s)
        -> EtherEncap(0x0800, 02:00:00:00:00:01, 02:00:00:00:00:0a) -> ToDevice(next);
"""


def test_errors_quote_the_packet(tmp_path: Path) -> None:
    with Running(tmp_path, ERROR % "10.0.0.1, unreachable, needfrag, PMTU 1400") as r:
        big = wire(MAC / IP(src="10.0.0.10", dst="10.7.7.7", id=9) / UDP(dport=7) / Raw(b"x" * 1000))
        backs = r.send(to("10.7.7.7"), big)
        assert sorted(r.fate(b) for b in backs) == ["icmp_error", "icmp_error", "to 0", "to 0"]
        first, second = (Ether(b.data) for b in backs if r.fate(b) == "to 0")
        assert wire(first[IPerror]) == to("10.7.7.7")[14:]
        assert len(second[IP]) == 576
        for i, got in enumerate((first, second), 1):
            assert (got[IP].src, got[IP].dst, got[IP].ttl, got[IP].id) == ("10.0.0.1", "10.0.0.10", 200, i)
            assert (got[ICMP].type, got[ICMP].code, got[ICMP].nexthopmtu) == (3, 4, 1400)
            whole = got.copy()
            del whole[IP].chksum, whole[ICMP].chksum
            assert wire(whole) == wire(got)
        assert r.write("e.src", "10.0.0.2")["ok"]
        assert r.read("e.src") == "10.0.0.2"


def test_what_no_error_is_sent_about(tmp_path: Path) -> None:
    with Running(tmp_path, ERROR % "10.0.0.1, timeexceeded, transit, 10.0.0.255") as r:
        never = [
            MAC / IP(src="10.0.0.10", dst="10.0.0.3") / ICMP(type=3) / IP(),
            MAC / IP(src="10.0.0.10", dst="224.0.0.1") / UDP(),
            MAC / IP(src="10.0.0.10", dst="255.255.255.255") / UDP(),
            MAC / IP(src="10.0.0.10", dst="10.0.0.255") / UDP(),
            MAC / IP(src="10.0.0.255", dst="10.0.0.3") / UDP(),
            MAC / IP(src="127.0.0.1", dst="10.0.0.3") / UDP(),
            MAC / IP(src="0.1.2.3", dst="10.0.0.3") / UDP(),
            MAC / IP(src="240.0.0.1", dst="10.0.0.3") / UDP(),
            MAC / IP(src="10.0.0.10", dst="10.0.0.3", frag=3) / Raw(b"later"),
            Ether(src=A, dst="ff:ff:ff:ff:ff:ff") / IP(src="10.0.0.10", dst="10.0.0.3") / UDP(),
        ]
        assert r.fates(*map(wire, never)) == ["no_icmp_error"] * len(never)
        assert sorted(r.fates(wire(MAC / IP(src="10.0.0.10", dst="10.0.0.3") / ICMP()))) == ["icmp_error", "to 0"]


def test_errors_about_source_routed_packets_go_back_that_way(tmp_path: Path) -> None:
    with Running(tmp_path, ERROR % "10.0.0.1, timeexceeded") as r:
        hops = bytes([10, 1, 0, 1, 10, 2, 0, 1, 10, 3, 0, 1])
        option = bytes([131, 15, 12]) + hops + b"\0"  # two of three hops are behind it
        packet = IP(src="10.0.0.10", dst="10.3.0.1", options=[]) / UDP()
        raw = bytearray(wire(packet))
        raw[0] = 0x40 | (20 + len(option)) // 4
        raw[20:20] = option
        raw[2:4] = len(raw).to_bytes(2, "big")
        got = next(b.data[14:] for b in r.send(wire(MAC) + bytes(raw)) if r.fate(b) == "to 0")
        assert got[20:32] == bytes([131, 11, 4]) + hops[4:8] + hops[:4] + b"\0"
        assert got[0] == 0x48
    found = mistakes(ERROR % "10.0.0.1, echo") + mistakes(ERROR % "10.0.0.1, redirect, transit")
    assert len(found) == 2 and "unreachable" in found[0] and "tosnet" in found[1]


def test_pings_are_answered(tmp_path: Path) -> None:
    text = """FromDevice(in) -> MarkIPHeader(14) -> p :: ICMPPingResponder -> EtherMirror -> ToDevice(back);
              p[1] -> ToDevice(next);"""
    with Running(tmp_path, text) as r:
        ping = MAC / IP(src="10.0.0.10", dst="10.0.0.1", ttl=3, flags="DF") / ICMP(id=5, seq=6) / Raw(b"data")
        [back] = r.send(wire(ping))
        got = Ether(back.data)
        want = Ether(src=ROUTER, dst=A) / IP(src="10.0.0.1", dst="10.0.0.10", ttl=255)
        want = want / ICMP(type=0, id=5, seq=6) / Raw(b"data")
        assert wire(got) == wire(want)
        assert r.fates(to("10.0.0.1"), wire(MAC / IP() / ICMP(type=0))) == ["to 0", "to 0"]


# ---- ARP -------------------------------------------------------------------------------------------------------

RESPONDER = """
    FromDevice(in) -> a :: ARPResponder(10.0.0.0/24 02:00:00:00:00:01, 10.0.0.7 02-00-00-00-00-07, 10.9.9.9 10.9.9.8
        02:00:00:00:00:09) -> ToDevice(back);
    a[1] -> ToDevice(next);
"""


def who_has(address: str) -> bytes:
    return wire(Ether(src=A, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=A, psrc="10.0.0.10", pdst=address))


def test_requests_are_answered(tmp_path: Path) -> None:
    with Running(tmp_path, RESPONDER) as r:
        back = [b for b in r.send(who_has("10.0.0.7")) if b.data != who_has("10.0.0.7")]
        seven = "02:00:00:00:00:07"
        reply = ARP(op=2, hwsrc=seven, psrc="10.0.0.7", hwdst=A, pdst="10.0.0.10")
        assert [b.data for b in back] == [wire(Ether(src=seven, dst=A) / reply)]
        assert r.fates(who_has("10.1.0.1"), to("10.0.0.7")) == ["to 0", "to 0"]
        assert r.read("a.lookup", "10.0.0.200") == "02-00-00-00-00-01"
        assert r.read("a.table").splitlines() == [
            "10.0.0.7/32 02-00-00-00-00-07",
            "10.0.0.0/24 02-00-00-00-00-01",
            "10.9.9.9/32 02-00-00-00-00-09",
            "10.9.9.8/32 02-00-00-00-00-09",
        ]
        assert r.write("a.add", "10.1.0.0/16 02:00:00:00:00:02")["ok"]
        assert r.read("a.lookup", "10.1.0.1") == "02-00-00-00-00-02"
        assert r.write("a.remove", "10.0.0.7")["ok"]
        assert r.read("a.lookup", "10.0.0.7") == "02-00-00-00-00-01"
        assert "not found" in r.write("a.remove", "10.0.0.7")["error"]
        assert "missing ETH" in r.write("a.add", "10.0.0.7")["error"]
    assert "IP/MASK" in mistakes("FromDevice(in) -> ARPResponder(02:00:00:00:00:01) -> Discard;")[0]


def test_answers_go_into_the_vlan_of_the_question(tmp_path: Path) -> None:
    text = """
        FromDevice(in) -> VLANDecap -> c :: Classifier(12/0806, -)
            -> ARPResponder(10.0.0.7 02:00:00:00:00:07) -> v :: VLANEncap(ANNO) -> ToDevice(next);
        c[1] -> Strip(14) -> MarkIPHeader -> ICMPError(10.0.0.7, timeexceeded)
            -> EtherEncap(0x0800, 02:00:00:00:00:07, 02:00:00:00:00:0a) -> v;
    """
    tag = Dot1Q(vlan=42, prio=5)
    asked = Ether(src=A, dst="ff:ff:ff:ff:ff:ff") / tag / ARP(op=1, hwsrc=A, psrc="10.0.0.10", pdst="10.0.0.7")
    answer = ARP(op=2, hwsrc="02:00:00:00:00:07", psrc="10.0.0.7", hwdst=A, pdst="10.0.0.10")
    with Running(tmp_path, text) as r:
        sent = {r.fate(b): b.data for b in r.send(wire(asked))}
        assert sent["to 0"] == wire(Ether(src="02:00:00:00:00:07", dst=A) / tag / answer)
        over = MAC / tag / IP(src="10.0.0.10", dst="10.0.0.9", ttl=1) / UDP(sport=1, dport=2)
        backs = {r.fate(b): b.data for b in r.send(wire(over))}
        assert sorted(backs) == ["icmp_error", "to 0"]
        error = Ether(backs["to 0"])
        assert (error[Dot1Q].vlan, error[Dot1Q].prio, error[Dot1Q].type) == (42, 5, 0x0800)
        assert error[IP].dst == "10.0.0.10"
    # with its tag still on it is no question to Click's ARPResponder
    with Running(tmp_path, "FromDevice(in) -> ARPResponder(10.0.0.7 02:00:00:00:00:07) -> ToDevice(next);") as r:
        assert r.fates(wire(asked)) == ["no_arp_request"]


QUERIER = """
    FromDevice(in) -> c :: Classifier(12/0806, -);
    c[1] -> Strip(14) -> CheckIPHeader -> [0] q :: ARPQuerier(10.0.0.1/24, 02:00:00:00:00:01%s);
    c[0] -> [1] q;
    q[0] -> ToDevice(zero);
    q[1] -> ToDevice(one);
"""
SIDES = ("zero", "one")


def is_at(address: str, mac: str) -> bytes:
    return wire(Ether(src=mac, dst=ROUTER) / ARP(op=2, hwsrc=mac, psrc=address, hwdst=ROUTER, pdst="10.0.0.1"))


def test_packets_wait_for_the_answer(tmp_path: Path) -> None:
    with Running(tmp_path, QUERIER % "", outputs=SIDES) as r:
        [query] = r.send(to("10.0.0.2", id=1))
        asked = ARP(op=1, hwsrc=ROUTER, psrc="10.0.0.1", hwdst="00:00:00:00:00:00", pdst="10.0.0.2")
        assert query.data == wire(Ether(src=ROUTER, dst="ff:ff:ff:ff:ff:ff") / asked)
        assert r.fate(query) == "to 1"
        assert r.send(to("10.0.0.2", id=2)) == []  # asked a moment ago
        assert len(r.send(to("10.0.0.2", id=3), after=0.2)) == 1  # asked again
        assert (r.read("q.length"), r.read("q.count"), r.read("q.queries")) == (3, 1, 2)
        backs = r.send(is_at("10.0.0.2", B))
        sent = [Ether(b.data) for b in backs if r.fate(b) == "to 0"]
        assert [p[IP].id for p in sent] == [1, 2, 3]
        assert {(p.src, p.dst, p.type) for p in sent} == {(ROUTER, B, 0x0800)}
        assert r.read("q.table") == "10.0.0.2 1 02-00-00-00-00-0B 0.000000\n"
        assert (r.read("q.length"), r.read("q.responses")) == (0, 1)
        # known; after POLL_TIMEOUT the owner alone is asked again; after TIMEOUT everyone
        assert r.fates(to("10.0.0.2"), to("10.0.0.255"), to("239.1.2.3")) == ["to 0"] * 3
        again = {r.fate(b): Ether(b.data).dst for b in r.send(to("10.0.0.2"), after=61)}
        assert again == {"to 1": B, "to 0": B}
        [lost] = r.send(to("10.0.0.2"), after=300)
        assert (r.fate(lost), Ether(lost.data).dst) == ("to 1", "ff:ff:ff:ff:ff:ff")
        waits = [b for b in r.wait(700) if r.fate(b) == "arp_unanswered"]
        assert len(waits) == 1
        assert r.read("q.count") == 0


def test_a_name_may_have_an_address_and_a_network(tmp_path: Path) -> None:
    text = """
        AddressInfo(in0 10.0.0.254 10.0.0.0/24 02:00:00:00:00:02, in1 10.9.0.1/24);
        FromDevice(in) -> GetIPAddress(30) -> StripToNetworkHeader
            -> rt :: StaticIPLookup(in0:ip/32 2, in1:ip/32 2, in0 0, in1 1);
        rt[0] -> q :: ARPQuerier(in0) -> ToDevice(next); Idle -> [1]q; rt[1] -> Discard(REASON one);
        rt[2] -> ICMPError(in0, unreachable) -> Discard(REASON own);
    """
    with Running(tmp_path, text) as r:
        assert r.fates(to("10.0.0.254"), to("10.9.0.1"), to("10.9.0.7")) == ["icmp_error", "own"] * 2 + ["one"]
        [asked] = r.send(to("10.0.0.9"))
        assert (Ether(asked.data)[ARP].psrc, Ether(asked.data)[ARP].hwsrc) == ("10.0.0.254", "02:00:00:00:00:02")


def test_broadcast_and_multicast_addresses(tmp_path: Path) -> None:
    with Running(tmp_path, QUERIER % "", outputs=SIDES) as r:
        got = [Ether(b.data).dst for b in r.send(to("10.0.0.255"), to("239.129.2.3"), to("255.255.255.255"))]
        assert got == ["ff:ff:ff:ff:ff:ff", "01:00:5e:01:02:03", "ff:ff:ff:ff:ff:ff"]


def test_limits_and_handlers_of_the_table(tmp_path: Path) -> None:
    with Running(tmp_path, QUERIER % ", CAPACITY 4, ENTRY_PACKET_CAPACITY 3", outputs=SIDES) as r:
        fates = r.fates(*[to("10.0.0.2", id=i) for i in range(5)])
        assert fates == ["to 1", "arp_unanswered", "arp_unanswered"]
        fates = r.fates(*[to("10.0.0.3", id=i) for i in range(2)])
        assert sorted(fates) == ["arp_unanswered"] * 3 + ["to 1"]  # the oldest go, down to half
        assert r.read("q.length") == 2
        assert r.write("q.insert", "10.0.0.9 02:00:00:00:00:09")["ok"]
        assert r.fates(to("10.0.0.9")) == ["to 0"]
        assert r.write("q.delete", "10.0.0.9")["ok"]
        assert r.fates(to("10.0.0.9")) == ["to 1"]
        assert "expected IP ETH" in r.write("q.insert", "10.0.0.9")["error"]
        assert r.write("q.ipaddr", "10.0.0.77")["ok"]
        assert r.read("q.ipaddr") == "10.0.0.77"
        assert r.write("q.clear")["ok"]
        r.forwarder.settle()
        assert {r.fate(b) for b in r.forwarder.taken()} == {"arp_unanswered"}
        assert (r.read("q.count"), r.read("q.length")) == (0, 0)


def test_a_table_is_shared(tmp_path: Path) -> None:
    text = "t :: ARPTable(TIMEOUT 10);\n" + QUERIER % ", TABLE t"
    with Running(tmp_path, text, outputs=SIDES) as r:
        assert r.write("t.insert", "10.0.0.2 02:00:00:00:00:0b")["ok"]
        assert [Ether(b.data).dst for b in r.send(to("10.0.0.2"))] == [B]
        assert r.read("q.count") == r.read("t.count") == 1
        r.wait(12)
        assert r.read("t.table") == ""

