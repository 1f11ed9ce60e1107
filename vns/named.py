"""Which interface a text means: its name, another name of it (altname), or its MAC address."""

from __future__ import annotations

import re
import socket

from vns import rtnetlink

_ADDRESS = re.compile(r"[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5}", re.ASCII)  # longer than a name may be


def address_of(text: str) -> str | None:
    """The MAC address that a text is, as the kernel writes it; None if it is a name."""
    plain = text.lower().replace("-", ":")
    return plain if _ADDRESS.fullmatch(text.lower()) else None


def bearing(address: str) -> list[rtnetlink.Link]:
    """The interfaces that have a MAC address."""
    try:
        return [link for link in rtnetlink.links().values() if link.address == address]
    except OSError:  # the kernel does not tell
        return []


def index_of(text: str | None) -> int:
    """Its index; 0 if there is none, or there are several with that address."""
    if not text:
        return 0
    if (address := address_of(text)) is not None:
        found = bearing(address)
        return found[0].index if len(found) == 1 else 0
    try:
        return socket.if_nametoindex(text)
    except OSError:
        return 0


def first_name(text: str) -> str:
    """By which guards and sysctls know it; the text itself where there is no such interface."""
    try:
        return socket.if_indextoname(index_of(text))
    except OSError:
        return text
