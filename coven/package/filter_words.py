"""Words in pcap-filter expressions that are refused: names of hosts and networks, and tags.

libpcap asks a name server what they mean, in the middle of a deployment, and what the classifier then matches would
depend on the answer of that moment. Names of ports and protocols come from files (/etc/services, /etc/protocols).

An expression sees packets without their tags, so that `ip` means the same in every VLAN: one that asks for tags would
never meet a packet.
"""

from __future__ import annotations

import difflib
import re

_WORD = re.compile(r"\\?[A-Za-z0-9_][\w.:\-]*")
_NUMBER = re.compile(r"(0[xX][0-9a-fA-F]+|[0-9]+)")
_ADDRESS = re.compile(
    r"[0-9]+(\.[0-9]+){1,3}"  # IPv4, also cut short: net 10.1
    r"|[0-9a-fA-F]{1,2}([:.\-][0-9a-fA-F]{1,2}){5}|[0-9a-fA-F]{12}|[0-9a-fA-F]{4}(\.[0-9a-fA-F]{4}){2}"  # MAC
    r"|[0-9a-fA-F:]*:[0-9a-fA-F:]*(\d+\.\d+\.\d+\.\d+)?"  # IPv6
)
#: after one of these, and in a list behind it, a word is no host
_ELSE = frozenset(("port", "portrange", "proto", "protochain", "type", "subtype", "dir", "direction", "reason",
                   "action", "on", "ifname", "rset", "ruleset"))  # fmt: skip
#: words of the language that say what a following word is: a host, if nothing else is said
_BEGIN = frozenset(re.findall(r"\S+", """
    src dst host net mask gateway broadcast multicast less greater byte inbound outbound link ether ppp slip fddi tr
    wlan ip ipv4 ip6 ipv6 arp rarp tcp udp sctp icmp icmp6 icmpv6 igmp igrp pim vrrp carp ah esp radio atalk aarp decnet
    lat sca moprc mopdl iso esis isis es-is is-is clnp l1 l2 iih lsp snp csnp psnp stp ipx netbeui vlan mpls
    pppoed pppoes geneve vxlan ifindex len length ra ta addr1 addr2 addr3 addr4 address1 address2 address3 address4 rnr
    rulenum srnr subrulenum llc
    """))
_FLAGS = re.compile(r"tcpflags|tcp-(fin|syn|rst|push|ack|urg|ece|cwr)")
_TYPE = re.compile(r"icmp6?-[a-z0-9-]+")
_BETWEEN = frozenset({"and", "or", "not"})


_TAGS = re.compile(r"(?<![\w.:-])vlan(?![\w.:-])(?:\s+(\d+)\b)?")
_TAG_TYPES = re.compile(
    r"\bether\s*(?:\[\s*12\s*:\s*2\s*\]\s*==?|\s+proto)\s*(0x8100|0x88a8|0x9100|33024|34984|37120)\b", re.I
)


class Tagged(ValueError):
    """`remedy`: how a rule says what was meant."""

    def __init__(self, found: str, vlan: str | None):
        super().__init__(f"{found}: an expression sees packets without their tags")
        self.remedy = f"vlan: {vlan or 'NUMBER'}, beside match: the outermost tag"


def refuse_tags(expression: str) -> None:
    """Raises Tagged where the expression asks for tags."""
    if (found := _TAGS.search(expression)) is not None:
        raise Tagged(found[0], found[1])
    if (found := _TAG_TYPES.search(expression)) is not None:
        raise Tagged(found[0], None)


def refuse_names(expression: str) -> None:
    """Raises ValueError with the first name of a host or network."""
    elsewhere = False
    depth = 0
    for token in re.finditer(_WORD.pattern + r"|\[|\]", expression):
        word = token[0]
        if word in "[]":
            depth += 1 if word == "[" else -1
        elif depth > 0 or word in _BETWEEN or _NUMBER.fullmatch(word) or _ADDRESS.fullmatch(word):
            continue  # inside brackets are offsets: tcp[tcpflags]
        elif word in _ELSE:
            elsewhere = True
        elif word in _BEGIN:
            elsewhere = False
        elif not (elsewhere or _FLAGS.fullmatch(word) or (_TYPE.fullmatch(word) and _compared(expression, token))):
            raise ValueError(_unknown(word, expression[: token.start()], expression[token.end() :]))


_NAMES = re.compile(r"\b(host|net|mask|gateway|src|dst)\s*$")


def _unknown(word: str, before: str, after: str) -> str:
    """What is wrong with a word: no host is meant where none can be, as in front of a number."""
    name = _NAMES.search(before) is not None and not re.match(r"\s+\d+\b", after)
    near = [] if name else difflib.get_close_matches(word, sorted(_BEGIN | _ELSE | _BETWEEN), 2, 0.65)
    if near:
        return f"{word}: no word of pcap-filter; did you mean {' or '.join(near)}?"
    return f"{word}: a name of a host or network; write its address"


def _compared(expression: str, token: re.Match[str]) -> bool:
    """Whether the word is a number's name: icmp[icmptype] = icmp-echo."""
    return expression[: token.start()].rstrip().endswith(("=", "<", ">", "&", "|", "+", "-"))
