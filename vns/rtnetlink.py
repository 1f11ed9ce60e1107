"""Interfaces as the kernel tells of them by netlink (rtnetlink(7)): all that are there, and every change.

Unlike sysfs, which shows the interfaces of the namespace that it was mounted in, this is about our own.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass

NETLINK_ROUTE, RTMGRP_LINK = 0, 1
NLMSG_DONE, NEW_LINK, DEL_LINK, GET_LINK = 3, 16, 17, 18
NLM_F_REQUEST, NLM_F_DUMP = 0x1, 0x300
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_LINK, IFLA_MASTER = 1, 3, 4, 5, 10
IFLA_LINK_NETNSID, IFLA_TARGET_NETNSID = 37, 46
IFF_UP, IFF_LOWER_UP = 0x1, 0x10000
BYTES = 1 << 16  #: of one answer; the kernel makes no longer ones

_HEADER = struct.Struct("=IHHII")  #: struct nlmsghdr: length, type, flags, sequence, port
_LINK = struct.Struct("=BxHiII")  #: struct ifinfomsg: family, type, index, flags, change
_ATTRIBUTE = struct.Struct("=HH")  #: struct rtattr: length, type


@dataclass(frozen=True)
class Link:
    """An interface at one moment."""

    index: int
    name: str
    enabled: bool  #: by its administrator (ip link set NAME up)
    carrier: bool  #: somebody is at the other end; never of one that is not enabled
    mtu: int
    master: int = 0  #: index of what it is enslaved to, 0 for nothing
    lower: int = 0  #: index of what it stands on; of a veth, its other end
    space: int | None = None  #: the number that our namespace has for the one where `lower` is; None: ours
    address: str = ""  #: of its hardware, in hex with colons


def _attributes(data: bytes) -> dict[int, bytes]:
    found, at = {}, 0
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            break
        found[kind] = data[at + _ATTRIBUTE.size : at + length]
        at += (length + 3) & ~3
    return found


def _number(value: bytes | None) -> int:
    return int.from_bytes(value, sys.byteorder) if value else 0


def parse(data: bytes) -> Iterator[tuple[int, Link | None]]:
    """What a datagram says: (NEW_LINK, the interface), (DEL_LINK, it as it was), (NLMSG_DONE, None)."""
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, *_ = _HEADER.unpack_from(data, at)
        body = data[at + _HEADER.size : at + length]
        at += max(_HEADER.size, (length + 3) & ~3)
        if kind == NLMSG_DONE:
            yield kind, None
        if kind not in (NEW_LINK, DEL_LINK) or len(body) < _LINK.size:
            continue
        family, _, index, flags, _ = _LINK.unpack_from(body)
        if family != socket.AF_UNSPEC:  # a bridge tells of its ports with AF_BRIDGE
            continue
        said = _attributes(body[_LINK.size :])
        yield kind, Link(
            index=index,
            name=said.get(IFLA_IFNAME, b"").rstrip(b"\0").decode("utf-8", "replace"),
            enabled=bool(flags & IFF_UP),
            carrier=bool(flags & IFF_UP and flags & IFF_LOWER_UP),
            mtu=_number(said.get(IFLA_MTU)),
            master=_number(said.get(IFLA_MASTER)),
            lower=_number(said.get(IFLA_LINK)),
            space=_number(said[IFLA_LINK_NETNSID]) if IFLA_LINK_NETNSID in said else None,
            address=said.get(IFLA_ADDRESS, b"").hex(":"),
        )


def subscribe() -> socket.socket:
    """A socket that does not block, on which every change of an interface arrives. Raises OSError."""
    news = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, NETLINK_ROUTE)
    try:
        news.bind((0, RTMGRP_LINK))
    except OSError:
        news.close()
        raise
    return news


def links() -> dict[int, Link]:
    """All interfaces of our namespace, by index. Raises OSError."""
    request = _HEADER.pack(_HEADER.size + _LINK.size, GET_LINK, NLM_F_REQUEST | NLM_F_DUMP, 1, 0)
    found: dict[int, Link] = {}
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_ROUTE) as asking:
        asking.settimeout(5.0)
        asking.sendto(request + _LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0), (0, 0))
        while True:
            for kind, link in parse(asking.recv(BYTES)):
                if link is None:
                    return found
                if kind == NEW_LINK:
                    found[link.index] = link


def beneath(link: Link) -> Link | None:
    """What it stands on, or the other end of a veth, in whatever namespace. None: nothing, or the kernel does not say.

    Raises OSError."""
    if not link.lower:
        return None
    body = _LINK.pack(socket.AF_UNSPEC, 0, link.lower, 0, 0)
    if link.space is not None:  # Linux 4.20
        body += _ATTRIBUTE.pack(_ATTRIBUTE.size + 4, IFLA_TARGET_NETNSID) + struct.pack("=I", link.space)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_ROUTE) as asking:
        asking.settimeout(5.0)
        asking.sendto(_HEADER.pack(_HEADER.size + len(body), GET_LINK, NLM_F_REQUEST, 1, 0) + body, (0, 0))
        return next((found for kind, found in parse(asking.recv(BYTES)) if kind == NEW_LINK), None)
