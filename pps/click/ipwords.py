"""The words of IPClassifier's patterns, and the numbers they stand for (IANA's, and those of click(5))."""

from __future__ import annotations

from dataclasses import dataclass

TCP_OR_UDP, ANY_TRANSPORT = 256, 257  #: beyond all protocol numbers


@dataclass(frozen=True)
class Field:
    """Bits of a header: `proto` 0 is the IP header, else a transport header (of that protocol)."""

    offset: int  #: in bits
    length: int
    proto: int = 0


FIELDS = {
    "dscp": Field(8, 6), "hl": Field(4, 4), "id": Field(32, 16), "len": Field(16, 16), "tos": Field(8, 8),
    "ttl": Field(64, 8), "vers": Field(0, 4), "type": Field(0, 8, 1), "win": Field(112, 16, 6),
}  # fmt: skip
TYPES = ("ce", "ect", "frag", "host", "net", "opt", "port", "proto", "unfrag", *FIELDS)
SYNTAX = ("dest", "dst", "ether", "ip", "not", "src")

PROTOCOLS = {
    "dccp": 33, "icmp": 1, "igmp": 2, "ipip": 4, "sctp": 132, "tcp": 6, "tcpudp": TCP_OR_UDP,
    "transp": ANY_TRANSPORT, "udp": 17,
}  # fmt: skip
PORTS = {
    "auth": 113, "bootpc": 68, "bootps": 67, "chargen": 19, "daytime": 13, "discard": 9, "dns": 53,
    "domain": 53,
    "echo": 7, "finger": 79, "ftp": 21, "ftp-data": 20, "https": 443, "imap3": 220, "imaps": 993, "irc": 194,
    "netbios-dgm": 138, "netbios-ns": 137, "netbios-ssn": 139, "nntp": 119, "ntp": 123, "pop3": 110,
    "pop3s": 995,
    "smtp": 25, "snmp": 161, "snmp-trap": 162, "ssh": 22, "sunrpc": 111, "telnet": 23, "tftp": 69, "www": 80,
    "rip": 520, "route": 520,
}  # fmt: skip
UDP_ONLY = ("bootpc", "bootps", "rip", "route", "tftp")
TCP_OPTIONS = {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32}
ICMP_TYPES = {
    "echo": 8, "echo-reply": 0, "inforeq": 15, "inforeq-reply": 16, "maskreq": 17, "maskreq-reply": 18,
    "parameterproblem": 12, "redirect": 5, "routeradvert": 9, "routersolicit": 10, "sourcequench": 4,
    "timeexceeded": 11, "timestamp": 13, "timestamp-reply": 14, "unreachable": 3,
}  # fmt: skip


def meanings(word: str, kind: object, proto: int | None) -> list[tuple[object, int]]:
    """What a word may mean as a value of `kind` (None: any) with that protocol (None: any)."""
    found: list[tuple[object, int]] = []
    if word in PROTOCOLS and kind in (None, "proto"):
        found.append(("proto", PROTOCOLS[word]))
    udp = proto in (None, 17, TCP_OR_UDP)
    if word in PORTS and kind in (None, "port") and (udp or (proto == 6 and word not in UDP_ONLY)):
        found.append(("port", PORTS[word]))
    if word in TCP_OPTIONS and kind in (None, "opt") and proto in (None, 6, TCP_OR_UDP):
        found.append(("opt", TCP_OPTIONS[word]))
    if word in ICMP_TYPES and kind in (None, FIELDS["type"]) and proto in (None, 1):
        found.append((FIELDS["type"], ICMP_TYPES[word]))
    return found
