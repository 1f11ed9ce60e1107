"""itf/packet.h against Scapy, and against every way of cutting a packet short (under sanitizers)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.packet import Packet, Raw

from itf.segment import C
from tests.rigs.packets import Driver, built, fold, words

NONE = C.OFFSET_NONE
ETH = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
#: what the driver sets and parsing must keep
OWN = C.FRAME_ORIGINATED | C.FRAME_CLONED | C.FRAME_NOTED | C.FRAME_WATCHED


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    with built(tmp_path_factory.mktemp("packet")) as driver:
        yield driver


def four(**fields: Any) -> IP:
    return IP(src="10.1.2.3", dst="10.9.8.7", **fields)


def six(**fields: Any) -> IPv6:
    return IPv6(src="fd00::1:2", dst="fd00::ffff:3", **fields)


SEGMENTS = IPv6ExtHdrRouting(addresses=["fd00::77", "fd00::78"], segleft=2)
KINDS: dict[str, tuple[Packet, int, int, int, int]] = {
    # packet, l3, l4, protocol, flags
    "udp": (ETH / four() / UDP(sport=1, dport=2) / (b"x" * 30), 14, 34, 17, 0),
    "short udp": (ETH / four() / UDP(sport=1, dport=2), 14, 34, 17, 0),
    "tcp": (ETH / four() / TCP(sport=1, dport=80) / b"GET /", 14, 34, 6, 0),
    "tcp options": (
        ETH / four() / TCP(sport=1, dport=80, options=[("MSS", 1460)] * 3) / b"GET",
        14,
        34,
        6,
        0,
    ),
    "icmp": (ETH / four() / ICMP(id=77) / b"ping", 14, 34, 1, 0),
    "ip options": (
        ETH / four(options=[IPOption(b"\x94\x04\x00\x00")]) / UDP(dport=7) / b"ab",
        14,
        38,
        17,
        0,
    ),
    "other protocol": (ETH / four(proto=132) / Raw(b"sctp"), 14, 34, 132, 0),
    "first fragment": (ETH / four(flags="MF") / UDP(sport=3, dport=4, len=99) / b"abc", 14, 34, 17, 0),
    "fragment": (ETH / four(frag=10, proto=17) / Raw(b"tail" * 5), 14, NONE, 0, C.FRAME_FRAGMENT),
    "vlan": (ETH / Dot1Q(vlan=7) / four() / UDP() / b"abc", 18, 38, 17, C.FRAME_VLAN),
    "qinq": (ETH / Dot1AD(vlan=7) / Dot1Q(vlan=8) / four() / TCP(), 22, 42, 6, C.FRAME_VLAN),
    "arp": (ETH / ARP(psrc="10.0.0.1", pdst="10.0.0.2"), NONE, NONE, 0, 0),
    "tagged arp": (ETH / Dot1Q(vlan=9) / ARP(pdst="10.0.0.2"), NONE, NONE, 0, C.FRAME_VLAN),
    "udp6": (ETH / six() / UDP(sport=1, dport=2) / (b"x" * 9), 14, 54, 17, C.FRAME_IPV6),
    "tcp6": (ETH / six() / TCP(dport=443) / b"hello", 14, 54, 6, C.FRAME_IPV6),
    "icmp6": (ETH / six() / ICMPv6EchoRequest(id=5, data=b"ping"), 14, 54, 58, C.FRAME_IPV6),
    "extensions": (
        ETH / six() / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / TCP() / b"abc",
        14,
        70,
        6,
        C.FRAME_IPV6,
    ),
    "routing": (ETH / six() / SEGMENTS / UDP(dport=5) / b"abc", 14, 94, 17, C.FRAME_IPV6),
    "first fragment6": (
        ETH / six() / IPv6ExtHdrFragment(m=1, id=5) / UDP(len=99) / b"abcd",
        14,
        62,
        17,
        C.FRAME_IPV6,
    ),
    "fragment6": (
        ETH / six() / IPv6ExtHdrFragment(offset=3, nh=17) / Raw(b"tail"),
        14,
        NONE,
        0,
        C.FRAME_IPV6 | C.FRAME_FRAGMENT,
    ),
    "no next header": (ETH / six(nh=59), 14, NONE, 0, C.FRAME_IPV6),
    "llc": (Ether(type=40) / Raw(b"\x42\x42\x03" + bytes(37)), NONE, NONE, 0, 0),
}
WHOLE = [name for name in KINDS if "fragment" not in name and name not in ("arp", "tagged arp", "llc")]
#: Scapy leaves these without a checksum of their transport's
SUMMED = [name for name in WHOLE if name not in ("other protocol", "no next header")]


@pytest.mark.parametrize("name", KINDS)
def test_parse(ask: Driver, name: str) -> None:
    packet, l3, l4, proto, flags = KINDS[name]
    found = ask("parse", packet)
    assert (found["l3"], found["l4"], found["proto"], found["flags"]) == (l3, l4, proto, flags | OWN)
    assert found["done"] == (l3 != NONE)
    for layer, accessor in (
        (Ether, "eth"),
        (ARP, "arp"),
        (IP, "ip4"),
        (IPv6, "ip6"),
        (TCP, "tcp"),
        (UDP, "udp"),
    ):
        assert found[accessor] == (layer in packet), accessor
    assert found["vlan"] == (Dot1Q in packet or Dot1AD in packet)
    assert found["icmp"] == (ICMP in packet or ICMPv6EchoRequest in packet)


@pytest.mark.parametrize("name", [n for n in KINDS if KINDS[n][1] == 14])
def test_parse_without_ethernet(ask: Driver, name: str) -> None:
    packet, _, l4, proto, flags = KINDS[name]
    found = ask("parse", bytes(packet)[14:], link=C.LINK_IP)
    l4 = l4 - 14 if l4 != NONE else NONE
    assert (found["l3"], found["l4"], found["proto"], found["flags"]) == (0, l4, proto, flags | OWN)
    assert not found["eth"] and not found["vlan"]
    assert ask("parse", bytes(packet)[14:], link=C.LINK_OTHER)["l3"] == NONE


@pytest.mark.parametrize("name", KINDS)
def test_cut_short_at_every_length(ask: Driver, name: str) -> None:
    packet, l3, l4, *_ = KINDS[name]
    raw = bytes(packet)
    for op in ("parse", "complete", "fix", "src4", "dst6", "sport", "ttl", "push", "pop"):
        for cut in range(len(raw)):
            found = ask(op, raw[:cut], number=0x0A0B0C0D)
            if op == "parse":
                assert found["l3"] in (NONE, l3) and found["l4"] in (NONE, l4)
                assert found["l4"] == NONE or found["l4"] <= cut


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=120), link=st.integers(0, 2), number=st.integers(0, 2**48 - 1))
def test_nothing_reads_outside(ask: Driver, data: bytes, link: int, number: int) -> None:
    ask("parse", data, link=link)
    ask("fix", data, link=link)
    ask("trust", data, number, link=link)


@settings(max_examples=300, deadline=None)
@given(
    name=st.sampled_from(list(KINDS)),
    at=st.integers(12, 80),
    value=st.integers(0, 255),
    number=st.integers(0, 2**48 - 1),
)
def test_nothing_reads_outside_a_bent_packet(
    ask: Driver, name: str, at: int, value: int, number: int
) -> None:
    raw = bytearray(bytes(KINDS[name][0]))
    raw[at % len(raw)] = value
    for op in ("parse", "complete", "fix", "dst6"):
        ask(op, bytes(raw))
    ask("trust", bytes(raw), number & 0xFF_FF_007F_007F)


def test_lengths_that_lie(ask: Driver) -> None:
    raw = bytearray(bytes(ETH / four() / UDP() / b"abc"))
    raw[16:18] = b"\0\x14"  # an IP packet that ends before its transport
    assert ask("parse", bytes(raw))["l4"] == NONE
    raw[16:18] = b"\0\0"  # captured before its sender's network card cut it: as long as it is there
    assert ask("parse", bytes(raw))["l4"] == 34 and ask("parse", bytes(raw))["size"] == 3
    raw = bytearray(bytes(ETH / six() / UDP() / b"abc"))
    raw[18:20] = b"\0\0"
    assert ask("parse", bytes(raw))["l4"] == 54 and ask("parse", bytes(raw))["size"] == 3
    raw = bytearray(bytes(ETH / four() / UDP() / b"abcdef"))
    for length, payload in ((11, 3), (8, 0), (14, 6), (99, 6), (7, 6), (0, 6)):
        raw[38:40] = length.to_bytes(2, "big")  # UDP's own length, if it can be one
        assert ask("parse", bytes(raw))["size"] == payload, length
    raw = bytearray(bytes(ETH / four() / TCP() / b"abcdefgh"))
    raw[46] = 0x10  # a TCP header shorter than TCP's
    assert ask("parse", bytes(raw))["payload"] == -1
    raw[46] = 0xF0  # and one longer than the packet
    assert ask("parse", bytes(raw))["payload"] == -1
    raw[14] = 0x44  # IHL of four words
    assert ask("parse", bytes(raw))["l3"] == NONE


def test_payload_is_without_padding(ask: Driver) -> None:
    found = ask("parse", bytes(ETH / four() / UDP() / b"abc") + bytes(15))
    assert (found["payload"], found["size"]) == (42, 3)
    found = ask("parse", ETH / four() / TCP(options=[("MSS", 1)]) / b"abc")
    assert (found["payload"], found["size"]) == (58, 3)
    assert ask("parse", bytes(ETH / six() / UDP()) + b"pad")["size"] == 0


# ---- checksums ------------------------------------------------------------------------------------------


def field_of(packet: Packet) -> slice:
    """Where the transport's checksum lies."""
    _, l4, proto, _ = next(v[1:] for v in KINDS.values() if v[0] is packet)
    at = l4 + {6: 16, 17: 6, 1: 2, 58: 2}[proto]
    return slice(at, at + 2)


