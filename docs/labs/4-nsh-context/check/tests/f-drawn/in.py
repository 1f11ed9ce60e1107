"""What guests may, with ports drawn by lot, for each package others; another VNFC marks, by DSCP."""

import random

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import Ether

MAY = random.sample(range(1, 60000), 4)


def settings():
    return {"act": {"guests_may": MAY}}


def packets():
    for _ in range(40):
        who, port = random.choice((1, 2, 2, 2, 0)), random.choice((*MAY, *random.sample(range(1, 60000), 4)))
        way = random.choice((("in", "out"), ("out", "in")))
        ports = {"sport": 60001, "dport": port} if way[0] == "in" else {"sport": port, "dport": 60001}
        segment = random.choice((TCP(**ports), UDP(**ports), ICMP()))
        forward, ok = f"forward {way[1]}", isinstance(segment, ICMP) or port in MAY
        verdict = forward if who == 1 or (who == 2 and ok) else "drop act.guest" if who == 2 else "drop act.unknown"
        yield way[0], Ether() / IP(src="10.20.0.9", dst="10.20.0.200", tos=who << 2) / segment, verdict
