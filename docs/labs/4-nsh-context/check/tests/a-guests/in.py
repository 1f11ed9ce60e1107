"""Staff and guests on the way out."""

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import ARP, Ether


def packets():
    def sent(source, segment):
        return Ether() / IP(src=source, dst="10.20.0.200") / segment

    yield sent("10.20.0.1", TCP(sport=40000, dport=22))
    yield sent("10.20.0.17", TCP(sport=40000, dport=80))
    yield sent("10.20.0.17", TCP(sport=40000, dport=22))
    yield sent("10.20.0.30", UDP(sport=40000, dport=53))
    yield sent("10.20.0.30", UDP(sport=40000, dport=123))
    yield sent("10.20.0.18", ICMP())
    yield Ether(dst="ff:ff:ff:ff:ff:ff") / ARP(psrc="10.20.0.17", pdst="10.20.0.200")
