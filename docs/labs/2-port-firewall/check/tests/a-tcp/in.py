"""TCP to blocked and to open ports."""

from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

WIRE = Ether() / IP(src="10.20.0.1", dst="10.20.0.2")


def packets():
    for number, port in enumerate((23, 80, 8080, 443, 2323, 22)):
        yield WIRE / TCP(sport=40000 + number, dport=port, flags="S")
