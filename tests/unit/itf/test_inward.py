"""itf/inward.h: checksums that a local peer left to its device, inside every kind of tunnel, against Scapy (under
sanitizers)."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from scapy.contrib.geneve import GENEVE
from scapy.contrib.mpls import MPLS
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6, IPv6ExtHdrDestOpt
from scapy.layers.l2 import GRE, Dot1Q, Ether
from scapy.layers.sctp import SCTP, SCTPChunkData
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet, Raw

from tests.rigs.packets import Driver, built, fold, words

ETH = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
INNER_ETH = Ether(src="02:00:00:00:00:11", dst="02:00:00:00:00:12")
FOUR = IP(src="192.0.2.1", dst="192.0.2.2")
SIX = IPv6(src="2001:db8::1", dst="2001:db8::2")
IN_FOUR = IP(src="10.1.2.3", dst="10.9.8.7")
IN_SIX = IPv6(src="fd00::1:2", dst="fd00::ffff:3")
DATA = Raw(b"what it is all about")

INNER: dict[str, Packet] = {
    "tcp": IN_FOUR / TCP(sport=1, dport=80, options=[("MSS", 1460)]) / DATA,
    "udp": IN_FOUR / UDP(sport=1, dport=53) / DATA,
    "tcp6": IN_SIX / TCP(sport=1, dport=80) / DATA,
    "udp6": IN_SIX / UDP(sport=1, dport=80) / DATA,
    "icmp6": IN_SIX / ICMPv6EchoRequest(id=5, data=b"ping"),
    "sctp": IN_FOUR / SCTP(sport=1, dport=2, tag=7) / SCTPChunkData(data=b"abcd"),
    "sctp6": IN_SIX / SCTP(sport=1, dport=2, tag=7) / SCTPChunkData(data=b"abcd"),
}


def by_version(inner: Packet, four: int, six: int) -> int:
    return four if isinstance(inner, IP) else six


def mpls(inner: Packet) -> Packet:
    return Ether(dst=ETH.dst, src=ETH.src, type=0x8847) / MPLS(label=20, s=0, ttl=9) / MPLS(label=30, s=1) / inner


def gre(inner: Packet, **fields: int) -> Packet:
    return GRE(proto=by_version(inner, 0x0800, 0x86DD), **fields) / inner


TUNNELS = {
    "none": lambda p: ETH / p,
    "vxlan": lambda p: ETH / FOUR / UDP(sport=9, dport=4789, chksum=0) / VXLAN(vni=7) / INNER_ETH / p,
    "vxlan with checksum": lambda p: ETH / FOUR / UDP(sport=9, dport=4789) / VXLAN(vni=7) / INNER_ETH / p,
    "vxlan at another port": lambda p: (
        ETH / FOUR / UDP(sport=9, dport=8472, chksum=0) / Raw(bytes(VXLAN(vni=7) / INNER_ETH / p))
    ),
    "vxlan6": lambda p: ETH / SIX / UDP(sport=9, dport=4789) / VXLAN(vni=7) / INNER_ETH / p,
    "vxlan of a VLAN": lambda p: (
        ETH / Dot1Q(vlan=3) / FOUR / UDP(dport=4789, chksum=0) / VXLAN(vni=7) / INNER_ETH / Dot1Q(vlan=4) / p
    ),
    "gpe": lambda p: (
        ETH / FOUR / UDP(dport=4790, chksum=0) / VXLAN(flags=0x0C, NextProtocol=by_version(p, 1, 2), vni=7) / p
    ),
    "geneve": lambda p: (
        ETH / FOUR / UDP(dport=6081, chksum=0)
        / GENEVE(vni=7, proto=0x6558, optionlen=1) / Raw(bytes(4)) / INNER_ETH / p
    ),
    "gre": lambda p: ETH / FOUR / gre(p),
    "gre with a key": lambda p: ETH / FOUR / gre(p, key_present=1, key=5, seqnum_present=1),
    "gre with checksum": lambda p: ETH / FOUR / gre(p, chksum_present=1),
    "gre over IPv6": lambda p: ETH / SIX / gre(p),
    "gretap": lambda p: ETH / FOUR / GRE(proto=0x6558) / INNER_ETH / p,
    "in IPv4": lambda p: ETH / IP(src=FOUR.src, dst=FOUR.dst, proto=by_version(p, 4, 41)) / p,
    "in IPv6": lambda p: ETH / IPv6(src=SIX.src, dst=SIX.dst, nh=by_version(p, 4, 41)) / p,
    "in IPv6 with its limit": lambda p: (
        ETH / SIX / IPv6ExtHdrDestOpt(nh=by_version(p, 4, 41), options=[]) / p
    ),
    "mpls": mpls,
    "udp alone": lambda p: ETH / FOUR / UDP(dport=5555, chksum=0) / Raw(bytes(p)),
    "vxlan in gre": lambda p: (
        ETH / FOUR / GRE(proto=0x0800) / IP(dst="198.51.100.1") / UDP(dport=4789, chksum=0)
        / VXLAN(vni=7) / INNER_ETH / p
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    with built(tmp_path_factory.mktemp("packet")) as driver:
        yield driver


def partial(whole: bytes, inner: Packet) -> bytes:
    """As a local peer hands it over; `whole` ends with `inner`. Outer checksums are those over the complete packet,
    as the kernel makes them."""
    raw, transport = bytearray(whole), bytes(inner.payload)
    at = len(raw) - len(transport)
    if SCTP in inner:
        raw[at + 8 : at + 12] = bytes(4)
        return bytes(raw)
    ip = bytes(inner)
    addresses, proto = (ip[12:20], ip[9]) if isinstance(inner, IP) else (ip[8:40], ip[6])
    field = at + {6: 16, 17: 6, 58: 2}[proto]
    raw[field : field + 2] = fold(words(addresses) + proto + len(transport)).to_bytes(2, "big")
    return bytes(raw)


@pytest.mark.parametrize("name", INNER)
@pytest.mark.parametrize("tunnel", TUNNELS)
def test_is_completed(ask: Driver, tunnel: str, name: str) -> None:
    whole = bytes(TUNNELS[tunnel](INNER[name]))
    half = partial(whole, INNER[name])
    assert half != whole
    found = ask("inward", half)
    assert found["done"] and found["data"] == whole
    assert not ask("inward", whole)["done"]
    padded = ask("inward", half + b"\xff" * 5)
    assert padded["data"] == whole + b"\xff" * 5


@pytest.mark.parametrize("tunnel", ["vxlan with checksum", "vxlan6", "gre with checksum"])
def test_what_an_outer_checksum_vouches_for_stays(ask: Driver, tunnel: str) -> None:
    """A payload that only looks as if it were left to a device: its sender says that it is meant so."""
    inner = INNER["tcp"]
    looks = partial(bytes(inner), inner)
    again = Raw(looks)
    whole = bytes(TUNNELS[tunnel](inner))[: -len(looks)]
    packet = Ether(whole + looks)
    outer = packet[GRE] if GRE in packet else packet[UDP]
    del outer.chksum
    meant = bytes(packet)
    assert meant.endswith(bytes(again)) and meant != whole + looks
    found = ask("inward", meant)
    assert not found["done"] and found["data"] == meant


def test_outer_checksums_are_completed(ask: Driver) -> None:
    """Where what is inside has none to complete it is the tunnel's own that was left to the device."""
    ping = IN_FOUR / ICMP() / DATA
    whole = bytes(ETH / FOUR / UDP(sport=9, dport=4789) / VXLAN(vni=7) / INNER_ETH / ping)
    half = bytearray(whole)
    length = len(whole) - 34
    half[40:42] = fold(words(whole[26:34]) + 17 + length).to_bytes(2, "big")
    assert ask("inward", bytes(half))["data"] == whole
    whole = bytes(ETH / FOUR / GRE(proto=0x0800, chksum_present=1) / ping)
    half = bytearray(whole)
    half[38:40] = b"\0\0"
    assert ask("inward", bytes(half))["data"] == whole


@pytest.mark.parametrize("tunnel", TUNNELS)
def test_cut_short_and_bent(ask: Driver, tunnel: str) -> None:
    source = random.Random(tunnel)
    for name in ("udp", "tcp6", "sctp"):
        half = partial(bytes(TUNNELS[tunnel](INNER[name])), INNER[name])
        for size in range(0, len(half), 3):
            ask("inward", half[:size])
        for _ in range(60):
            bent = bytearray(half)
            for _ in range(source.randrange(1, 4)):
                bent[source.randrange(len(bent))] = source.randrange(256)
            ask("inward", bytes(bent))


def test_ordinary_packets_are_left_alone(ask: Driver) -> None:
    for payload in (bytes(40), b"GET / HTTP/1.1\r\n\r\n", random.Random(1).randbytes(300), b"\x08" + bytes(60)):
        for packet in (ETH / FOUR / UDP(sport=1, dport=2) / payload, ETH / FOUR / UDP(chksum=0) / payload):
            found = ask("inward", packet)
            assert not found["done"] and found["data"] == bytes(packet)
