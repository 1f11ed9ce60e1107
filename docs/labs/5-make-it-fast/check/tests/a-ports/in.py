"""To ports that nobody needs, also over IPv6."""

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Ether


def packets():
    def sent(segment):
        return Ether() / IP(src="10.20.0.1", dst="10.20.0.2") / segment

    yield sent(TCP(sport=40000, dport=80))
    yield sent(TCP(sport=40000, dport=23))
    yield sent(UDP(sport=40000, dport=161))
    yield sent(UDP(sport=40000, dport=53))
    yield sent(ICMP())
    yield Ether() / IPv6(src="fd20::1", dst="fd20::2") / TCP(sport=40000, dport=2049)
    yield Ether() / IPv6(src="fd20::1", dst="fd20::2") / UDP(sport=23, dport=40000)
    yield Ether(dst="ff:ff:ff:ff:ff:ff") / ARP(psrc="10.20.0.1", pdst="10.20.0.2")
