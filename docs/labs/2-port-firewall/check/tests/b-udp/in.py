"""UDP to blocked and to open ports."""

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

WIRE = Ether() / IP(src="10.20.0.1", dst="10.20.0.2")


def packets():
    for number, port in enumerate((53, 23, 8080, 123)):
        yield WIRE / UDP(sport=40000 + number, dport=port) / Raw(b"x" * number)
