"""A gate that somebody wrote in a hurry. Leave it as it is: the exercise is to see what it does."""

from vnfc import drop, forward, reason

telnet = reason("telnet", "telnet is not allowed here")
old = reason("old", "the packet has travelled far enough")


def handle(packet):
    if packet.ip and packet.ip.ttl <= 1:
        return drop(old)
    if packet.tcp:
        return drop(telnet) if packet.tcp.dport == 23 else forward()
    if packet.udp:
        if packet.payload[0] != 0:
            return forward()
    else:
        return forward()
