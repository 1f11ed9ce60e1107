"""Nine packets there."""

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

WIRE = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(src="192.0.2.1", dst="198.51.100.2")


def packets():
    for number in range(9):
        yield WIRE / UDP(sport=40000 + number, dport=9)
