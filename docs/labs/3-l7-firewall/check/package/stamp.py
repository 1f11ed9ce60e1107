"""Stands in for the analyzer: what it marks is what the packet says in its DSCP, whatever its payload is."""

from vnfc import forward


def handle(packet):
    packet.context[0] = packet.ip.dscp if packet.ip else 0
    return forward()
