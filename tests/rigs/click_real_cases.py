"""Configurations and packets for the comparison with the Modular Router's click: see click_beside.py."""

from __future__ import annotations

import random
from dataclasses import dataclass

from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet, Raw

WIRE = Ether(src="02:00:00:00:00:0a", dst="02:00:00:00:00:01")


def _spoiled(packet: Packet, at: int, change: int = 0xFF) -> bytes:
    data = bytearray(bytes(packet))
    data[at] ^= change
    return bytes(data)


def mixed() -> list[bytes]:
    """A bit of everything, good and bad."""
    dice = random.Random(7)
    made: list[Packet | bytes] = []
    for i in range(24):
        source, target = f"10.0.{i % 3}.{i + 1}", f"192.168.{i % 5}.{200 - i}"
        ip = IP(src=source, dst=target, ttl=1 + i % 4 * 21, tos=i * 11 & 255, id=i * 77, flags=i % 3)
        port = (22, 25, 53, 80, 443, 1024, 3000, 65535)[i % 8]
        flags = ("S", "SA", "A", "FA", "R", "PA", "U", "")[i % 8]
        data = Raw(dice.randbytes(dice.randrange(60)))
        made.append(WIRE / ip / TCP(sport=port, dport=1000 + i, flags=flags, seq=i * 99, ack=i) / data)
        made.append(WIRE / ip / UDP(sport=1000 + i, dport=port) / data)
        made.append(WIRE / ip / ICMP(type=(0, 3, 5, 8, 11, 13)[i % 6], code=i % 4, seq=i, id=i) / data)
    whole = WIRE / IP(src="10.0.0.1", dst="10.0.0.2", ttl=9) / UDP(sport=7, dport=53) / Raw(b"whole")
    big = WIRE / IP(src="10.0.0.1", dst="10.0.0.2", ttl=9, flags="DF") / TCP(sport=7, dport=80) / Raw(bytes(900))
    made += [
        whole, big,
        _spoiled(whole, 24), _spoiled(whole, 40), _spoiled(whole, 14, 0x10), _spoiled(whole, 14, 0x03),
        bytes(whole)[:40], bytes(whole)[:30], bytes(whole) + bytes(9),
        WIRE / IP(src="10.0.0.1", dst="10.0.0.2", options=[IPOption(b"\x07\x07\x04\x00\x00\x00\x00")]) / TCP(dport=80),
        WIRE / IP(src="10.0.0.1", dst="10.0.0.2", frag=4) / UDP(sport=7, dport=53) / Raw(b"later"),
        WIRE / IP(src="10.0.0.1", dst="10.0.0.2", flags="MF", proto=17) / UDP(sport=7, dport=53) / Raw(b"first"),
        WIRE / IP(src="255.255.255.255", dst="10.0.0.2") / UDP(),
        WIRE / IP(src="9.9.9.9", dst="224.0.0.5", ttl=2) / UDP(),
        WIRE / IP(src="10.0.0.1", dst="10.0.0.2", proto=47) / Raw(b"tunnel"),
        WIRE / IP(src="10.0.0.1", dst="10.0.0.2", proto=6) / Raw(b"short"),
        WIRE / IPv6(src="2001:db8::1", dst="2001:db8::2") / UDP(dport=53),
        WIRE / Dot1Q(vlan=7, prio=3) / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(dport=53),
        WIRE / Dot1Q(vlan=0) / IP(src="10.0.0.1", dst="10.0.0.2") / TCP(dport=53),
        Ether(src="02:00:00:00:00:0a", dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, psrc="10.0.0.1", pdst="10.0.0.2"),
        Ether(src="02:00:00:00:00:0a", dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, psrc="10.0.0.1", pdst="10.0.0.99"),
        WIRE / ARP(op=2, psrc="10.0.0.2", hwsrc="02:00:00:00:00:0b", pdst="10.0.0.1"),
        Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:0b") / IP(src="10.0.0.9", dst="10.0.0.2") / UDP(),
        Ether(src="02:00:00:00:00:0b", dst="01:00:5e:00:00:05") / IP(src="10.0.0.9", dst="224.0.0.5") / UDP(),
        WIRE / IP(src="10.0.0.1", dst="10.0.0.2", ttl=64) / ICMP(type=8, id=4, seq=5) / Raw(b"ping"),
        b"\x01" * 14, b"\x02" * 20, b"\x03" * 60,
    ]  # fmt: skip
    return [bytes(packet) for packet in made]


