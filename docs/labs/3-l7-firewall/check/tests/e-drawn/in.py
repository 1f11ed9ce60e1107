"""Logins, probes and what resembles them, drawn by lot, for each package others."""

import random

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

LOGINS = (bytes.fromhex("1603010000"), bytes.fromhex("1703010000"))
NEAR = (*LOGINS, bytes.fromhex("1503010000"), bytes.fromhex("1603020000"), bytes.fromhex("1603010001"))


def packets():
    for _ in range(48):
        way = random.choice((("in", "out"), ("out", "in")))
        wire = Ether() / IP(src="10.20.0.1", dst="10.20.0.2")
        first, second = random.choice((443, 444, 80)), random.choice((443, 40000))
        if random.random() < 0.5:
            payload = random.choice(NEAR)[: random.choice((4, 5, 5, 5))] + random.randbytes(random.randrange(30))
            packet = wire / TCP(sport=second, dport=first, flags="PA") / Raw(payload)
            marked = 443 in (first, second) and payload.startswith(LOGINS)
        else:
            payload = random.randbytes(2) + bytes([random.choice((1, 2, 2, 2, 3))])
            payload += random.randbytes(random.choice((14, 15, 15, 15, 16)))
            packet = wire / UDP(sport=second, dport=first) / Raw(payload)
            marked = len(payload) == 18 and payload[2] == 2
        yield way[0], packet, "drop filter.marked" if marked else f"forward {way[1]}"
