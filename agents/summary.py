"""A packet in a few words, out of its first bytes: what it is, from whom to whom. For people, not for decisions."""

from __future__ import annotations

from socket import AF_INET6, inet_ntoa, inet_ntop
from struct import error as CutShort
from struct import unpack_from

ETHERNET, IP = 0, 1  #: enum link_type
_ARP, _IP4, _IP6, _NSH = 0x0806, 0x0800, 0x86DD, 0x894F
_VLANS = (0x8100, 0x88A8)
_TCP, _UDP, _ICMP, _ICMP6 = 6, 17, 1, 58
_EXTENSIONS = (0, 43, 60)
_FRAGMENT = 44
_FLAGS = "FSRPAUEC"
_ICMP_TYPES = {0: "echo reply", 3: "unreachable", 5: "redirect", 8: "echo request", 11: "time exceeded"}
_ICMP6_TYPES = {
    1: "unreachable", 2: "packet too big", 3: "time exceeded", 128: "echo request", 129: "echo reply",
    133: "router solicitation", 134: "router advertisement",
    135: "neighbor solicitation", 136: "neighbor advertisement",
}  # fmt: skip


def ethernet_type(data: bytes) -> tuple[int, int, list[int]]:
    """(type, offset of what follows, VLAN ids); type 0 if cut short."""
    at, vlans = 12, []
    while at + 4 <= len(data) and unpack_from("!H", data, at)[0] in _VLANS:
        vlans.append(unpack_from("!H", data, at + 2)[0] & 0xFFF)
        at += 4
    return (unpack_from("!H", data, at)[0] if at + 2 <= len(data) else 0), at + 2, vlans


def is_arp(data: bytes, link: int = ETHERNET) -> bool:
    return link == ETHERNET and ethernet_type(data)[0] == _ARP


def summary(data: bytes, link: int, length: int) -> str:
    """One line. `data` may be only the beginning of a packet of `length` bytes; nothing is ever raised."""
    try:
        return f"{_words(data, link)}, {length} B"
    except (IndexError, ValueError, OSError, CutShort):
        return f"cut short, {length} B"


def _words(data: bytes, link: int) -> str:
    if link == ETHERNET:
        kind, at, vlans = ethernet_type(data)
        tags = "".join(f"vlan {number} " for number in vlans)
    elif link == IP:
        kind, at, tags = _IP6 if data[0] >> 4 == 6 else _IP4, 0, ""
    else:
        return "unknown"
    if kind == _ARP:
        return tags + _arp(data, at)
    if kind == _IP4:
        return tags + _ip4(data, at)
    if kind == _IP6:
        return tags + _ip6(data, at)
    if kind == _NSH:
        (place,) = unpack_from("!I", data, at + 4)
        return f"{tags}NSH path {place >> 8} index {place & 255}"
    return f"{tags}type 0x{kind:04x} {data[6:12].hex(':')} > {data[:6].hex(':')}"


def _arp(data: bytes, at: int) -> str:
    operation = unpack_from("!H", data, at + 6)[0]
    sender, target = inet_ntoa(data[at + 14 : at + 18]), inet_ntoa(data[at + 24 : at + 28])
    if operation == 1:
        return f"ARP who has {target}, tell {sender}"
    return f"ARP {sender} is at {data[at + 8 : at + 14].hex(':')}"


def _ip4(data: bytes, at: int) -> str:
    after = at + (data[at] & 15) * 4
    source, destination = inet_ntoa(data[at + 12 : at + 16]), inet_ntoa(data[at + 16 : at + 20])
    offset = (unpack_from("!H", data, at + 6)[0] & 0x1FFF) * 8
    if offset:
        return f"IP fragment at {offset} {source} > {destination}"
    return _transport(data, after, data[at + 9], source, destination)


def _ip6(data: bytes, at: int) -> str:
    source = inet_ntop(AF_INET6, data[at + 8 : at + 24])
    destination = inet_ntop(AF_INET6, data[at + 24 : at + 40])
    kind, at = data[at + 6], at + 40
    while kind in _EXTENSIONS or kind == _FRAGMENT:
        if kind == _FRAGMENT and unpack_from("!H", data, at + 2)[0] & 0xFFF8:
            return f"IPv6 fragment {source} > {destination}"
        kind, at = data[at], at + (8 if kind == _FRAGMENT else (data[at + 1] + 1) * 8)
    return _transport(data, at, kind, f"[{source}]", f"[{destination}]")


def _transport(data: bytes, at: int, kind: int, source: str, destination: str) -> str:
    if kind in (_TCP, _UDP):
        sport, dport = unpack_from("!HH", data, at)
        ends = f"{source}:{sport} > {destination}:{dport}"
        if kind == _UDP:
            return f"UDP {ends}"
        flags = "".join(letter for bit, letter in enumerate(_FLAGS) if data[at + 13] >> bit & 1)
        return f"TCP {flags or '-'} {ends}"
    ends = f"{source} > {destination}"
    if kind in (_ICMP, _ICMP6):
        names = _ICMP_TYPES if kind == _ICMP else _ICMP6_TYPES
        name = "ICMP" if kind == _ICMP else "ICMPv6"
        return f"{name} {names.get(data[at], f'type {data[at]}')} {ends}"
    return f"IP protocol {kind} {ends}"
