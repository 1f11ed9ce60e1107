"""Acts on the class in byte 0 of the context, and on nothing else that says who it is."""

from vnfc import config, drop, forward, reason

unknown = reason("unknown", "neither staff nor a guest")
guest = reason("guest", "not for guests")
STAFF, GUEST = 1, 2


def handle(packet):
    who = packet.context[0]
    if who == STAFF or (who == GUEST and for_guests(packet)):
        return forward()
    return drop(guest if who == GUEST else unknown)


def for_guests(packet):
    segment = packet.tcp or packet.udp
    if segment is None:
        return packet.icmp is not None
    return segment.dport in config.guests_may or segment.sport in config.guests_may
