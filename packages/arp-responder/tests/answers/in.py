"""Questions for us from both sides, one for somebody else, an answer, and what is no ARP."""

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import ARP, Ether

ASKER, OTHER = "02:00:00:00:00:01", "02:00:00:00:00:02"
WIRE = Ether(src=ASKER, dst="ff:ff:ff:ff:ff:ff")


def packets():
    yield WIRE / ARP(op="who-has", hwsrc=ASKER, psrc="192.0.2.1", pdst="192.0.2.254")
    yield WIRE / ARP(op="who-has", hwsrc=ASKER, psrc="192.0.2.1", pdst="192.0.2.2")
    answer = ARP(op="is-at", hwsrc=ASKER, psrc="192.0.2.1", hwdst=OTHER, pdst="192.0.2.254")
    yield Ether(src=ASKER, dst=OTHER) / answer
    yield Ether(src=ASKER, dst=OTHER) / IP(src="192.0.2.1", dst="192.0.2.254") / UDP()
    yield "out", WIRE / ARP(op="who-has", hwsrc=ASKER, psrc="192.0.2.9", pdst="192.0.2.254")
