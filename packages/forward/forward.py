"""Reads one header field of every packet and decides by it: UDP to a blocked port is dropped."""

from vnfc import config, drop, forward, reason

blocked = reason("blocked", "UDP to a port that the configuration blocks")


def handle(packet):
    udp = packet.udp
    if udp is not None and udp.dport in config.block:
        return drop(blocked)
    return forward()
