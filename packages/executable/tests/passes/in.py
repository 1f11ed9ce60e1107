"""UDP to port 7 and to others, both ways; something that is no IP at all."""

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import ARP, Ether


def packets():
    there, back = IP(src="192.0.2.1", dst="192.0.2.2"), IP(src="192.0.2.2", dst="192.0.2.1")
    yield Ether() / there / UDP(sport=1000, dport=8) / b"passes"
    yield Ether() / there / UDP(sport=1000, dport=7) / b"is blocked"
    yield Ether() / there / TCP(sport=1000, dport=7)
    yield "out", Ether() / back / UDP(sport=7, dport=1000) / b"passes"
    yield "out", Ether() / back / UDP(sport=1000, dport=7) / b"is blocked"
    yield Ether() / ARP(psrc="192.0.2.1", pdst="192.0.2.2")
