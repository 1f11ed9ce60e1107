"""Two senders, and something that is not IPv4."""

from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether


def packets():
    for size in (10, 20, 30):
        yield Ether() / IP(src="192.0.2.1", dst="198.51.100.1") / UDP(sport=1, dport=2) / bytes(size)
    yield "out", Ether() / IP(src="198.51.100.1", dst="192.0.2.1") / UDP(sport=2, dport=1) / bytes(9)
    yield Ether() / IPv6(src="2001:db8::1", dst="2001:db8::2") / UDP(sport=1, dport=2)
