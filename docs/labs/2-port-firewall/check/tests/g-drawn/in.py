"""Ports, packets and a list of blocked ports drawn by lot, for each package others."""

import random

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether

BLOCKED = random.sample(range(1, 65536), 5)


def settings():
    return {"filter": {"block": BLOCKED}}


def packets():
    for _ in range(48):
        port, other = random.choice((random.choice(BLOCKED), random.randrange(1, 65536))), random.choice(BLOCKED)
        way = random.choice((("in", "out"), ("out", "in")))
        wire = Ether() / Dot1Q(vlan=random.randrange(1, 4095)) if random.random() < 0.2 else Ether()
        ip = random.choice((IP(src="10.20.0.1", dst="10.20.0.2"), IPv6(src="fd20::1", dst="fd20::2")))
        segment = random.choice((TCP, UDP))(sport=other, dport=port)
        yield way[0], wire / ip / segment, "drop filter.blocked" if port in BLOCKED else f"forward {way[1]}"
