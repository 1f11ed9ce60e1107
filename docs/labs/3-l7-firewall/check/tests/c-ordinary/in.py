"""What has nothing to look into."""

from scapy.layers.inet import ICMP, IP, TCP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

WIRE = Ether() / IP(src="10.20.0.1", dst="10.20.0.2")


def packets():
    yield Ether(dst="ff:ff:ff:ff:ff:ff") / ARP(psrc="10.20.0.1", pdst="10.20.0.2")
    yield WIRE / ICMP() / Raw(b"\x16\x03\x01\x00\x00")
    yield WIRE / TCP(dport=80, flags="PA") / Raw(b"GET / HTTP/1.1\r\n\r\n")
    yield Ether() / IP(src="10.20.0.1", dst="10.20.0.2", frag=100, proto=6) / Raw(b"\x16\x03\x01\x00\x00")
