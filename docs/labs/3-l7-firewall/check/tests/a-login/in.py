"""Login handshakes on port 443, from both sides; the same bytes elsewhere; real TLS."""

from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

REQUEST, ANSWER = bytes.fromhex("1603010000"), bytes.fromhex("1703010000")
TLS = bytes.fromhex("160301020001")
THERE = Ether() / IP(src="10.20.0.1", dst="10.20.0.2")
BACK = Ether() / IP(src="10.20.0.2", dst="10.20.0.1")


def packets():
    def out(payload, port=443):
        return "in", THERE / TCP(dport=port, flags="PA") / Raw(payload)

    def back(payload, port=443):
        return "out", BACK / TCP(sport=port, flags="PA") / Raw(payload)

    yield out(REQUEST + bytes(40))
    yield back(ANSWER + bytes(20))
    yield out(REQUEST)
    yield out(TLS + bytes(300))
    yield out(REQUEST[:4])
    yield out(b"\x00" + REQUEST)
    yield out(REQUEST + bytes(40), 80)
    yield "in", THERE / TCP(dport=443, flags="S")
