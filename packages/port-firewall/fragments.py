"""Fragments that cut a TCP header: nobody needs them, but who wants to hide the port from a filter (RFC 1858, 3128)."""

TCP, TCP_HEADER = 6, 20
MORE_FRAGMENTS = 1
FRAGMENT, AUTHENTICATION = 44, 51
EXTENSIONS = frozenset({0, 43, 60, 135, 139, 140, AUTHENTICATION})  # IPv6 headers that another one follows
IP6_HEADER = 40
TAG_TYPES = frozenset(map(bytes.fromhex, ("8100", "88a8", "9100")))


def cuts_tcp(packet):
    """A first fragment without all of the TCP header, or a later one that begins within it."""
    ip = packet.ip
    if ip:
        offset, more = ip.frag, ip.flags & MORE_FRAGMENTS
        # the header's length and not the frame's: that may be padded
        return (offset or more) and ip.proto == TCP and _cuts(offset * 8, ip.len - ip.ihl * 4)
    ip6 = packet.ip6
    if not ip6 or (ip6.next != FRAGMENT and ip6.next not in EXTENSIONS):
        return False
    data = bytes(packet.data)
    start = _after_tags(data) if packet.eth else 0
    return _cuts_tcp6(data[start + IP6_HEADER : start + IP6_HEADER + ip6.len], ip6.next)


def _cuts(offset, size):
    return size < TCP_HEADER if offset == 0 else offset < TCP_HEADER


def _cuts_tcp6(rest, following):
    """The same behind IPv6's header. A first fragment must have all headers (RFC 7112): what ends among them cuts."""
    fragment = False
    while following == FRAGMENT or following in EXTENSIONS:
        if len(rest) < 8:
            return fragment
        if following == FRAGMENT:
            offset, more = int.from_bytes(rest[2:4], "big") & 0xFFF8, rest[3] & MORE_FRAGMENTS
            if offset:
                return rest[0] == TCP and _cuts(offset, len(rest) - 8)
            fragment, size = bool(more), 8
        elif following == AUTHENTICATION:
            size = (rest[1] + 2) * 4
        else:
            size = (rest[1] + 1) * 8
        following, rest = rest[0], rest[size:]
    return fragment and following == TCP and _cuts(0, len(rest))


def _after_tags(data):
    end = 12
    while data[end : end + 2] in TAG_TYPES:
        end += 4
    return end + 2
