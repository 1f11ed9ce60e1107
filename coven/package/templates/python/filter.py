"""Drops TCP to port 23 and forwards everything else."""

from vnfc import drop, forward, reason

telnet = reason("telnet", "telnet is not allowed here")


def handle(packet):
    if packet.tcp and packet.tcp.dport == 23:
        return drop(telnet)
    return forward()
