"""Another configuration: the ports must come from it."""

from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether


def packets():
    for port in (23, 80, 8080, 443):
        yield Ether() / IP(src="10.20.0.1", dst="10.20.0.2") / TCP(sport=40000, dport=port, flags="S")
