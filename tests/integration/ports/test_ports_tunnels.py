"""Tunnels between two hosts at default offloads: what the hosts leave to their devices inside them is done at the
port, with each backend. Frames of tunnels that a kernel may not have are made by hand."""

from __future__ import annotations

import pytest
from scapy.contrib.mpls import MPLS
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import GRE, Ether
from scapy.layers.sctp import SCTP, SCTPChunkData
from scapy.packet import Packet, Raw

from coven.lab.network import Lab
from tests.integration.ports.test_ports import (  # noqa: F401
    BACKENDS,
    TRAFFIC,
    Started,
    built,
    finish,
    lab,
    line,
    quiet,
    rig,
    spawn,
    traffic,
    transfer,
)
from tests.rigs.port_traffic import OFFLOADED

pytestmark = pytest.mark.root

VXLANS = {
    "vxlan": ("10.20.0.1", "10.20.0.2", "dstport 4789 noudpcsum"),
    "vxlan with checksum": ("10.20.0.1", "10.20.0.2", "dstport 4789 udpcsum"),
    "vxlan at Linux' first port": ("10.20.0.1", "10.20.0.2", "dstport 8472"),
    "vxlan over IPv6": ("fd20::1", "fd20::2", "dstport 4789"),
}


def tunnel(lab: Lab, kind: str) -> None:  # noqa: F811
    client, server, words = VXLANS[kind]
    for place, own, other, n in ((lab.client, client, server, 1), (lab.server, server, client, 2)):
        for command in (
            f"link add t0 type vxlan id 7 local {own} remote {other} {words}",
            f"addr add 10.21.0.{n}/24 dev t0",
            f"addr add fd21::{n}/64 dev t0 nodad",
            "link set t0 up",
        ):
            place.run("ip", *command.split())


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", VXLANS)
def test_tcp_and_udp_in_vxlan(lab: Lab, rig: Started, kind: str, backend: str) -> None:  # noqa: F811
    tunnel(lab, kind)
    ports = rig(backend=backend)
    for host in ("10.21.0.2", "fd21::2"):
        transfer(lab, host, 10)
        server = spawn(lab.server, TRAFFIC, "datagrams", 5002, 20)
        assert line(server) == "ready"
        sent = traffic(lab.client, "segments", host, 5002, 1000, 20)
        assert line(server) == sent
        finish(server)
    figures = ports.end()
    assert not figures["in.arriving"]["dropped"] and not figures["out.leaving"]["dropped"], figures


ETH = Ether(src=OFFLOADED.hex(":"), dst="02:00:00:00:00:02")
FOUR, SIX = IP(src="192.0.2.1", dst="192.0.2.2", id=9), IPv6(src="2001:db8::1", dst="2001:db8::2")
IN_FOUR, IN_SIX = IP(src="10.0.0.1", dst="10.0.0.2", id=5), IPv6(src="fd00::1", dst="fd00::2")
TUNNELS: dict[str, Packet] = {
    "gre": ETH / FOUR / GRE(proto=0x0800),
    "gretap": ETH / FOUR / GRE(proto=0x6558) / Ether(dst="02:00:00:00:00:12"),
    "ipip": ETH / FOUR,
    "4in6": ETH / SIX,
    "mpls": Ether(src=ETH.src, dst=ETH.dst, type=0x8847) / MPLS(label=20, s=1),
}


def left_to_the_device(whole: bytes, inner: Packet) -> tuple[bytes, int, int]:
    """The frame as its host hands it over, where its checksum covers from, and how far from there it lies."""
    raw, at = bytearray(whole), len(whole) - len(bytes(inner.payload))
    if SCTP in inner:
        raw[at + 8 : at + 12] = bytes(4)
        return bytes(raw), at, 8
    pseudo = bytes(inner)[12:20] + bytes((0, bytes(inner)[9])) + (len(whole) - at).to_bytes(2, "big")
    total = sum(int.from_bytes(pseudo[i : i + 2], "big") for i in range(0, len(pseudo), 2))
    total = (total & 0xFFFF) + (total >> 16)
    offset = 16 if TCP in inner else 6
    raw[at + offset : at + offset + 2] = ((total & 0xFFFF) + (total >> 16)).to_bytes(2, "big")
    return bytes(raw), at, offset


INNER: dict[str, Packet] = {
    "tcp": IN_FOUR / TCP(sport=1, dport=2, flags="PA") / Raw(b"x" * 77),
    "udp": IN_FOUR / UDP(sport=1, dport=2) / Raw(b"x" * 77),
    "sctp": IN_FOUR / SCTP(sport=1, dport=2, tag=3) / SCTPChunkData(data=b"abcd"),
}


@pytest.mark.parametrize("backend", BACKENDS)
def test_partial_checksums_in_other_tunnels(lab: Lab, rig: Started, backend: str) -> None:  # noqa: F811
    quiet(lab)
    wanted = [(bytes(t / p), p) for t in (*TUNNELS.values(), ETH) for p in INNER.values()]
    ports = rig(backend=backend)
    server = spawn(lab.server, TRAFFIC, "heard", "eth0", len(wanted))
    assert line(server) == "ready"
    for whole, inner in wanted:
        frame, start, offset = left_to_the_device(whole, inner)
        traffic(lab.client, "offloaded", "eth0", 0, 0, start, offset, frame.hex())
    assert line(server).split() == [whole.hex() for whole, _ in wanted]
    finish(server)
    ports.end()