def talk() -> list[bytes]:
    """Flows in both directions, of one inside and one outside, as a rewriter or a counter of flows sees them."""
    inside, outside = "10.0.0.10", "192.0.2.1"
    made: list[Packet] = []
    for i in range(4):
        for kind in (TCP, UDP):
            made.append(WIRE / IP(src=inside, dst=outside) / kind(sport=1000 + i, dport=80) / Raw(b"there"))
            made.append(WIRE / IP(src=outside, dst="1.0.0.1") / kind(sport=80, dport=5000 + i) / Raw(b"back"))
            made.append(WIRE / IP(src=outside, dst=inside) / kind(sport=80, dport=1000 + i) / Raw(b"back again"))
    made.append(WIRE / IP(src=inside, dst=outside) / TCP(sport=1000, dport=80, flags="FA", seq=5))
    made.append(WIRE / IP(src=outside, dst=inside) / TCP(sport=80, dport=1000, flags="FA", seq=9))
    made.append(WIRE / IP(src=inside, dst=outside) / TCP(sport=1000, dport=80, flags="S"))
    made.append(WIRE / IP(src=inside, dst=outside, flags="MF") / UDP(sport=1000, dport=80) / Raw(bytes(16)))
    made.append(WIRE / IP(src=inside, dst=outside, frag=3) / Raw(bytes(16)))
    made.append(WIRE / IP(src=inside, dst=outside) / ICMP(type=8, id=4, seq=5) / Raw(b"ping"))
    error = IP(src=inside, dst=outside) / UDP(sport=1001, dport=80)
    made.append(WIRE / IP(src=outside, dst=inside) / ICMP(type=3, code=3) / error)
    return [bytes(packet) for packet in made]


@dataclass(frozen=True)
class Case:
    text: str
    handlers: tuple[str, ...] = ()
    packets: str = "mixed"
    spacing: float = 0.01  #: s between packets
    rest: float = 0.5  #: s after the last one


def _counted(name: str, outputs: int, end: str = "Discard") -> tuple[str, tuple[str, ...]]:
    """A counter behind each output of an element, and their handlers."""
    text = "".join(f"{name}[{i}] -> n{i} :: Counter -> {end};\n" for i in range(outputs))
    handlers = tuple(f"n{i}.{what}" for i in range(outputs) for what in ("count", "byte_count"))
    return text, handlers


def _classes(head: str, kind: str, patterns: list[str]) -> Case:
    counters, handlers = _counted("c", len(patterns))
    listed = ",\n    ".join(patterns)
    return Case(f"FROM -> {head} c :: {kind}({listed});\n{counters}", handlers)


def _rules(rules: list[str]) -> Case:
    """Many filters in a row behind a Tee, each with its counter."""
    text = f"FROM -> Strip(14) -> CheckIPHeader -> t :: Tee({len(rules)});\n"
    for i, rule in enumerate(rules):
        text += f"t[{i}] -> f{i} :: IPFilter({rule}) -> n{i} :: Counter -> Discard;\n"
    return Case(text, tuple(f"n{i}.count" for i in range(len(rules))))


