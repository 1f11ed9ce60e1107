"""A port firewall: TCP and UDP to a blocked destination port are dropped, all else passes."""

from vnfc import config, drop, forward, reason

blocked = reason("blocked", "the destination port is blocked")


def handle(packet):
    # config.block is the list of blocked ports
    return forward()
