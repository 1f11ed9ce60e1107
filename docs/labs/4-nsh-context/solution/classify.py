"""Says who is behind a packet: byte 0 of its context becomes 1 for staff, 2 for guests, 0 for others."""

from ipaddress import IPv4Network

from vnfc import forward, ports

STAFF, GUEST = 1, 2


def configure(config):
    global staff, guests
    staff, guests = IPv4Network(config.staff), IPv4Network(config.guests)


def within(address, network):
    return address & int(network.netmask) == int(network.network_address)


def handle(packet):
    inside = packet.ip.src_u32 if packet.port == ports["in"].number else packet.ip.dst_u32
    if within(inside, staff):
        packet.context[0] = STAFF
    elif within(inside, guests):
        packet.context[0] = GUEST
    return forward()
