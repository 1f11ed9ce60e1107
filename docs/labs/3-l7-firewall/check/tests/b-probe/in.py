"""UDP messages of 18 bytes whose third byte is 2, on any port, and what only resembles them."""

from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw


def packets():
    def message(payload, port=3478):
        return Ether() / IP(src="10.20.0.1", dst="10.20.0.2") / UDP(sport=40000, dport=port) / Raw(payload)

    probe = b"\xab\xcd\x02" + bytes(range(15))
    yield message(probe)
    yield message(probe, 12345)
    yield message(b"\xab\xcd\x01" + bytes(range(15)))
    yield message(probe + b"!")
    yield message(probe[:17])
    yield message(b"")
    yield Ether() / IPv6(src="fd20::1", dst="fd20::2") / UDP(sport=1, dport=2) / Raw(probe)
    yield Ether() / Dot1Q(vlan=3) / IP(src="10.20.0.1", dst="10.20.0.2") / UDP(sport=1, dport=2) / Raw(probe)
