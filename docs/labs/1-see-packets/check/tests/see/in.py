"""Twelve packets: most pass, each of the others is dropped for a reason of its own."""

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw

CLIENT, SERVER = "10.20.0.1", "10.20.0.2"
ETHER = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")


def packets():
    def ip(**fields):
        return ETHER / IP(src=CLIENT, dst=SERVER, **fields)

    yield Ether(src=ETHER.src, dst="ff:ff:ff:ff:ff:ff") / ARP(psrc=CLIENT, pdst=SERVER)
    yield ip() / TCP(sport=40001, dport=80, flags="S")
    yield ip() / TCP(sport=40002, dport=23, flags="S")
    yield ip() / UDP(sport=40003, dport=53) / Raw(b"\x12\x34a question")
    yield ip(ttl=1) / TCP(sport=40004, dport=80, flags="S")
    yield ip() / ICMP(type="echo-request") / Raw(b"ping")
    yield ip() / TCP(sport=40001, dport=80, flags="PA", seq=1) / Raw(b"GET / HTTP/1.1\r\n\r\n")
    yield ETHER / IPv6(src="fd20::1", dst="fd20::2") / TCP(sport=40005, dport=23, flags="S")
    yield Ether(src=ETHER.src, dst="01:80:c2:00:00:0e", type=0x88CC) / Raw(b"a neighbour speaks LLDP")
    yield ip() / UDP(sport=40006, dport=9) / Raw(b"\x00zero is the first byte")
    yield ip() / UDP(sport=40007, dport=9)
    yield ip() / TCP(sport=40008, dport=443, flags="S")
