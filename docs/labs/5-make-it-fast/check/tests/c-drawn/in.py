"""Networks, ports and packets drawn by lot, for each package others."""

import ipaddress
import random

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import Ether

PORTS = random.sample(range(1, 65536), 6)
NETWORKS = [
    ipaddress.IPv4Network((random.randrange(1 << 24, 223 << 24), random.choice((8, 12, 20, 24, 30))), strict=False)
    for _ in range(5)
]


def settings():
    return {"guard": {"ports": PORTS, "networks": [str(network) for network in NETWORKS]}}


def packets():
    for _ in range(60):
        network = random.choice(NETWORKS)
        near = int(network[0]) + random.choice((-1, 0, random.randrange(network.num_addresses), network.num_addresses))
        source = ipaddress.IPv4Address(random.choice((near, random.randrange(1 << 24, 223 << 24))))
        port = random.choice((*PORTS, *random.sample(range(1, 65536), 6)))
        segment = random.choice((TCP(sport=port, dport=port), UDP(sport=PORTS[0], dport=port), ICMP()))
        verdict = "forward out"
        if any(source in each for each in NETWORKS):
            verdict = "drop guard.bogon"
        elif port in PORTS and not isinstance(segment, ICMP):
            verdict = "drop guard.blocked"
        yield "in", Ether() / IP(src=str(source), dst="10.20.0.2") / segment, verdict
