"""Names of hosts in pcap-filter expressions are refused: no name server is asked during a deployment."""

from __future__ import annotations

import pytest

from coven.package.filter_words import Tagged
from coven.package.filters import compile_match


@pytest.mark.parametrize(
    "expression",
    [
        "udp port 53", "tcp port http or https", "port (domain or 443)", "ether host 02:00:00:00:00:01",
        "ether src 0200.0000.0001", "net 10.1/16", "net 10.0.0.0 mask 255.0.0.0", "src net 2001:db8::/32", "host ::1",
        "host ::ffff:1.2.3.4", r"ip proto \tcp", "ip proto ospf", r"ether proto \arp", "ether proto 0x88cc",
        "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0", "icmp[icmptype] = icmp-echo", "icmp6[icmp6type]=icmp6-echo",
        "host 10.0.0.1 and (port 80 or 443)", "ip[2:2] - ((ip[0]&0xf)<<2) > 0", "dst host 10.0.0.1 and not port ssh",
        "greater 100", "portrange 1-1024", "ether multicast", "host 10.0.0.1 or 10.0.0.2", "!(src 10.0.0.1) && ip6",
    ],
)  # fmt: skip
def test_expressions_without_names(expression: str) -> None:
    assert compile_match(expression).ethernet


@pytest.mark.parametrize(
    ("expression", "name"),
    [
        ("host example.invalid", "example.invalid"),
        ("src somewhere", "somewhere"),
        ("port 80 and src evil.invalid", "evil.invalid"),
        ("port http and tcp or evil", "evil"),
        ("dst net corp", "corp"),
        ("ether host printer", "printer"),
        ("gateway router", "router"),
        ("host icmp-echo.invalid", "icmp-echo.invalid"),
        ("host (10.0.0.1 or icmp-echo)", "icmp-echo"),
        (r"ip host \somewhere", "somewhere"),
    ],
)
def test_names(expression: str, name: str) -> None:
    with pytest.raises(ValueError, match=name + ": a name of a host or network; write its address"):
        compile_match(expression)


@pytest.mark.parametrize(
    ("expression", "remedy"),
    [
        ("vlan 7", "vlan: 7,"), ("vlan and tcp port 80", "vlan: NUMBER,"), ("not vlan 12 and udp", "vlan: 12,"),
        ("ether proto 0x8100", "vlan: NUMBER,"), ("ip or ether proto 0x88A8", "vlan: NUMBER,"),
        ("ether[12:2] = 0x8100", "vlan: NUMBER,"), ("(vlan)", "vlan: NUMBER,"),
    ],
)  # fmt: skip
def test_tags_are_not_seen(expression: str, remedy: str) -> None:
    with pytest.raises(Tagged) as caught:
        compile_match(expression)
    assert caught.value.remedy.startswith(remedy)


@pytest.mark.parametrize(
    ("expression", "word", "near"),
    [
        ("tcp prot 80", "prot", "proto or port"),
        ("tcp dst prot 80", "prot", "proto or port"),
        ("tpc port 80", "tpc", "tcp"),
        ("udp and hots 10.0.0.1", "hots", "host"),
    ],
)
def test_misspelt_words_are_no_names(expression: str, word: str, near: str) -> None:
    with pytest.raises(ValueError, match=f"^{word}: no word of pcap-filter; did you mean {near}"):
        compile_match(expression)
