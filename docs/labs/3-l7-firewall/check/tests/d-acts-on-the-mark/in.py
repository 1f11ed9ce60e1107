"""Another VNFC marks, by DSCP: the filter acts on the mark, whatever it is, and does not look into payloads."""

import random

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

LOGIN, PROBE = bytes.fromhex("1603010000"), b"\xab\xcd\x02" + bytes(15)


def packets():
    for mark in (0, 1, 0, 2, 63, *(random.choice((0, random.randrange(1, 64))) for _ in range(11))):
        wire = Ether() / IP(src="10.20.0.1", dst="10.20.0.2", tos=mark << 2)
        login = wire / TCP(sport=40000, dport=443, flags="PA") / Raw(LOGIN + random.randbytes(20))
        probe = wire / UDP(sport=40000, dport=3478) / Raw(PROBE)
        other = wire / TCP(sport=40000, dport=80, flags="PA") / Raw(random.randbytes(20))
        for packet in (login, probe, other):
            yield "in", packet, "drop filter.marked" if mark else "forward out"
