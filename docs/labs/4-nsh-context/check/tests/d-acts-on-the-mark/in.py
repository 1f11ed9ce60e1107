"""Another VNFC marks, by DSCP: `act` must not look at addresses."""

from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether


def packets():
    for source, who in (("10.20.0.1", 2), ("10.20.0.17", 1), ("192.0.2.1", 1), ("192.0.2.1", 2)):
        yield Ether() / IP(src=source, dst="10.20.0.200", tos=who << 2) / TCP(sport=40000, dport=22)
