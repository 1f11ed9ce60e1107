"""Answers come from a port, they do not go to it: a source port that is blocked as destination passes."""

from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether


def packets():
    yield "out", Ether() / IP(src="10.20.0.2", dst="10.20.0.1") / TCP(sport=8080, dport=40001, flags="SA")
    yield "out", Ether() / IP(src="10.20.0.2", dst="10.20.0.1") / TCP(sport=40001, dport=23, flags="S")
    yield "in", Ether() / IP(src="10.20.0.1", dst="10.20.0.2") / TCP(sport=23, dport=40001, flags="SA")
