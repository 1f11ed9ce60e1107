"""The same ports over IPv6 and inside a VLAN."""

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether


def packets():
    yield Ether() / IPv6(src="fd20::1", dst="fd20::2") / TCP(dport=23)
    yield Ether() / IPv6(src="fd20::1", dst="fd20::2") / UDP(dport=80)
    yield Ether() / Dot1Q(vlan=7) / IP(src="10.20.0.1", dst="10.20.0.2") / TCP(dport=8080)
    yield Ether() / Dot1Q(vlan=7) / IP(src="10.20.0.1", dst="10.20.0.2") / TCP(dport=80)
