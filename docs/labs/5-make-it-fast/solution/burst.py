"""The same decision for a whole burst at once, on columns of header fields."""

from ipaddress import IPv4Network

import numpy
from vnfc import reason

bogon = reason("bogon", "from a network that is nobody's")
blocked = reason("blocked", "to a port that nobody needs")


def configure(config):
    global networks, ports
    parsed = [IPv4Network(text) for text in config.networks]
    networks = [(int(network.netmask), int(network.network_address)) for network in parsed]
    ports = numpy.zeros(65536, bool)
    ports[config.ports] = True


def handle_burst(burst):
    burst.drop((burst.is_tcp | burst.is_udp) & ports[burst.dport], blocked)
    source, nobody = burst.ip_src, numpy.zeros(burst.n, bool)
    for mask, address in networks:
        nobody |= source & mask == address
    burst.drop(burst.is_ip & nobody, bogon)
