"""Scapy, by parts and only when it is asked for: `packet.scapy()` imports this.

`scapy.all` costs 0.4 s and 73 MB, the layers below about a half of that. vnfc_imports.py keeps it off the
network.
"""

from __future__ import annotations

from typing import Any

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Raw

LINK_ETHERNET, LINK_IP = 0, 1
TRANSPORT = {256 + 6: TCP, 256 + 17: UDP}  #: by IP protocol number + 256


def dissect(data: bytes, kind: int, time: float) -> Any:
    """The packet as Scapy sees it, from the link layer on, or from where `kind` says (layer_of in
    pps/python/edit.c); `time` is in seconds, as packet.time."""
    packet: Any
    if kind == LINK_ETHERNET:
        packet = Ether(data)
    elif kind in TRANSPORT:
        packet = TRANSPORT[kind](data)
    elif kind == LINK_IP and data:
        packet = IPv6(data) if data[0] >> 4 == 6 else IP(data)
    else:
        packet = Raw(data)
    packet.time = time
    return packet
