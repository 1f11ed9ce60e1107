"""Two packets, 25 seconds apart: two rounds of announcements lie between them."""

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether


def packets():
    for time in (1000, 1025):
        packet = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(dst="192.0.2.2") / UDP()
        packet.time = time
        yield packet
