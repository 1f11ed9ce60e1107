"""All kinds of packets in both directions."""

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Ether

WIRE = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")


def packets():
    for last in range(1, 30):
        yield WIRE / IP(src=f"192.0.2.{last}", dst="198.51.100.2") / TCP(dport=80) / bytes(last)
    yield "out", WIRE / IP(src="198.51.100.2", dst="192.0.2.1") / UDP(sport=53)
    yield WIRE / IP(src="192.0.2.1", dst="198.51.100.2") / ICMP()
    yield WIRE / IPv6(src="2001:db8::1", dst="2001:db8::2") / UDP()
    yield WIRE / ARP(psrc="192.0.2.1", pdst="192.0.2.254")
