"""A translating gateway in Click, over captures, with the real forwarder: every packet is accounted for."""

from __future__ import annotations

from pathlib import Path

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.utils import rdpcap, wrpcap

from coven.run.foreground import run_captures

GATEWAY = """
FromDevice(in) -> c :: Classifier(12/0806 20/0001, 12/0806 20/0002, 12/0800, -);
c[0] -> ARPResponder(10.0.0.1 02:00:00:00:00:01) -> ToDevice(back);
c[1] -> [1] q :: ARPQuerier(192.0.2.254/24, 02:00:00:00:00:02);
c[2] -> Strip(14) -> CheckIPHeader -> rw :: IPRewriter(pattern 192.0.2.254 5000-5999# - - 0 1);
c[3] -> Discard;
rw[0] -> [0] q -> ToDevice(next);
rw[1] -> Discard;
"""
DESCRIPTOR = """
name: nat
version: "1.0.0"
provider: tests
description: network address translation
license: MIT
vnfcs:
  nat: {source: nat.click}
chain: in -> nat -> out
"""
CLIENT, SERVER = "02:00:00:00:00:0a", "02:00:00:00:00:0b"


def test_a_gateway_accounts_for_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVEN_STATE", str(tmp_path / "state"))
    package = tmp_path / "package"
    package.mkdir(mode=0o755)  # the uid that VNFCs run as reads it
    (package / "nat.click").write_text(GATEWAY)
    (package / "vnf.yaml").write_text(DESCRIPTOR)
    flows = [
        Ether(src=CLIENT, dst="02:00:00:00:00:01") / IP(src="10.0.0.10", dst=f"192.0.2.{host}") / UDP(sport=i, dport=53)
        for i, host in enumerate((1, 1, 2), 1)
    ]
    answer = Ether(src=SERVER) / ARP(op=2, hwsrc=SERVER, psrc="192.0.2.1", pdst="192.0.2.254")
    request = Ether(src=CLIENT, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=CLIENT, psrc="10.0.0.10", pdst="10.0.0.1")
    packets = [request, *flows, answer]
    for i, packet in enumerate(packets):
        packet.time = 1000 + i / 100
    wrpcap(str(tmp_path / "in.pcap"), packets)
    ports = {
        "in": {"read": str(tmp_path / "in.pcap"), "write": str(tmp_path / "back.pcap")},
        "out": {"write": str(tmp_path / "out.pcap")},
    }
    status = run_captures(package / "vnf.yaml", ports, {}, 1)
    assert status["unaccounted"] == 0, status
    assert status["vnfcs"]["nat"]["consumed"] == 2  # the ARP request and the ARP reply
    [reply] = rdpcap(str(tmp_path / "back.pcap"))
    assert (reply[ARP].op, reply[ARP].hwsrc, reply.dst) == (2, "02:00:00:00:00:01", CLIENT)
    left = rdpcap(str(tmp_path / "out.pcap"))
    sent = [p for p in left if IP in p]
    assert [p[UDP].sport for p in sent] == [5000, 5001]
    assert {(p.src, p.dst, p[IP].src) for p in sent} == {("02:00:00:00:00:02", SERVER, "192.0.2.254")}
    assert {p[ARP].pdst for p in left if ARP in p} == {"192.0.2.1", "192.0.2.2"}
    # nobody said who 192.0.2.2 is: its packet was still waiting at the end
    assert sum(status["dropped"].values()) == 1
