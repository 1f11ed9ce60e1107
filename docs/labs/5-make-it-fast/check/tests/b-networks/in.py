"""From nobody's networks, to whatever port: where it comes from is looked at first. With other lists."""

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import Ether


def packets():
    def sent(source, segment):
        return Ether() / IP(src=source, dst="10.20.0.2") / segment

    yield sent("10.20.0.1", TCP(sport=40000, dport=443))
    yield sent("192.0.2.77", TCP(sport=40000, dport=80))
    yield sent("198.19.255.255", UDP(sport=40000, dport=161))
    yield sent("198.20.0.0", UDP(sport=40000, dport=53))
    yield sent("198.51.100.1", UDP(sport=40000, dport=53))
    yield sent("240.127.1.2", ICMP())