def partial(packet: Packet) -> bytes:
    """As a local peer hands it over: the pseudo-header's sum in the checksum field."""
    raw = bytearray(bytes(packet))
    l3, l4, proto, _ = next(v[1:] for v in KINDS.values() if v[0] is packet)
    if IP in packet:
        addresses, end = raw[l3 + 12 : l3 + 20], l3 + int.from_bytes(raw[l3 + 2 : l3 + 4], "big")
    else:
        addresses, end = raw[l3 + 8 : l3 + 40], len(raw)
        if IPv6ExtHdrRouting in packet:
            addresses[16:] = bytes(IPv6(dst="fd00::78"))[24:40]
    total = words(bytes(addresses)) + proto + end - l4
    raw[field_of(packet)] = fold(total).to_bytes(2, "big")
    return bytes(raw)


@pytest.mark.parametrize("name", [n for n in SUMMED if n != "icmp"])
@pytest.mark.parametrize("padding", [b"", b"\xff" * 7])
def test_complete_checksum(ask: Driver, name: str, padding: bytes) -> None:
    packet = KINDS[name][0]
    found = ask("complete", partial(packet) + padding)
    assert found["done"]
    assert found["data"] == bytes(packet) + padding
    assert not ask("complete", bytes(packet) + padding)["done"]


