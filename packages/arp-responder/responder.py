"""Answers ARP requests for the configured addresses, by the port that they came in by.

An answer is the request itself, turned around: `back()`. Announcements are packets of our own: `new_packet`, `emit`.
"""

from ipaddress import IPv4Address

from vnfc import back, config, counter, emit, every, forward, new_packet, ports, request

answered = counter("answered", "ARP requests that were answered", "packets")
announced = counter("announced", "announcements that were sent", "packets")

REQUEST, REPLY = 1, 2
EVERYBODY = b"\xff" * 6
ETHERNET_ARP = bytes.fromhex("0806" "0001" "0800" "06" "04")  # type; Ethernet, IPv4, sizes of their addresses
ADDRESSES = 12  # bytes of them, before tags and type
TAG_TYPES = frozenset(map(bytes.fromhex, ("8100", "88a8", "9100")))

addresses = frozenset()
mac = b""


def configure(config):
    global addresses, mac
    # IPv4Address says what is wrong with 192.0.2.999, as a ValueError: refused, and the old one stays
    addresses = frozenset(str(IPv4Address(address)) for address in config.addresses)
    mac = mac_bytes(config.mac)


def mac_bytes(text):
    return bytes.fromhex(text.replace(":", ""))


def handle(packet):
    arp = packet.arp
    if not arp or arp.op != REQUEST or arp.pdst not in addresses:
        return forward()  # of no interest to us, and of interest to somebody else
    asked, asker_mac, asker = arp.pdst, mac_bytes(arp.hwsrc), arp.psrc
    packet.replace(message(REPLY, asked, asker_mac, asker, tags_of(packet)))
    answered.add()
    return back()


def tags_of(packet):
    """The VLAN tags as they stand: whoever asks in a VLAN hears an answer only there."""
    data = bytes(packet.data)
    end = ADDRESSES
    while data[end : end + 2] in TAG_TYPES:
        end += 4
    return data[ADDRESSES:end]


def message(op, sender, target_mac, target, tags=b""):
    """An ARP message from our MAC address, without padding: ports add that."""
    to = EVERYBODY if op == REQUEST else target_mac
    ends = mac + IPv4Address(sender).packed + target_mac + IPv4Address(target).packed
    return to + mac + tags + ETHERNET_ARP + op.to_bytes(2, "big") + ends


@every(10)
def announce_regularly():
    if config.announce:
        announce()


@request("announce", "tell everybody, now; answers how many packets that took", "packets", changes=True)
def announce():
    """A gratuitous ARP request (RFC 5227): whoever had another MAC address for us takes ours."""
    for port in ports:
        for address in sorted(addresses):
            # as if it had come in by `port`, and out by the same
            emit(new_packet(message(REQUEST, address, bytes(6), address)), "back", port)
            announced.add()
    return len(ports) * len(addresses)