PRIMITIVES = [
    "allow tcp", "allow udp", "allow icmp", "allow ip proto 47", "allow proto tcp", "deny tcp, allow all",
    "allow src 10.0.0.1", "allow dst host 10.0.0.2", "allow host 10.0.0.2", "allow src net 10.0.0.0/16",
    "allow net 10.0.1.0 mask 255.255.255.0", "allow dst net 192.168.0.0/16 and not src net 10.0.2.0/24",
    "allow src or dst 10.0.0.2", "allow src and dst net 10.0.0.0/8", "allow port 53", "allow src port 80",
    "allow dst port ssh", "allow tcp port https", "allow udp port > 1000", "allow src port >= 1024", "allow port < 81",
    "allow dst tcp port 1003", "allow tcp opt syn", "allow tcp opt ack and not tcp opt syn", "allow tcp opt fin",
    "allow icmp type echo", "allow icmp type 3", "allow icmp type 8 or icmp type 0", "allow icmp type unreachable 1",
    "allow ip frag", "allow ip unfrag", "allow ip ttl > 40", "allow ip ttl 9", "allow ip tos 22", "allow ip dscp 2",
    "allow ip ect", "allow ip ce", "allow ip vers 4", "allow ip hl 5", "allow ip id 77", "allow ip len > 60",
     "allow tcp win > 100", "allow port >= 1024", "allow port <= 80", "allow src and dst port < 1010",
    "allow not port < 81",
    "allow port != 80", "allow src or dst port > 1010", "allow ip ttl >= 22", "allow ip ttl < 300",
    "allow ip[8] & 6 > 2",
    "allow ip tos < 0 or udp", "allow dst port not 53", "allow src net != 10.0.0.0/16", "allow true", "allow any",
    "allow not tcp", "allow !udp", "allow (tcp or udp) and dst port 80", "allow tcp && src port 22",
    "allow tcp || icmp", "allow tcp or udp and src port 53", "allow ip[8] = 9", "allow ip[8:1] > 40",
    "allow ip[0] & 15 > 5", "allow tcp[13] & 2 != 0", "allow transp[2:2] = 80", "allow udp[4:2] < 20",
    "allow ip[12:4] = 0x0a000001", "allow tcp src port != 22", "allow dst port 80 or 443", "allow port 53 or 80 or 22",
    "allow tcp src port 80 ? dst port 1003 : udp", "allow src host 10.0.0.1 and dst 10.0.0.2",
    "deny src 10.0.0.1, deny dst port 53, allow udp", "deny ip frag, allow tcp && dst port < 1010, deny all",
    "allow tcp dst port > 1005 and not src port 22", "allow src tcp port ftp or ssh", "allow ip dst 224.0.0.0/4",
    "deny not ip proto udp, allow all", "0 tcp, drop all", "allow -", "drop udp, allow -",
]  # fmt: skip

