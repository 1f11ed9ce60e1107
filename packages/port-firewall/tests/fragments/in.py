"""A telnet SYN in fragments that are too small to tell the port, and fragments as they should be."""

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Padding, Raw

WIRE = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
PATH = {"src": "192.0.2.1", "dst": "198.51.100.2"}
PATH6 = {"src": "2001:db8::1", "dst": "2001:db8::2"}
TCP_NUMBER, UDP_NUMBER = 6, 17


def syn(port):
    return bytes(IP(**PATH) / TCP(sport=4000, dport=port, seq=1, flags="S") / Raw(bytes(12)))[20:]


def piece(data, start, end, proto=TCP_NUMBER):
    more = "MF" if end < len(data) else 0
    return IP(**PATH, id=9, proto=proto, frag=start // 8, flags=more) / Raw(data[start:end])


def piece6(data, start, end, proto=TCP_NUMBER):
    header = IPv6ExtHdrFragment(nh=proto, offset=start // 8, m=int(end < len(data)), id=9)
    return IPv6(**PATH6) / header / Raw(data[start:end])


def tiny():
    """All dropped."""
    telnet = syn(23)
    for start in (0, 8, 16):
        yield WIRE / piece(telnet, start, start + 8)
    yield WIRE / piece(telnet, 0, 8) / Padding(bytes(18))  # padded to 60 bytes, which hold 20 more
    yield WIRE / piece(telnet, 0, 16)
    yield WIRE / Dot1Q(vlan=42) / piece(telnet, 0, 8)
    for start in (0, 8, 16):
        yield WIRE / piece6(telnet, start, start + 8)
    yield WIRE / Dot1Q(vlan=42) / piece6(telnet, 8, 16)
    options = bytes(IPv6ExtHdrDestOpt(nh=TCP_NUMBER, options=[]))
    yield WIRE / piece6(options + telnet, 0, 8, 60)  # the TCP header is in the next one


def whole():
    """All of these pass, but the one that tells port 23."""
    yield WIRE / piece(syn(80), 0, 24)
    yield WIRE / piece(syn(80), 24, 32)
    yield WIRE / piece6(syn(80), 0, 24)
    yield WIRE / piece6(syn(80), 24, 32)
    yield WIRE / piece(syn(23), 0, 24)
    yield WIRE / piece(syn(23), 24, 32)
    datagram = bytes(IP(**PATH) / UDP(sport=4000, dport=53) / Raw(bytes(24)))[20:]
    yield WIRE / piece(datagram, 0, 8, UDP_NUMBER)
    yield WIRE / piece(datagram, 8, 32, UDP_NUMBER)
    yield WIRE / piece6(datagram, 8, 32, UDP_NUMBER)


def packets():
    yield from tiny()
    yield from whole()
