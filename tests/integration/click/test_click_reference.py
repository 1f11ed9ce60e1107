"""Compiled configurations beside the Modular Router's own `click`, where there is one on PATH."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Raw
from scapy.utils import rdpcap

from coven.run.foreground import run_captures
from pps.click.router import find
from tests.rigs.click import Running, mistakes
from tests.rigs.packages import capture, package

CONFIGURATIONS = {
    "firewall": """
        IN -> c :: Classifier(12/0800, -) -> Strip(14) -> k :: CheckIPHeader(CHECKSUM true)
            -> f :: IPFilter(deny src port < 3, 1 icmp, allow tcp or udp) -> n :: Counter -> Unstrip(14) -> OUT;
        f[1] -> m :: Counter -> Discard; c[1] -> Discard;
    """,
    "changes": """
        IN -> c :: Classifier(12/0800, -) -> MarkIPHeader(14) -> n :: Counter -> DecIPTTL -> SetIPDSCP(10)
            -> IPMirror -> EtherMirror -> VLANEncap(VLAN_ID 9) -> m :: Counter -> OUT;
        c[1] -> Discard;
    """,
    "switches": """
        IN -> h :: HashSwitch(30, 4); h[0] -> Paint(1) -> n :: Counter -> p :: PaintSwitch;
        h[1] -> r :: RoundRobinSwitch -> Paint(0) -> m :: Counter -> p; r[1] -> Paint(1) -> p;
        p[0] -> Discard; p[1] -> q :: Queue(5) -> Unqueue -> OUT;
    """,
}
HANDLERS = ("n.count", "n.byte_count", "m.count")


@pytest.mark.skipif(find() is None, reason="no click of the Click Modular Router on PATH")
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_the_same_packets_and_figures_as_click(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("COVEN_STATE", str(tmp_path / "state"))
    wire = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
    packets = [
        wire / IP(src=f"10.0.0.{i}", dst="10.1.0.9", ttl=1 + i % 3) / transport
        for i in range(1, 9)
        for transport in (TCP(sport=i, dport=80), UDP(sport=i, dport=53) / Raw(b"x" * i), ICMP(seq=i))
    ] + [wire / ARP()]
    source, ours, theirs = capture(tmp_path / "in.pcap", packets), tmp_path / "ours.pcap", tmp_path / "theirs.pcap"
    text = CONFIGURATIONS[name]
    real = text.replace("IN ", f"FromDump({source}, STOP true) ").replace("OUT", f"ToDump({theirs})")
    command = [str(find()), "-e", real, *(word for h in HANDLERS for word in ("-h", h))]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120, env=os.environ)
    compiled = text.replace("IN ", "FromDevice(in) ").replace("OUT", "ToDevice(next)")
    pkg = package(tmp_path / "p", "vnfcs: {one: {source: one.click}}\nchain: in -> one -> out\n", one_click=compiled)
    ports = {"in": {"read": str(source)}, "out": {"write": str(ours)}}
    status = run_captures(pkg / "vnf.yaml", ports, {}, 1)
    assert status["unaccounted"] == 0
    assert [bytes(p) for p in rdpcap(str(ours))] == [bytes(p) for p in rdpcap(str(theirs))]
    with Running(tmp_path, compiled, hold_max=32) as click:
        click.send(*map(bytes, packets))
        figures = [str(click.read(handler)) for handler in HANDLERS]
    assert re.findall(r"^\d+$", done.stdout, re.MULTILINE) == figures


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_these_configurations_compile(name: str) -> None:
    assert mistakes(CONFIGURATIONS[name].replace("IN ", "FromDevice(in) ").replace("OUT", "ToDevice(next)")) == []
