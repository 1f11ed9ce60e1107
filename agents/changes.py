"""What became of a packet's bytes between two looks at it, in names of header fields.

    ip.ttl 64 -> 63, ip.checksum 0x1c2d -> 0x1d2d, tcp.dport 80 -> 8080

Offsets are those of RFC 791, 8200, 9293, 768, 792 and IEEE 802.3. Only what both looks captured is compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from agents.summary import ethernet_type
from itf.segment import C

_IP4, _IP6 = 0x0800, 0x86DD


def _number(raw: bytes) -> str:
    return str(int.from_bytes(raw, "big"))


def _hex(raw: bytes) -> str:
    return f"0x{raw.hex()}"


def _mac(raw: bytes) -> str:
    return raw.hex(":")


def _ip(raw: bytes) -> str:
    return str(ip_address(raw))


def _version(raw: bytes) -> str:
    return str(raw[0] >> 4)


def _dscp(raw: bytes) -> str:
    return str(raw[0] >> 2)


def _dscp6(raw: bytes) -> str:
    return str((int.from_bytes(raw, "big") >> 6) & 0x3F)


def _flags(raw: bytes) -> str:
    return "".join(letter for bit, letter in enumerate("FSRPAUEC") if raw[0] & 1 << bit) or "none"


@dataclass(frozen=True)
class _Field:
    name: str
    at: int
    size: int
    show: Callable[[bytes], str] = _number


_ETHERNET = (_Field("eth.dst", 0, 6, _mac), _Field("eth.src", 6, 6, _mac))
_IP4_FIELDS = (
    _Field("ip.dscp", 1, 1, _dscp), _Field("ip.len", 2, 2), _Field("ip.id", 4, 2, _hex),
    _Field("ip.fragment", 6, 2, _hex), _Field("ip.ttl", 8, 1), _Field("ip.proto", 9, 1),
    _Field("ip.checksum", 10, 2, _hex), _Field("ip.src", 12, 4, _ip), _Field("ip.dst", 16, 4, _ip),
)  # fmt: skip
_IP6_FIELDS = (
    _Field("ip6.dscp", 0, 2, _dscp6), _Field("ip6.len", 4, 2), _Field("ip6.next", 6, 1), _Field("ip6.hops", 7, 1),
    _Field("ip6.src", 8, 16, _ip), _Field("ip6.dst", 24, 16, _ip),
)  # fmt: skip
_TCP = (
    _Field("tcp.sport", 0, 2), _Field("tcp.dport", 2, 2), _Field("tcp.seq", 4, 4), _Field("tcp.ack", 8, 4),
    _Field("tcp.flags", 13, 1, _flags), _Field("tcp.window", 14, 2), _Field("tcp.checksum", 16, 2, _hex),
    _Field("tcp.urgent", 18, 2),
)  # fmt: skip
_UDP = (_Field("udp.sport", 0, 2), _Field("udp.dport", 2, 2), _Field("udp.len", 4, 2),
        _Field("udp.checksum", 6, 2, _hex))  # fmt: skip
_ICMP = (_Field("icmp.type", 0, 1), _Field("icmp.code", 1, 1), _Field("icmp.checksum", 2, 2, _hex),
         _Field("icmp.rest", 4, 4, _hex))  # fmt: skip
_L4 = {6: (_TCP, 20), 17: (_UDP, 8), 1: (_ICMP, 8), 58: (_ICMP, 8)}


class _Reading:
    """A packet's fields by name, in their order, and where its headers end."""

    def __init__(self, data: bytes, link: int):
        self.data = data
        self.fields: dict[str, str] = {}
        self.end = 0
        kind, at = 0, 0
        if link == C.LINK_ETHERNET:
            self._take(_ETHERNET, 0)
            kind, at, vlans = ethernet_type(data)
            if vlans:
                self.fields["vlan"] = ",".join(map(str, vlans))
            if len(data) >= at:
                self.fields["eth.type"] = f"0x{kind:04x}"
            self.end = min(at, len(data))
        elif link == C.LINK_IP and data:
            kind = _IP6 if data[0] >> 4 == 6 else _IP4
        if kind in (_IP4, _IP6):
            self._read_ip(kind, at)

    def _take(self, fields: tuple[_Field, ...], at: int) -> None:
        for each in fields:
            raw = self.data[at + each.at : at + each.at + each.size]
            if len(raw) == each.size:
                self.fields[each.name] = each.show(raw)

    def _read_ip(self, kind: int, at: int) -> None:
        data = self.data
        if kind == _IP4 and len(data) >= at + 20:
            self._take(_IP4_FIELDS, at)
            proto, over = data[at + 9], at + (data[at] & 15) * 4
            first = int.from_bytes(data[at + 6 : at + 8], "big") & 0x1FFF == 0
        elif kind == _IP6 and len(data) >= at + 40:
            self._take(_IP6_FIELDS, at)
            proto, over, first = data[at + 6], at + 40, True
        else:
            return
        self.end = min(over, len(data))
        if first and proto in _L4:
            fields, size = _L4[proto]
            self._take(fields, over)
            self.end = min(over + size, len(data))


def changes(before: bytes, after: bytes, link: int, lengths: tuple[int, int]) -> list[str]:
    """Each difference, as `FIELD OLD -> NEW`; `lengths`: of the whole packet, of which the bytes may be the first."""
    if before == after and lengths[0] == lengths[1]:
        return []
    return list(_changes(_Reading(before, link), _Reading(after, link), lengths))


def _changes(old: _Reading, new: _Reading, lengths: tuple[int, int]) -> Iterator[str]:
    if lengths[0] != lengths[1]:
        yield f"length {lengths[0]} -> {lengths[1]}"
    for name in dict.fromkeys([*old.fields, *new.fields]):
        was, is_now = old.fields.get(name, "none"), new.fields.get(name, "none")
        if was != is_now:
            yield f"{name} {was} -> {is_now}"
    old_rest, new_rest = old.data[old.end :], new.data[new.end :]
    seen = min(len(old_rest), len(new_rest))
    differ = sum(a != b for a, b in zip(old_rest[:seen], new_rest[:seen], strict=True))
    if differ:
        yield f"{differ} byte{'s' * (differ != 1)} after the headers"
