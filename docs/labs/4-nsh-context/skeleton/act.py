"""Acts on the class in byte 0 of the context, and on nothing else that says who it is."""

from vnfc import config, drop, forward, reason

unknown = reason("unknown", "neither staff nor a guest")
guest = reason("guest", "not for guests")


def handle(packet):
    # staff (1): everything; guests (2): TCP and UDP from or to the ports of config.guests_may, and ICMP;
    # all others: nothing
    return forward()
