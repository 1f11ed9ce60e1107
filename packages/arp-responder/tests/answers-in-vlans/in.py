"""Questions in a VLAN, in one inside another, with a priority alone; and one in a VLAN for somebody else."""

from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether

ASKER = "02:00:00:00:00:01"
WIRE = Ether(src=ASKER, dst="ff:ff:ff:ff:ff:ff")
QUESTION = ARP(op="who-has", hwsrc=ASKER, psrc="192.0.2.1", pdst="192.0.2.254")


def packets():
    yield WIRE / Dot1Q(vlan=42) / QUESTION
    yield WIRE / Dot1AD(vlan=7, type=0x8100) / Dot1Q(vlan=42, prio=5) / QUESTION
    yield WIRE / Dot1Q(vlan=0, prio=3) / QUESTION
    yield WIRE / Dot1Q(vlan=42) / ARP(op="who-has", hwsrc=ASKER, psrc="192.0.2.1", pdst="192.0.2.2")
    yield "out", WIRE / Dot1Q(vlan=43) / QUESTION