def test_complete_leaves_alone_what_it_must(ask: Driver) -> None:
    none = bytearray(bytes(ETH / four() / UDP(chksum=0) / b"abc"))
    assert ask("complete", bytes(none))["data"] == bytes(none)  # UDP without a checksum
    whole = partial(KINDS["udp"][0])
    assert not ask("complete", whole[:-3])["done"]  # a part of a packet has no sum
    for name in ("first fragment", "first fragment6"):
        assert not ask("complete", KINDS[name][0])["done"]


@pytest.mark.parametrize("name", SUMMED)
def test_fix_checksums(ask: Driver, name: str) -> None:
    packet = KINDS[name][0]
    raw = bytearray(bytes(packet))
    raw[field_of(packet)] = b"\x12\x34"
    if IP in packet:
        at = KINDS[name][1] + 10
        raw[at : at + 2] = b"\x56\x78"
    assert ask("fix", bytes(raw))["data"] == bytes(packet)


def test_fix_leaves_fragments_alone(ask: Driver) -> None:
    for name in ("first fragment", "fragment", "first fragment6", "fragment6"):
        packet = KINDS[name][0]
        assert ask("fix", packet)["data"] == bytes(packet)


@settings(max_examples=200, deadline=None)
@given(
    name=st.sampled_from([n for n in SUMMED if n != "routing"]),
    op=st.sampled_from(["src4", "dst4", "src6", "dst6", "sport", "dport", "ttl"]),
    number=st.integers(0, 2**32 - 1),
    seed=st.integers(0, 2**16),
)
def test_setters_keep_checksums(ask: Driver, name: str, op: str, number: int, seed: int) -> None:
    packet = KINDS[name][0].copy()
    packet = packet.__class__(bytes(packet / Raw(random.Random(seed).randbytes(seed % 40))))
    for layer in (IP, IPv6, UDP, TCP, ICMP, ICMPv6EchoRequest):
        if layer in packet:
            for field in ("len", "plen", "chksum", "cksum"):
                if field in packet[layer].fields:
                    delattr(packet[layer], field)
    found = ask(op, bytes(packet), number)
    assert found["done"] == {
        "4": IP in packet, "6": IPv6 in packet, "t": TCP in packet or UDP in packet, "l": True
    }[op[-1]]  # fmt: skip
    fixed = ask("fix", found["data"])["data"]
    assert found["data"] == fixed
    if found["done"] and op in ("sport", "dport"):
        assert getattr(Ether(fixed).getlayer(TCP) or Ether(fixed)[UDP], op) == number & 0xFFFF


