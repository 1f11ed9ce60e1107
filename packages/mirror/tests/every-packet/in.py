"""Three packets there, one back, and one from the tap, which nobody wants."""

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

WIRE = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
THERE, BACK = IP(src="192.0.2.1", dst="198.51.100.2"), IP(src="198.51.100.2", dst="192.0.2.1")


def packets():
    for number in range(3):
        yield WIRE / THERE / UDP(sport=40000 + number, dport=9) / bytes(number)
    yield "out", WIRE / BACK / UDP(sport=9, dport=40000)
    yield "tap", WIRE / THERE / UDP(sport=1, dport=1)
