"""A port firewall: TCP and UDP to a blocked destination port are dropped, all else passes."""

from vnfc import drop, forward, reason

blocked = reason("blocked", "the destination port is blocked")
ports = frozenset()


def configure(config):
    global ports
    for port in config.block:
        if not 1 <= port <= 65535:
            raise ValueError(f"block: {port} is no port, expected 1 to 65535")
    ports = frozenset(config.block)


def handle(packet):
    segment = packet.tcp or packet.udp
    return drop(blocked) if segment and segment.dport in ports else forward()
