"""Answers: now the one inside is the destination."""

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether


def packets():
    def answer(target, segment):
        return "out", Ether() / IP(src="10.20.0.200", dst=target) / segment

    yield answer("10.20.0.1", TCP(sport=22, dport=40000))
    yield answer("10.20.0.17", TCP(sport=80, dport=40000))
    yield answer("10.20.0.17", TCP(sport=22, dport=40000))
    yield answer("10.20.0.30", UDP(sport=53, dport=40000))
