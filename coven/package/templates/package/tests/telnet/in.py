"""What arrives by `in`: a connection to telnet, one to the web, and ARP."""

from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import ARP, Ether

CLIENT, SERVER = "192.0.2.1", "198.51.100.2"


def packets():
    wire = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
    yield wire / IP(src=CLIENT, dst=SERVER) / TCP(sport=40000, dport=23, flags="S")
    yield wire / IP(src=CLIENT, dst=SERVER) / TCP(sport=40001, dport=80, flags="S")
    yield wire / ARP(op="who-has", psrc=CLIENT, pdst=SERVER)
