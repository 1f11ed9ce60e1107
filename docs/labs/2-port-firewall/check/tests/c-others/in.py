"""What has no ports: a firewall that forgets ARP takes the network down."""

from scapy.layers.inet import ICMP, IP
from scapy.layers.inet6 import ICMPv6ND_NS, IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw


def packets():
    yield Ether(dst="ff:ff:ff:ff:ff:ff") / ARP(psrc="10.20.0.1", pdst="10.20.0.2")
    yield Ether() / IP(src="10.20.0.1", dst="10.20.0.2") / ICMP()
    yield Ether() / IPv6(src="fd20::1", dst="fd20::2") / ICMPv6ND_NS(tgt="fd20::2")
    yield Ether() / IP(src="10.20.0.1", dst="10.20.0.2", proto=50) / Raw(b"\x00\x17" * 10)
    yield Ether(type=0x88CC) / Raw(b"LLDP")
