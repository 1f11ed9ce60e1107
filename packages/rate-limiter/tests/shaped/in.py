"""Twenty packets of 1000 bytes, 1 ms apart: at 10 000 bytes a second the last leaves after 1.8 s."""

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

WIRE = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(src="192.0.2.1", dst="198.51.100.2")


def packets():
    for number in range(20):
        yield WIRE / UDP(sport=40000 + number, dport=9) / bytes(958)
