"""Drops TCP and UDP to the ports that the configuration blocks; the configuration may change at any time."""

from fragments import cuts_tcp
from vnfc import counter, drop, forward, reason, request, state

tcp_blocked = reason("tcp", "TCP to a port that the configuration blocks")
udp_blocked = reason("udp", "UDP to a port that the configuration blocks")
cut = reason("fragment", "a fragment that cuts the TCP header apart, so that no port can be told (RFC 1858, RFC 3128)")
seen = counter("blocked", "to blocked ports, or fragments; dropped or (observe: true) only counted", "packets")

tcp_ports = udp_ports = frozenset()
observe = False


def configure(config):
    """Called before the first packet and at every change, between two packets. The schema has checked types
    and limits; a ValueError from here would refuse what only we can tell, and the old configuration would stay.
    """
    global tcp_ports, udp_ports, observe
    tcp_ports, udp_ports, observe = frozenset(config.tcp), frozenset(config.udp), config.observe


def handle(packet):
    if packet.tcp and packet.tcp.dport in tcp_ports:
        return blocked(tcp_blocked, f"tcp {packet.tcp.dport}")
    if packet.udp and packet.udp.dport in udp_ports:
        return blocked(udp_blocked, f"udp {packet.udp.dport}")
    if tcp_ports and cuts_tcp(packet):
        return blocked(cut, "fragment")
    return forward()


def blocked(why, port):
    seen.add()
    hits = state.setdefault("hits", {})  # survives a restart after a crash
    hits[port] = hits.get(port, 0) + 1
    return forward() if observe else drop(why, note=lambda: f"{port}, as the configuration says")  # for traces


@request("hits", "packets to blocked ports since the last reset, by port, and `fragment`", "packets")
def hits():
    return state.get("hits", {})


@request("reset", "forget the hits", changes=True)
def reset():
    state.clear()
    return True
