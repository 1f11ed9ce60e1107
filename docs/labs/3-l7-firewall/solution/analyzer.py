"""Looks into payloads and marks what it recognizes in byte 0 of the packet's context. It drops nothing."""

from vnfc import forward

LOGINS = (bytes.fromhex("1603010000"), bytes.fromhex("1703010000"))
LOGIN, PROBE = 1, 2


def handle(packet):
    tcp, udp = packet.tcp, packet.udp
    if tcp and 443 in (tcp.sport, tcp.dport) and packet.payload.startswith(LOGINS):
        packet.context[0] = LOGIN
    elif udp and udp.len == 8 + 18 and packet.payload[2] == 2:
        packet.context[0] = PROBE
    return forward()
