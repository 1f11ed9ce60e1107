"""Both directions, slower than the rate, and ARP."""

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import ARP, Ether

WIRE = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")


def packets():
    for number in range(10):
        yield WIRE / IP(src="192.0.2.1", dst="198.51.100.2") / UDP(sport=40000 + number, dport=9)
        yield "out", WIRE / IP(src="198.51.100.2", dst="192.0.2.1") / UDP(sport=9, dport=40000 + number)
    yield WIRE / ARP(psrc="192.0.2.1", pdst="192.0.2.254")
