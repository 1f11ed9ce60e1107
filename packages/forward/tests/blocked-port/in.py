"""UDP to port 7, which the Python forwarders drop: over IPv4, IPv6, and with a VLAN tag."""

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether


def packets():
    echo = UDP(sport=1000, dport=7)
    yield Ether() / IP(src="192.0.2.1", dst="192.0.2.2") / echo / b"hello"
    yield Ether() / IP(src="192.0.2.1", dst="192.0.2.2") / UDP(sport=7, dport=1000) / b"hello"
    yield Ether() / IP(src="192.0.2.1", dst="192.0.2.2") / TCP(sport=1000, dport=7) / b"hello"
    yield Ether() / IPv6(src="2001:db8::1", dst="2001:db8::2") / echo
    yield Ether() / Dot1Q(vlan=42) / IP(src="192.0.2.1", dst="192.0.2.2") / echo
    yield "out", Ether() / IP(src="192.0.2.2", dst="192.0.2.1") / echo
