"""Telnet, TFTP, the web, DNS and ARP."""

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Ether

WIRE = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
IPV4 = WIRE / IP(src="192.0.2.1", dst="198.51.100.2")


def packets():
    yield IPV4 / TCP(sport=40000, dport=23, flags="S")
    yield IPV4 / UDP(sport=40001, dport=69)
    yield IPV4 / TCP(sport=40002, dport=80, flags="S")
    yield IPV4 / UDP(sport=40003, dport=53)
    yield WIRE / IPv6(src="2001:db8::1", dst="2001:db8::2") / TCP(sport=40004, dport=23, flags="S")
    yield "out", IPV4 / TCP(sport=23, dport=40000, flags="SA")
    yield WIRE / ARP(op="who-has", psrc="192.0.2.1", pdst="192.0.2.254")
