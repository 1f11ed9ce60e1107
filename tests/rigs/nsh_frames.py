"""NSH packets written from the figures of RFC 8300 (sections 2.2 to 2.5), with nothing of ours in it."""

from __future__ import annotations

import struct
from ipaddress import ip_address

SRC, DST = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
CONTEXT = bytes(range(0x10, 0x20))
IP4, IP6, ETHERNET, NSH_IN_NSH, MPLS = 1, 2, 3, 4, 5


def ones(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + bytes(len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def base(
    *,
    spi: int = 42,
    si: int = 255,
    md_type: int = 1,
    next: int = IP4,
    words: int = 6,
    ttl: int = 63,
    version: int = 0,
    oam: int = 0,
    unassigned: int = 0,
) -> bytes:
    """Base and service path header. `unassigned`: 5 bits, U of the first byte and the four before MD Type."""
    first = version << 14 | oam << 13 | (unassigned >> 4 & 1) << 12 | ttl << 6 | words
    return struct.pack("!HBBI", first, (unassigned & 15) << 4 | md_type, next, spi << 8 | si)


def md1(context: bytes = CONTEXT, **fields: int) -> bytes:
    return base(**{"md_type": 1, "words": 6, **fields}) + context


def tlv(md_class: int, type: int, value: bytes, unassigned: int = 0) -> bytes:
    return struct.pack("!HBB", md_class, type, unassigned << 7 | len(value)) + value + bytes(-len(value) % 4)


def md2(*tlvs: bytes, **fields: int) -> bytes:
    body = b"".join(tlvs)
    return base(**{"md_type": 2, "words": 2 + len(body) // 4, **fields}) + body


def ipv4(
    payload: bytes = b"", *, src: str = "10.0.0.1", dst: str = "10.0.0.2", proto: int = 17, flags: int = 0
) -> bytes:
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 7, flags, 64, proto, 0)
    head += ip_address(src).packed + ip_address(dst).packed
    return head[:10] + struct.pack("!H", ones(head)) + head[12:] + payload


def ipv6(payload: bytes = b"", *, src: str = "fd00::1", dst: str = "fd00::2", next: int = 17) -> bytes:
    head = struct.pack("!IHBB", 6 << 28, len(payload), next, 64)
    return head + ip_address(src).packed + ip_address(dst).packed + payload


def udp(payload: bytes, sport: int = 1000, dport: int = 9, check: int = 0) -> bytes:
    return struct.pack("!HHHH", sport, dport, 8 + len(payload), check) + payload


def datagram(number: int = 1, size: int = 40, **fields: int) -> bytes:
    """An IPv4 packet of our own making: `number` is its source port."""
    return ipv4(udp(bytes(i & 255 for i in range(size)), sport=number), **fields)  # type: ignore[arg-type]


def ether(
    payload: bytes, type: int = 0x0800, *, vlan: int | None = None, src: bytes = SRC, dst: bytes = DST
) -> bytes:
    tag = b"" if vlan is None else struct.pack("!HH", 0x8100, vlan)
    return dst + src + tag + struct.pack("!H", type) + payload


def on_ethernet(header: bytes, inner: bytes, *, vlan: int | None = None) -> bytes:
    return ether(header + inner, 0x894F, vlan=vlan)


def vxlan_gpe(
    header: bytes,
    inner: bytes,
    *,
    six: bool = False,
    vni: int = 7,
    checksum: bool = False,
    next: int = 4,
    src: str | None = None,
    dst: str | None = None,
    flags: int = 0,
) -> bytes:
    """NSH over VXLAN-GPE over UDP over IP over Ethernet."""
    load = struct.pack("!BBBBI", 0x0C, 0, 0, next, vni << 8) + header + inner
    source, target = src or ("fd01::1" if six else "192.0.2.1"), dst or ("fd01::2" if six else "192.0.2.2")
    datagram = udp(load, 50000, 4790)
    if checksum:
        pseudo = ip_address(source).packed + ip_address(target).packed + struct.pack("!II", len(datagram), 17)
        check = ones(pseudo + datagram) or 0xFFFF
        datagram = datagram[:6] + struct.pack("!H", check) + datagram[8:]
    if six:
        return ether(ipv6(datagram, src=source, dst=target), 0x86DD)
    return ether(ipv4(datagram, src=source, dst=target, flags=flags))