def test_setters_keep_udp_without_checksum(ask: Driver) -> None:
    raw = bytes(ETH / four() / UDP(chksum=0) / b"abc")
    assert ask("sport", raw, 99)["data"][40:42] == b"\0\0"


# ---- tags and flows ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", KINDS)
def test_tags(ask: Driver, name: str) -> None:
    packet, l3, l4, *_ = KINDS[name]
    raw = bytes(packet)
    pushed = ask("push", packet, 0x2007)
    assert pushed["data"] == raw[:12] + b"\x81\x00\x20\x07" + raw[12:]
    assert pushed["l3"] == (l3 + 4 if l3 != NONE else NONE) and pushed["l4"] == (
        l4 + 4 if l4 != NONE else NONE
    )
    assert ask("pop", pushed["data"])["data"] == raw


def answer_to(packet: Packet) -> Packet:
    back = packet.copy()
    for layer in (IP, IPv6):
        if layer in back:
            back[layer].src, back[layer].dst = back[layer].dst, back[layer].src
    for transport in (TCP, UDP):
        if transport in back:
            back[transport].sport, back[transport].dport = back[transport].dport, back[transport].sport
    return back


@settings(max_examples=100, deadline=None)
@given(
    a=st.integers(0, 2**32 - 1), b=st.integers(0, 2**32 - 1), p=st.integers(0, 65535), q=st.integers(0, 65535)
)
def test_both_directions_are_one_flow(ask: Driver, a: int, b: int, p: int, q: int) -> None:
    ip = IP(src=".".join(map(str, a.to_bytes(4, "big"))), dst=".".join(map(str, b.to_bytes(4, "big"))))
    packet = ETH / ip / UDP(sport=p, dport=q)
    there, back = ask("parse", packet), ask("parse", answer_to(packet))
    assert (there["key"], there["hash"]) == (back["key"], back["hash"])
    if (a, p) != (b, q):
        assert {there["direction"], back["direction"]} == {0, 1}
    other = ask("parse", ETH / ip / UDP(sport=p ^ 1, dport=q))
    assert other["key"] != there["key"]


def test_flows_of_other_packets(ask: Driver) -> None:
    echo = KINDS["icmp"][0]
    reply = answer_to(echo)
    reply[ICMP].type = 0
    assert ask("parse", echo)["key"] == ask("parse", reply)["key"]
    assert ask("parse", echo)["low_port"] == 77
    assert ask("parse", KINDS["arp"][0])["direction"] == -1
    assert ask("parse", KINDS["arp"][0])["hash"] == 0
    assert ask("parse", KINDS["udp6"][0])["hash"] == ask("parse", answer_to(KINDS["udp6"][0]))["hash"]


def test_hashes_spread(ask: Driver) -> None:
    buckets = [0] * 64
    for port in range(1024):
        buckets[ask("parse", ETH / four() / UDP(sport=port, dport=53) / (b"x" * 20))["hash"] % 64] += 1
    assert max(buckets) < 40 and min(buckets) > 2  # 16 each on average
