"""Super-frames cut by vns/segment_offload.c (with UBSan), against Scapy: every segment is a valid packet, and
together they carry what the super-frame carried."""

from __future__ import annotations

import random
import subprocess
from typing import Any

import cffi
import pytest
from scapy.contrib.mpls import MPLS
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import GRE, Dot1Q, Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet, Raw

from itf.segment import HERE

ROOT = HERE.parent
TCPV4, UFO, TCPV6, UDP_L4, ECN = 1, 3, 4, 5, 0x80  # linux/virtio_net.h

ffi = cffi.FFI()
ffi.cdef("\n".join(x for x in (HERE / "segment.h").read_text().splitlines() if not x.startswith("#")))
header = (ROOT / "vns" / "segment_offload.h").read_text()
ffi.cdef("\n".join(x for x in header.splitlines() if not x.startswith("#")))


@pytest.fixture(scope="module")
def lib(tmp_path_factory: pytest.TempPathFactory) -> Any:
    out = tmp_path_factory.mktemp("segment") / "segment_offload.so"
    flags = ["-std=gnu11", "-O1", "-g", "-fPIC", "-shared", "-I."]
    flags += ["-fsanitize=undefined", "-fno-sanitize-recover=undefined"]
    subprocess.run(["cc", *flags, "-o", str(out), "vns/segment_offload.c"], cwd=ROOT, check=True)
    return ffi.dlopen(str(out))


def cut(lib: Any, raw: bytes, kind: int, size: int, start: int = 0) -> list[bytes] | None:
    """All segments; None if it was refused. `start`: where what its partial checksum covers begins."""
    source, state = ffi.new("uint8_t[]", raw), ffi.new("struct super_frame *")
    if not lib.super_frame_open(state, source, len(raw), kind, size, start):
        return None
    found = []
    while room := lib.super_frame_next_len(state):
        to = ffi.new("uint8_t[]", room)
        lib.super_frame_make(state, to)
        found.append(bytes(ffi.buffer(to)))
    assert len(found) == state.segments
    return found


def again(packet: Packet) -> bytes:
    """The packet with every checksum and length computed by Scapy."""
    copy = packet.copy()
    computed = {IP: ("chksum", "len"), IPv6: ("plen",), TCP: ("chksum",), UDP: ("chksum", "len")}
    for layer, fields in computed.items():
        if copy.haslayer(layer):
            for field in fields:
                copy[layer].delfieldval(field)
    return bytes(copy)


