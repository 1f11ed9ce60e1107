"""The same decision as forward.py for a whole burst at once, on columns of header fields."""

from vnfc import config, reason

blocked = reason("blocked", "UDP to a port that the configuration blocks")


def handle_burst(burst):
    for port in config.block:
        burst.drop(burst.is_udp & (burst.dport == port), blocked)
