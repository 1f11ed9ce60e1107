"""Packet by packet: drops what comes from networks that are nobody's, and what goes to ports nobody needs."""

from ipaddress import IPv4Network

from vnfc import drop, forward, reason

bogon = reason("bogon", "from a network that is nobody's")
blocked = reason("blocked", "to a port that nobody needs")


def configure(config):
    global networks, ports
    parsed = [IPv4Network(text) for text in config.networks]
    networks = [(int(network.netmask), int(network.network_address)) for network in parsed]
    ports = list(config.ports)


def handle(packet):
    ip = packet.ip
    if ip:
        source = ip.src_u32
        for mask, address in networks:
            if source & mask == address:
                return drop(bogon)
    segment = packet.tcp or packet.udp
    if segment and segment.dport in ports:
        return drop(blocked)
    return forward()
