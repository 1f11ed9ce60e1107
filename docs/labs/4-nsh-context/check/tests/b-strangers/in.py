"""Neither staff nor guests; other networks in the configuration."""

from scapy.layers.inet import ICMP, IP, TCP
from scapy.layers.l2 import Ether


def packets():
    def sent(source, segment):
        return Ether() / IP(src=source, dst="10.20.0.200") / segment

    yield sent("10.20.0.1", TCP(sport=40000, dport=80))
    yield sent("172.16.5.4", TCP(sport=40000, dport=22))
    yield sent("172.17.0.1", TCP(sport=40000, dport=443))
    yield sent("192.0.2.1", ICMP())