CASES: dict[str, Case] = {
    "classifier": _classes("", "Classifier", [
        "12/0806 20/0001", "12/0806 20/0002", "12/8100", "12/0800 23/06 47/02%02", "12/0800 23/06 !36/0016",
        "12/0800 23/11 36/0035", "12/0800 14/4?", "0/01%01", "12/86dd", "-"]),
    "classifier-more": _classes("", "Classifier", [
        "12/0800 30/0a00%ffff 23/1?", "!12/0800 !12/0806", "12/0806", "6/02000000000a 14/45 22/01", "34/0016",
        "40/0?00%0f00", "500/00"]),
    "ipclassifier": _classes("Strip(14) -> CheckIPHeader -> ", "IPClassifier", [
        "src net 10.0.1.0/24 and tcp", "dst port 53", "icmp type echo", "ip frag", "tcp opt syn", "udp", "tcp", "-"]),
    "ipclassifier-marked": _classes("CheckIPHeader(14, CHECKSUM false) -> Strip(14) -> ", "IPClassifier", [
        "ip vers 4 and ip hl > 5", "port 80 or 443", "src and dst net 10.0.0.0/8", "ip proto icmp", "ip ttl < 20"]),
    "ipfilter": Case("""
        FROM -> Strip(14) -> CheckIPHeader -> f :: IPFilter(deny src port < 30, 1 icmp, deny ip frag,
            allow tcp and dst port < 1015, 2 udp, allow all) -> Unstrip(14) -> to0;
        f[1] -> Unstrip(14) -> to1; f[2] -> m :: Counter -> Discard;""", ("m.count", "m.byte_count")),
    "rules": _rules(PRIMITIVES),
    "checkipheader": Case("""
        FROM -> c0 :: CheckIPHeader(OFFSET 14, DETAILS true, BADSRC 10.0.0.1, GOODDST 192.168.1.199) -> to0;
        c0[1] -> Strip(14) -> c1 :: CheckIPHeader(0, BADSRC 10.0.0.1 10.0.1.5, CHECKSUM false, DETAILS true) -> to1;
        c1[1] -> c2 :: CheckIPHeader2(VERBOSE true, DETAILS true) -> to2; c2[1] -> to3;""",
        ("c0.drops", "c0.drop_details", "c1.drops", "c1.drop_details", "c2.drops", "c2.drop_details")),
    "checkipheader3": Case("""
        FROM -> c :: CheckIPHeader(14, INTERFACES 10.0.0.1/24 192.168.2.1/24, DETAILS true) -> to0; c[1] -> to1;""",
        ("c.drops", "c.drop_details")),
    "transport": Case("""
        FROM -> Strip(14) -> CheckIPHeader -> s :: IPClassifier(tcp, udp, icmp, -);
        s[0] -> t :: CheckTCPHeader(DETAILS true) -> to0; s[1] -> u :: CheckUDPHeader(DETAILS true) -> to0;
        s[2] -> i :: CheckICMPHeader(DETAILS true) -> to0; s[3] -> Discard;
        t[1] -> to1; u[1] -> to1; i[1] -> to1;""",
        ("t.drops", "t.drop_details", "u.drops", "u.drop_details", "i.drops")),
    "ttl": Case("""
        FROM -> Strip(14) -> CheckIPHeader -> d :: DecIPTTL -> e :: DecIPTTL(MULTICAST false) -> Unstrip(14) -> to0;
        d[1] -> ICMPError(1.2.3.4, timeexceeded) -> to1; e[1] -> ICMPError(1.2.3.4, 11, 0) -> to2;""",
        ("d.drops", "e.drops")),
    "icmperror": Case("""
        FROM -> CheckIPHeader(14) -> Strip(14) -> t :: Tee(4);
        t[0] -> ICMPError(1.2.3.4, unreachable, port) -> to0; t[1] -> ICMPError(1.2.3.4, 12, 0, MTU 100) -> to1;
        t[2] -> ICMPError(1.2.3.4, unreachable, needfrag, PMTU 900) -> to2;
        t[3] -> ICMPError(1.2.3.4, redirect, host, 10.0.0.2) -> to3;""", ()),
    "ping": Case("""
        FROM -> CheckIPHeader(14) -> c :: IPClassifier(icmp type echo, -)
            -> p :: ICMPPingResponder -> EtherMirror -> to0;
        c[1] -> to1;"""),
    "arp": Case("""
        FROM -> c :: Classifier(12/0806 20/0001, 12/0806 20/0002, 12/0800, -);
        c[0] -> a :: ARPResponder(10.0.0.2 02:00:00:00:00:99, 10.0.1.0/24 02:00:00:00:00:98) -> to0;
        c[1] -> [1] q :: ARPQuerier(10.0.0.77, 02:00:00:00:00:77, TIMEOUT 0);
        c[2] -> Strip(14) -> CheckIPHeader -> GetIPAddress(16) -> [0] q; q[0] -> to1; c[3] -> to2;""",
        ("q.table", "q.queries", "q.responses", "q.drops", "q.length", "q.count", "a.table"), spacing=0.5, rest=2),
    "ether": Case("""
        FROM -> h :: HostEtherFilter(02:00:00:00:00:01, DROP_OWN true) -> EtherMirror -> to0;
        h[1] -> EtherRewrite(1-2-3-4-5-6, 6:5:4:3:2:1) -> EtherEncap(0x1234, 0:0:0:0:0:1, 0:0:0:0:0:2) -> to1;"""),
    "vlan": Case("""
        FROM -> t :: Tee(4);
        t[0] -> VLANEncap(VLAN_ID 9, VLAN_PCP 5) -> to0; t[1] -> VLANDecap -> VLANEncap(ANNO) -> to1;
        t[2] -> VLANEncap(0x2003, NATIVE_VLAN 3) -> to2; t[3] -> VLANDecap -> SetVLANAnno(8) -> VLANEncap(ANNO) -> to3;
        """),
    "paint": Case("""
        FROM -> c :: Classifier(23/06, 23/11, -); c[0] -> Paint(1) -> p :: PaintSwitch; c[1] -> Paint(2) -> p;
        c[2] -> p; p[0] -> to0; p[1] -> k :: CheckPaint(1) -> Paint(3) -> to1; p[2] -> l :: CheckPaint(7) -> to2;
        l[1] -> Paint(255) -> to3;""",
        ("k.color",)),
    "switches": Case("""
        FROM -> h :: HashSwitch(26, 8); h[0] -> r :: RoundRobinSwitch; h[1] -> s :: Switch(1); h[2] -> StaticSwitch(0)
        -> to2; r[0] -> to0; r[1] -> to1; r[2] -> to3; s[0] -> Discard; s[1] -> to4;""", ("s.switch",)),
    "hash": _classes("", "HashSwitch", ["14", "1"]),
    "checksums": Case("""
        FROM -> CheckIPHeader(14, CHECKSUM false) -> Strip(14) -> SetIPChecksum -> c :: CheckIPHeader
            -> s :: IPClassifier(tcp, udp, -); s[0] -> SetTCPChecksum -> to0; s[1] -> SetUDPChecksum -> to1;
            s[2] -> to2; c[1] -> Discard;"""),
    "ipchanges": Case("""
        FROM -> Strip(14) -> CheckIPHeader -> SetIPDSCP(46) -> SetIPECN(ce) -> t :: Tee(5);
        t[0] -> SetIPAddress(1.2.3.4) -> StoreIPAddress(16) -> to0;
        t[1] -> GetIPAddress(12) -> StoreIPAddress(dst) -> to1;
        t[2] -> StoreIPAddress(9.8.7.6, src) -> to2; t[3] -> StoreIPAddress(9.8.7.6, 10) -> to3;
        t[4] -> IPMirror -> SetIPECN(no) -> to4;"""),
    "strip": Case("""
        FROM -> l :: CheckLength(60) -> Strip(14) -> CheckIPHeader -> Strip(8) -> Unstrip(22) -> to0;
        l[1] -> CheckIPHeader(14) -> StripToNetworkHeader -> to1;"""),
    "rewriter": Case("""
        FROM -> Strip(14) -> CheckIPHeader -> c :: IPClassifier(src net 10.0.0.0/8, -);
        rw :: IPRewriter(pattern 1.0.0.1 5000-5003# - - 0 1, pass 2);
        c[0] -> [0] rw; c[1] -> [1] rw; rw[0] -> to0; rw[1] -> to1; rw[2] -> to2;""",
        ("rw.tcp_table", "rw.udp_table", "rw.table_size", "rw.mapping_failures", "rw.patterns"), "talk"),
    "rewriter-keep": Case("""
        FROM -> Strip(14) -> CheckIPHeader -> c :: IPClassifier(tcp or udp, -); c[1] -> Discard;
        rw :: IPRewriter(keep 0 1, TCP_TIMEOUT 50, UDP_TIMEOUT 20, REAP_INTERVAL 1);
        c[0] -> [0] rw; rw[0] -> to0; rw[1] -> to1;""",
        ("rw.tcp_table", "rw.udp_table", "rw.size"), "talk", 0.3, 1.0),
    "rewriter-pattern": Case("""
        FROM -> Strip(14) -> CheckIPHeader -> c :: IPClassifier(udp, tcp, -);
        u :: UDPRewriter(pattern 1.0.0.1 - 7.7.7.7 53 0 0); t :: TCPRewriter(pattern - 100-101# - - 0 1);
        c[0] -> u -> to0; c[1] -> t -> to1; t[1] -> to2; c[2] -> a :: IPAddrPairRewriter(pattern 1.0.0.1 - 0 0) -> to3;
        """, ("u.table", "t.table", "a.table"), "talk"),
    "flows": Case("""
        FROM -> CheckIPHeader(14) -> f :: AggregateIPFlows(TCP_TIMEOUT 100) -> a :: AggregateCounter
            -> AggregateCounter(BYTES true)
            -> to0;""", ("a.count", "a.nagg"), "talk"),
    "lookups": Case("""
        FROM -> Strip(14) -> CheckIPHeader -> GetIPAddress(16) -> t :: Tee(3);
        t[0] -> s :: StaticIPLookup(10.0.0.0/8 0, 192.168.0.0/16 1.1.1.1 1, 192.168.2.0/24 2);
        t[1] -> l :: LinearIPLookup(192.168.0.0/16 1, 10.0.0.0/8 0, 0.0.0.0/0 9.9.9.9 2);
        t[2] -> r :: RadixIPLookup(10.0.0.2/32 0, 192.168.4.0/22 1, 0/0 2);
        s[0] -> to0; s[1] -> to0; s[2] -> StoreIPAddress(16) -> to0; l[0] -> to1; l[1] -> to1;
        l[2] -> StoreIPAddress(16)
        -> to1; r[0] -> to2; r[1] -> Discard; r[2] -> to3;""",
        ("s.table", "l.table", "r.table")),
    "queues": Case("""
        FROM -> q :: Queue(5) -> u :: RatedUnqueue(20) -> n :: Counter -> to0; q[1] -> to1;""",
        ("q.length", "q.highwater_length", "q.drops", "q.capacity", "n.count", "u.rate"), spacing=0.0107, rest=2),
    "bandwidth": Case("""
        FROM -> q :: Queue(200) -> u :: BandwidthRatedUnqueue(4kBps) -> n :: Counter -> to0;""",
        ("q.drops", "n.count", "n.byte_count", "u.rate"), rest=1),
    "meters": Case("""
        FROM -> m :: Meter(50, 90); m[0] -> s :: RatedSplitter(20) -> to0; s[1] -> to1; m[1] -> to2; m[2] -> to3;""",
        ("s.rate",), spacing=0.009),
    "splitters": Case("""
        FROM -> r :: RatedSplitter(100, BURST_SIZE 1) -> to0; r[1] -> b :: BandwidthRatedSplitter(1000Bps) -> to1;
        b[1] -> to2;""", ("r.rate", "b.rate"), spacing=0.005),
    "counters": Case("""
        FROM -> c :: Counter(COUNT_CALL 5 s.run) -> a :: AverageCounter -> to0;
        s :: Script(TYPE PASSIVE, write c.reset_counts, write c.reset);""",
        ("c.count", "c.byte_count", "a.count", "a.byte_count")),
    "print": Case("""
        FROM -> c :: RoundRobinSwitch; c[0] -> Print(PRINT1) -> to0; c[1] -> Print(PRINT2, 40, CONTENTS ASCII) -> to0;
        c[2] -> Print(PRINT3, CONTENTS NONE, TIMESTAMP true) -> to0;
        c[3] -> Paint(9) -> Print(PRINT4, 10, PRINTANNO true) -> to0; c[4] -> Print(PRINT5, -1) -> to0;"""),
    "ipprint": Case("""
        FROM -> CheckIPHeader(14) -> c :: RoundRobinSwitch; c[0] -> IPPrint(PRINT1) -> to0;
        c[1] -> IPPrint(PRINT2, ID true, TTL true, TOS true, LENGTH true, TIMESTAMP false) -> to0;
        c[2] -> IPPrint(PRINT3, CONTENTS HEX, NBYTES 40) -> to0; c[3] -> IPPrint(PRINT4, PAYLOAD ASCII) -> to0;
        c[4] -> IPPrint(PRINT5, AGGREGATE true, PAINT true, SWAP false) -> to0;"""),
    "handlers": Case("""
        FROM -> n :: Counter(COUNT_CALL 30 s.switch 1) -> s :: Switch(0); s[0] -> p :: Paint(4) -> to0;
        s[1] -> q :: Queue(7) -> u :: Unqueue(ACTIVE false) -> to1; s[2] -> to2;
        Idle -> r :: IPRewriter(pass) -> Discard;
        e :: EtherEncap(0x800, 0:0:0:0:0:1, 0:0:0:0:0:2); Idle -> e -> m :: Meter(10) -> Discard; m[1] -> Discard;
        Idle -> d :: SetIPDSCP(3) -> i :: SetIPAddress(1.2.3.4) -> a :: Paint(1) -> k :: CheckLength(99) -> Discard;
        Script(wait 0.05s, write a.color 77, write d.dscp 9, wait 0.5s, write s.switch 2, write q.reset,
            write u.active true, set z $(n.count));
        w :: VLANEncap(VLAN_ID 5, VLAN_PCP 3) -> v :: SetVLANAnno(8) -> Queue -> x :: Unqueue(3) -> Discard; Idle -> w;
        Script(write w.ethertype 0x88a8, write v.vlan_tci 9, write x.burst -1, write x.limit 4,
            write e.ethertype 34525, write k.length 1000, write n.count_call 60 s.switch 1, wait 0.7s,
            write q.capacity 3);""",
        ("w.vlan_tci", "v.vlan_tci", "x.burst", "x.limit", "e.etht", "k.length", "q.capacity", "n.count_call",
         "n.count", "s.switch", "p.color", "a.color", "d.dscp", "q.length", "q.drops", "q.highwater_length",
         "u.active", "u.count", "e.src", "e.dst", "e.ethertype", "n.class", "n.name", "i.addr",
         "r.table_size"), spacing=0.0107),
    "rates": Case("""
        FROM -> n :: Counter -> a :: AverageCounter -> b :: AverageCounter(1) -> m :: Meter(1000) -> to0; m[1] -> to1;
        """, ("n.rate", "n.byte_rate", "n.bit_rate", "a.rate", "a.byte_rate", "b.rate", "b.count", "m.rate"),
        spacing=0.0131, rest=0.01),
    "lengths": Case("""
        FROM -> t :: Tee(4); t[0] -> CheckLength(70) -> to0; t[1] -> Strip(40) -> to1;
        t[2] -> Align(4, 2) -> CheckLength(90) -> to2;
        t[3] -> CheckIPHeader(14) -> MarkMACHeader -> StripToNetworkHeader -> Unstrip(14) -> to3;"""),
    "fragments": Case("""
        FROM -> CheckIPHeader(14) -> Strip(14) -> c :: IPClassifier(tcp, udp, icmp, -);
        c[0] -> SetTCPChecksum(true) -> to0; c[1] -> s :: SetUDPChecksum -> to1; s[1] -> to2; c[2] -> IPMirror -> to3;
        c[3] -> SetIPChecksum -> to4;"""),
    "etherfilters": Case("""
        FROM -> h :: HostEtherFilter(02:00:00:00:00:0a, DROP_OTHER false) -> to0; h[1] -> i :: HostEtherFilter(
        02:00:00:00:00:0b, DROP_OWN true) -> to1; i[1] -> to2;"""),
    "tcprewriter": Case("""
        FROM -> Strip(14) -> CheckIPHeader -> c :: IPClassifier(tcp, udp, -);
        t :: TCPRewriter(pattern 1.0.0.1 2000-2005# - 81 0 1, drop, TCP_NODATA_TIMEOUT 100);
        c[0] -> d :: IPClassifier(src net 10.0.0.0/8, -); d[0] -> t -> to0; d[1] -> [1] t; t[1] -> to1;
        u :: UDPRewriter(pass 1, pattern - 53-53 9.9.9.9 - 0 1, UDP_TIMEOUT 50, UDP_STREAMING_TIMEOUT 80);
        c[1] -> e :: IPClassifier(dst port 80, -); e[0] -> [1] u; e[1] -> [0] u; u[0] -> to2; u[1] -> to3; c[2] -> to4;
        """, ("t.table", "u.table", "t.size", "u.mapping_failures"), "talk"),
    "script": Case("""
        FROM -> s :: Switch(0); s[0] -> n :: Counter -> to0; s[1] -> to1;
        Script(set x 0, label top, wait 0.25s, write s.switch $(sub 1 $(s.switch)), set x $(add $x 1),
            goto top $(lt $x 3),
            write n.reset, stop);""".replace(", stop", ""), ("n.count", "s.switch")),
}  # fmt: skip

PACKETS = {"mixed": mixed, "talk": talk}
