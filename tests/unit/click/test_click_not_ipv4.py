"""IPv6 at elements for IPv4: it passes as it came, matches nothing, or goes where what is refused goes."""

from __future__ import annotations

from pathlib import Path

import pytest
from scapy.layers.inet import TCP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from tests.rigs.click import Running

# read as IPv4: 10.0.0.1 to 10.0.0.2, TCP by byte 9, TTL 0x0d by byte 8; the second with a header length of 20 bytes
SIX = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IPv6(
    src="2006:db8:a00:1:a00:2::1", dst="2001:db8::2", hlim=64
) / TCP(sport=4000, dport=443, flags="S")
PLAIN = bytes(SIX)
BUSY_CLASS = PLAIN[:14] + bytes([0x65]) + PLAIN[15:]

UNCHANGED = (
    "DecIPTTL",
    "SetIPDSCP(46)",
    "SetIPECN(ce)",
    "IPMirror",
    "GetIPAddress(IP dst)",
    "IPPrint",
    "i :: DecIPTTL(ACTIVE true)",
)
REFUSED = {
    "CheckIPHeader": "bad_ip_header",
    "CheckTCPHeader": "bad_tcp_header",
    "CheckUDPHeader": "bad_udp_header",
    "CheckICMPHeader": "bad_icmp_header",
    "SetIPChecksum": "not_ip",
    "SetTCPChecksum": "not_ip",
    "SetUDPChecksum": "not_ip",
    "StoreIPAddress(1.2.3.4, src)": "short_packet",
    "ICMPPingResponder": "no_ping",
    "ICMPError(192.0.2.1, timeexceeded)": "no_icmp_error",
    "IPClassifier(tcp or udp or icmp or host 10.0.0.1 or dst port 443)": "no_pattern",
    "IPFilter(allow ip proto tcp, allow src 10.0.0.1, allow ip ttl > 0, drop all)": "filtered",
    "SetIPAddress(192.0.2.1) -> ARPQuerier(192.0.2.9, 02:00:00:00:00:09)": "not_ip",
    "IPRewriter(pattern 192.0.2.9 1024-65535 - - 0 0)": "not_rewritten",
    "IPRewriter(pass 0)": "not_rewritten",
    "AggregateIPFlows": "no_flow",
}


def run(tmp_path: Path, change: str, packet: bytes) -> tuple[str, bytes]:
    """What became of the one packet that there is, and its bytes."""
    text = f"FromDevice(in) -> Strip(14) -> MarkIPHeader -> {change} -> Unstrip(14) -> ToDevice(next);"
    with Running(tmp_path, text) as click:
        (back,) = click.send(packet)  # one, whatever became of it
        return click.fate(back), back.data


@pytest.mark.parametrize("packet", [PLAIN, BUSY_CLASS], ids=["plain", "busy"])
def test_ipv6_passes_unchanged(tmp_path: Path, packet: bytes) -> None:
    assert run(tmp_path, " -> ".join(UNCHANGED), packet) == ("to 0", packet)


@pytest.mark.parametrize("change", REFUSED)
def test_ipv6_is_refused_by_name(tmp_path: Path, change: str) -> None:
    for packet in (PLAIN, BUSY_CLASS):
        fate, data = run(tmp_path, change, packet)
        assert fate == REFUSED[change]
        assert packet.endswith(data), "not a byte of it has changed"
