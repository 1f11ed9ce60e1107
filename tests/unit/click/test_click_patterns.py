"""IPClassifier's and Classifier's patterns, compiled, against what each says in Python."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet, Raw

from tests.rigs.click import Running

MAC = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
PACKETS: list[Packet] = [
    *(
        MAC / IP(src=src, dst=dst, ttl=ttl, tos=tos, id=i) / transport
        for i, (src, dst, ttl, tos) in enumerate(
            [
                ("10.0.0.1", "10.0.0.2", 64, 0),
                ("10.1.2.3", "192.168.0.9", 1, 0xB8),
                ("1.2.3.4", "10.0.0.1", 200, 3),
            ]
        )
        for transport in (
            TCP(sport=80, dport=40000, flags="S"),
            TCP(sport=1023, dport=22, flags="SA"),
            TCP(sport=5, dport=5, flags="FA", window=77),
            UDP(sport=53, dport=53),
            UDP(sport=9999, dport=7) / Raw(b"payload"),
            ICMP(type=8),
            ICMP(type=11),
        )
    ),
    MAC / IP(src="10.0.0.1", dst="10.0.0.2", flags="MF") / TCP(sport=80, dport=1),
    MAC / IP(src="10.0.0.1", dst="10.0.0.2", frag=5) / Raw(b"\0\x50\0\x50 and more"),
    MAC / IP(src="10.0.0.1", dst="10.0.0.2", proto=4) / Raw(b"x" * 8),
    MAC / ARP(),
    # an IPv4 reader would see TCP and UDP, port 80, from 10.0.0.1 to 10.0.0.2
    *(
        MAC / IPv6(src=f"20{p:02x}:db8:a00:1:a00:2::1", dst="2001:db8::2", hlim=64) / TCP(sport=80, dport=80, flags="S")
        for p in (6, 17)
    ),
]
Says = Callable[[Packet], bool]


def ip(says: Says) -> Says:
    return lambda p: IP in p and says(p)


def first(kind: type, says: Says) -> Says:
    return lambda p: IP in p and p[IP].frag == 0 and kind in p and says(p)


def ports(says: Callable[[int, int], bool], kinds: tuple[type, ...] = (TCP, UDP)) -> Says:
    return lambda p: any(first(k, lambda q, k=k: says(q[k].sport, q[k].dport))(p) for k in kinds)  # type: ignore[misc]


def net10(address: str) -> bool:
    return address.startswith("10.")


TCP_PROTO = ip(lambda p: p[IP].proto == 6)
PATTERNS: list[tuple[str, Says]] = [
    ("tcp", TCP_PROTO),
    ("ip proto udp", ip(lambda p: p[IP].proto == 17)),
    ("ip proto 4", ip(lambda p: p[IP].proto == 4)),
    ("not tcp", lambda p: not TCP_PROTO(p)),
    ("ip vers 6", lambda p: IPv6 in p),
    ("ip vers 4 and tcp", TCP_PROTO),
    ("tcp or udp and false", TCP_PROTO),
    ("(tcp or udp) && true", ip(lambda p: p[IP].proto in (6, 17))),
    ("src host 10.0.0.1", ip(lambda p: p[IP].src == "10.0.0.1")),
    ("10.0.0.1", ip(lambda p: "10.0.0.1" in (p[IP].src, p[IP].dst))),
    ("host != 10.0.0.1", ip(lambda p: "10.0.0.1" not in (p[IP].src, p[IP].dst))),
    ("src and dst net 10.0.0.0/8", ip(lambda p: net10(p[IP].src) and net10(p[IP].dst))),
    ("dst net 10.0.0.0 mask 255.0.0.0", ip(lambda p: net10(p[IP].dst))),
    ("src 10.0.0.1 or 1.2.3.4", ip(lambda p: p[IP].src in ("10.0.0.1", "1.2.3.4"))),
    ("inside", ip(lambda p: net10(p[IP].src) or net10(p[IP].dst))),
    ("port 53", ports(lambda s, d: 53 in (s, d))),
    ("src port 80 or 81 or 1023", ports(lambda s, d: s in (80, 81, 1023))),
    ("dst tcp port ssh", ports(lambda s, d: d == 22, (TCP,))),
    ("src and dst udp port 53", ports(lambda s, d: s == d == 53, (UDP,))),
    ("src tcp port != 5", ports(lambda s, d: s != 5, (TCP,))),
    ("!(src tcp port == 5)", lambda p: not ports(lambda s, d: s == 5, (TCP,))(p)),
    ("dst port > 1023", ports(lambda s, d: d > 1023)),
    ("src port <= 80", ports(lambda s, d: s <= 80)),
    ("src port >= 1023 and dst port < 23", ports(lambda s, d: s >= 1023 and d < 23)),
    ("src tcp port & 10 == 8", ports(lambda s, d: s & 10 == 8, (TCP,))),
    ("syn", first(TCP, lambda p: bool(p[TCP].flags & 2))),
    ("fin ack", first(TCP, lambda p: p[TCP].flags & 17 == 17)),
    ("tcp opt syn and not ack", first(TCP, lambda p: p[TCP].flags & 18 == 2)),
    ("tcp win 77", first(TCP, lambda p: p[TCP].window == 77)),
    ("icmp type echo", first(ICMP, lambda p: p[ICMP].type == 8)),
    ("icmp type != 8", first(ICMP, lambda p: p[ICMP].type != 8)),
    ("icmp type timeexceeded or 8", first(ICMP, lambda p: p[ICMP].type in (8, 11))),
    ("ip ttl < 64", ip(lambda p: p[IP].ttl < 64)),
    ("ip ttl >= 64 ? udp : tcp", ip(lambda p: p[IP].proto == (17 if p[IP].ttl >= 64 else 6))),
    ("ip dscp 46", ip(lambda p: p[IP].tos >> 2 == 46)),
    ("ip tos & 3 == 3", ip(lambda p: p[IP].tos & 3 == 3)),
    ("ect", ip(lambda p: p[IP].tos & 3 != 0)),
    ("ip ce", ip(lambda p: p[IP].tos & 3 == 3)),
    ("ip frag", ip(lambda p: p[IP].frag != 0 or "MF" in str(p[IP].flags))),
    ("unfrag", ip(lambda p: p[IP].frag == 0 and "MF" not in str(p[IP].flags))),
    ("ip vers 4 and ip hl = 5", ip(lambda p: True)),
    ("ip id 1", ip(lambda p: p[IP].id == 1)),
    ("ip[8] == 200", ip(lambda p: p[IP].ttl == 200)),
    ("ip[6:2] & 0x1fff = 5", ip(lambda p: p[IP].frag == 5)),
    ("udp[2:2] 7", first(UDP, lambda p: p[UDP].dport == 7)),
    ("transp[0:2] 80", ip(lambda p: p[IP].frag == 0 and bytes(p[IP])[20:22] == b"\0\x50")),
    ("src ether host 02:00:00:00:00:01", lambda p: True),
    ("ether host 02-0-0-0-0-9", lambda p: False),
    ("all", lambda p: True),
]  # fmt: skip


def test_patterns_mean_what_they_say(tmp_path: Path) -> None:
    chain = "".join(
        f"x{i} -> f{i} :: IPClassifier({pattern}, -); f{i}[0] -> c{i} :: Counter -> x{i + 1} :: Null;\n"
        f"f{i}[1] -> x{i + 1};\n"
        for i, (pattern, _) in enumerate(PATTERNS)
    )
    text = f"AddressInfo(inside 10.0.0.0/8); FromDevice(in) -> x0 :: Null;\n{chain}"
    text += f"x{len(PATTERNS)} -> ToDevice(next);"
    with Running(tmp_path, text, quota=64) as click:
        back = click.send(*map(bytes, PACKETS))
        assert [b.data for b in back] == [bytes(p) for p in PACKETS]
        counted = {pattern: click.read("handler", f"c{i}.count") for i, (pattern, _) in enumerate(PATTERNS)}
        assert click.read("f3.pattern0") == "not tcp"
    built = [Ether(bytes(p)) for p in PACKETS]
    assert counted == {pattern: sum(says(p) for p in built) for pattern, says in PATTERNS}


def test_classifier_bytes_masks_and_negation(tmp_path: Path) -> None:
    text = """
        FromDevice(in) -> c :: Classifier(12/0806, 12/0800 23/06%0f !36/0016, 14/4? 23/1?, 100/00%00
        !60/00, -)
        -> d :: Discard; c[1] -> ToDevice(next); c[2] -> Discard(REASON two); c[3] -> Discard(REASON three);
        c[4] -> Discard(REASON four);
    """
    tcp, ssh, udp = PACKETS[0], PACKETS[1], PACKETS[3]
    arp = next(p for p in PACKETS if ARP in p)
    other = Ether(type=0x1234) / Raw(bytes(200))
    packets = [bytes(p) for p in (arp, tcp, ssh, udp, Ether(type=0x1234) / Raw(b"x"), other)]
    with Running(tmp_path, text) as click:
        assert click.fates(*packets) == ["discard", "to 0", "three", "two", "three", "four"]


def test_whoever_watches_is_told_which_element_and_rule_dropped(tmp_path: Path) -> None:
    text = """FromDevice(in) -> Strip(14) -> CheckIPHeader
        -> fw :: IPFilter(allow udp, drop tcp dst port "23", 1 tcp dst port 80, deny tcp dst port 9)
        -> Unstrip(14) -> ToDevice(next);
    fw[1] -> CheckLength(50) -> q :: Queue(1) -> Discard;
    """

    def frame(layer: Packet) -> bytes:
        return bytes(MAC / IP(src="10.0.0.1", dst="10.0.0.2") / layer)

    packets = {
        frame(UDP(dport=9)): ("to 0", ""),
        frame(TCP(dport=23)): ("filtered", "fw :: IPFilter, rule 1: drop tcp dst port 23"),
        frame(TCP(dport=9)): ("filtered", "fw :: IPFilter, rule 3: deny tcp dst port 9"),
        frame(TCP(dport=5)): ("filtered", "fw :: IPFilter"),
        frame(TCP(dport=80) / Raw(b"x" * 90)): ("too_long", "CheckLength@"),
        bytes(MAC / ARP()): ("bad_ip_header", "CheckIPHeader@"),
    }
    with Running(tmp_path, text) as x:
        for watched in False, True:
            backs = [x.send(packet, watched=watched)[0] for packet in packets]
            assert [x.fate(back) for back in backs] == [fate for fate, _ in packets.values()]
            told = [back.note.partition("@")[0] + "@" * ("@" in back.note) for back in backs]
            assert told == [note * watched for _, note in packets.values()]
