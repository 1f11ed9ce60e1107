"""A bit of everything, both ways."""

import random

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether


def packets():
    for size in (0, 1, 18, 1000, 1472):
        payload = random.randbytes(size)
        yield Ether() / IP(src="192.0.2.1", dst="192.0.2.2") / UDP(sport=1000, dport=8) / payload
        yield "out", Ether() / IP(src="192.0.2.2", dst="192.0.2.1") / UDP(sport=7, dport=1000) / payload
    yield Ether() / IP(src="192.0.2.1", dst="192.0.2.2") / TCP(sport=1000, dport=7, flags="S")
    yield Ether() / IPv6(src="2001:db8::1", dst="2001:db8::2") / TCP(sport=1000, dport=80)
    yield Ether() / Dot1Q(vlan=42) / IP(src="192.0.2.1", dst="192.0.2.2") / ICMP()
    yield "out", Ether() / ARP(psrc="192.0.2.2", pdst="192.0.2.1")
    yield Ether(type=0x88CC) / random.randbytes(46)
