"""What `classify` writes, with networks and addresses drawn by lot, for each package others; it drops nothing."""

import ipaddress
import random

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import Ether

STAFF, GUESTS, *OTHERS = (
    ipaddress.IPv4Network((f"10.{second}.{random.randrange(256)}.0", random.choice((24, 25, 27))))
    for second in random.sample(range(1, 250), 4)
)
SERVER = "198.51.100.200"


def settings():
    return {"classify": {"staff": str(STAFF), "guests": str(GUESTS)}}


def packets():
    for _ in range(40):
        network = random.choice((STAFF, GUESTS, *OTHERS))
        inside = str(network[random.randrange(1, network.num_addresses - 1)])
        segment = random.choice((TCP(sport=40000, dport=80), UDP(sport=53, dport=40000), ICMP()))
        way = random.choice(("in", "out"))
        ip = IP(src=inside, dst=SERVER) if way == "in" else IP(src=SERVER, dst=inside)
        who = "staff" if network == STAFF else "guests" if network == GUESTS else "nobody"
        yield way, Ether() / ip / segment, f"drop act.{who}"