@pytest.mark.parametrize("tagged", [False, True])
@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("payload", [0, 1, 999, 1000, 1001, 3000, 60000])
def test_tcp(lib: Any, version: int, tagged: bool, payload: int) -> None:
    data = random.Random(payload).randbytes(payload)
    ip = IP(src="10.0.0.1", dst="10.0.0.2", id=65534) if version == 4 else IPv6(src="fd00::1", dst="fd00::2")
    options = [("Timestamp", (1, 2)), ("NOP", None), ("NOP", None)]
    tcp = TCP(sport=1, dport=2, seq=2**32 - 500, flags="FPAC", options=options)
    super_frame = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
    if tagged:
        super_frame /= Dot1Q(vlan=7)
    raw = bytes(super_frame / ip / tcp / Raw(data))
    found = cut(lib, raw, (TCPV4 if version == 4 else TCPV6) | ECN, 1000)
    assert found is not None and len(found) == max(1, -(-payload // 1000))
    got, sequence = b"", 2**32 - 500
    for number, segment in enumerate(found):
        packet = Ether(segment)
        assert again(packet) == segment
        assert packet[TCP].seq == sequence % 2**32
        if version == 4:
            assert packet[IP].id == (65534 + number) % 65536
        last = number == len(found) - 1
        flags = {"A"} | ({"F", "P"} if last else set()) | ({"C"} if number == 0 else set())
        assert set(str(packet[TCP].flags)) == flags
        part = bytes(packet[TCP].payload)
        got += part
        sequence += len(part)
    assert got == data


@pytest.mark.parametrize("version", [4, 6])
def test_udp(lib: Any, version: int) -> None:
    data = random.Random(1).randbytes(2500)
    ip = IP(src="10.0.0.1", dst="10.0.0.2") if version == 4 else IPv6(src="fd00::1", dst="fd00::2")
    super_frame = Ether(dst="02:00:00:00:00:02") / ip / UDP(sport=1, dport=2) / Raw(data)
    found = cut(lib, bytes(super_frame), UDP_L4, 1000)
    assert found is not None and [Ether(s)[UDP].len for s in found] == [1008, 1008, 508]
    assert all(again(Ether(s)) == s for s in found)
    assert b"".join(bytes(Ether(s)[UDP].payload) for s in found) == data


ETH, INNER_ETH = Ether(dst="02:00:00:00:00:02"), Ether(dst="02:00:00:00:00:12")
FOUR, SIX = IP(src="192.0.2.1", dst="192.0.2.2", id=65535), IPv6(src="2001:db8::1", dst="2001:db8::2")
TUNNELS = {
    "vxlan": ETH / FOUR / UDP(sport=9, dport=4789, chksum=0) / VXLAN(vni=7) / INNER_ETH,
    "vxlan with checksum": ETH / FOUR / UDP(sport=9, dport=4789) / VXLAN(vni=7) / INNER_ETH,
    "vxlan6": ETH / SIX / UDP(sport=9, dport=8472) / Raw(bytes(VXLAN(vni=7))) / INNER_ETH,
    "gretap": ETH / FOUR / GRE(proto=0x6558, chksum_present=1, key_present=1, key=9) / INNER_ETH,
    "ip": ETH / FOUR,
    "ip6": ETH / SIX,
    "mpls": Ether(dst=ETH.dst, type=0x8847) / MPLS(label=20, s=0) / MPLS(label=30, s=1),
    "vxlan in gre": (
        ETH / SIX / GRE(proto=0x0800) / FOUR / UDP(dport=4789) / VXLAN(vni=7) / INNER_ETH / Dot1Q(vlan=5)
    ),
}


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("tunnel", TUNNELS)
def test_in_a_tunnel(lib: Any, tunnel: str, transport: str, version: int) -> None:
    """Every segment is what Scapy makes of the same packet with that much of the payload."""
    data = random.Random(1).randbytes(2900)
    ip = IP(src="10.0.0.1", dst="10.0.0.2", id=65534) if version == 4 else IPv6(src="fd00::1", dst="fd00::2")
    over = TCP(sport=1, dport=2, seq=7, flags="PA") if transport == "tcp" else UDP(sport=1, dport=2)

    def packet(part: bytes, number: int, last: bool) -> bytes:
        outer, inner, carried = TUNNELS[tunnel].copy(), ip.copy(), over.copy()
        if transport == "tcp":
            carried.seq, carried.flags = 7 + 1000 * number, "PA" if last else "A"
        if outer.haslayer(IP):
            outer[IP].id = (outer[IP].id + number) % 65536
        if version == 4:
            inner.id = (inner.id + number) % 65536
        return bytes(outer / inner / carried / Raw(part))

    whole = packet(data, 0, True)
    kind = UDP_L4 if transport == "udp" else TCPV4 if version == 4 else TCPV6
    start = len(whole) - len(data) - len(over)
    for told in (start, 0):
        found = cut(lib, whole, kind, 1000, told)
        assert found is not None and len(found) == 3
        for number, segment in enumerate(found):
            assert segment == packet(data[1000 * number : 1000 * number + 1000], number, number == 2)


def test_a_sequence_number_cannot_be_counted_on(lib: Any) -> None:
    inner = IP(dst="10.0.0.2") / TCP() / Raw(bytes(3000))
    tunnel = GRE(proto=0x0800, seqnum_present=1, sequence_number=5)
    assert cut(lib, bytes(ETH / FOUR / tunnel / inner), TCPV4, 1000) is None


def test_what_covers_nothing_that_is_there(lib: Any) -> None:
    whole = bytes(TUNNELS["vxlan"] / IP(dst="10.0.0.2") / TCP() / Raw(bytes(3000)))
    assert cut(lib, whole, TCPV4, 1000, 77) is None


@pytest.mark.parametrize("kind,size", [(UFO, 1000), (TCPV4, 0), (UDP_L4, 1000), (77, 1000)])
def test_what_cannot_be_cut(lib: Any, kind: int, size: int) -> None:
    raw = bytes(Ether(dst="02:00:00:00:00:02") / IP(dst="10.0.0.2") / TCP() / Raw(bytes(3000)))
    assert cut(lib, raw, kind, size) is None


def test_nonsense_is_refused_or_cut_within_bounds(lib: Any) -> None:
    source = random.Random(7)
    inner = IP(dst="10.0.0.2") / TCP() / Raw(bytes(300))
    plain, tunneled = bytes(ETH / inner), bytes(TUNNELS["vxlan in gre"] / inner)
    for number in range(6000):
        good = tunneled if number % 2 else plain
        raw = bytearray(good[: source.randrange(1, len(good))])
        for _ in range(source.randrange(8)):
            raw[source.randrange(len(raw))] = source.randrange(256)
        found = cut(lib, bytes(raw), source.choice([TCPV4, TCPV6, UDP_L4]), source.randrange(1, 400))
        assert found is None or sum(map(len, found)) < 100 * len(raw) + 100


def test_a_partial_checksum_is_completed(lib: Any) -> None:
    whole = bytes(Ether(dst="02:00:00:00:00:02") / IP(src="10.0.0.1", dst="10.0.0.2") / UDP() / Raw(b"odd"))
    data = ffi.new("uint8_t[]", whole)
    pseudo = sum(int.from_bytes(whole[i : i + 2], "big") for i in range(26, 34, 2)) + 17 + 11
    data[40], data[41] = divmod((pseudo & 0xFFFF) + (pseudo >> 16), 256)
    assert lib.checksum_complete_at(data, len(whole), 34, 6)
    assert bytes(ffi.buffer(data, len(whole))) == whole
    assert not lib.checksum_complete_at(data, len(whole), 34, 10)
    assert not lib.checksum_complete_at(data, len(whole), 34, 8)  # SCTP's is no sum
