"""The packages that authors copy: what their test cases cannot say (requests, metrics, live changes), and that the
C ones compile without a warning."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import ARP, Ether

from itf.segment import C
from pps.c.framework import CFramework
from pps.python.framework import PythonFramework
from tests.rigs.fake_forwarder import FakeForwarder

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ROOT / "packages"
WIRE = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")
IPV4 = WIRE / IP(src="192.0.2.1", dst="198.51.100.2")
WEB, TELNET = bytes(IPV4 / TCP(dport=80)), bytes(IPV4 / TCP(dport=23))


def python(package: str, name: str) -> FakeForwarder:
    source = PACKAGES / package / f"{name}.py"
    return FakeForwarder(PythonFramework().host_command(source, name), name=name)


@pytest.mark.parametrize("source", sorted(PACKAGES.glob("*/*.c")), ids=lambda path: path.name)
def test_no_warnings(source: Path) -> None:
    argv = ["gcc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-o", "/dev/null",
            f"-I{ROOT}/pps/sdk/include", f"-I{ROOT}", str(source), "-lm"]  # fmt: skip
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_port_firewall_changes_live() -> None:
    with python("port-firewall", "firewall") as host:
        assert host.init({"tcp": [23], "udp": [], "observe": False})["op"] == "ready", host.close()
        host.send(WEB, TELNET)
        assert [back.verdict for back in host.collect(2)] == [C.VERDICT_FORWARD, C.VERDICT_DROP]
        assert host.ask("configure", config={"tcp": [80], "udp": [], "observe": False})["ok"]
        host.send(WEB, TELNET)
        assert [back.verdict for back in host.collect(2)] == [C.VERDICT_DROP, C.VERDICT_FORWARD]
        assert host.ask("configure", config={"tcp": [80], "udp": [], "observe": True})["ok"]
        host.send(WEB)
        assert [back.verdict for back in host.collect(1)] == [C.VERDICT_FORWARD]
        assert host.ask("request", name="hits", args=[])["value"] == {"tcp 23": 1, "tcp 80": 2}
        assert host.metrics()["blocked"].value == 3
        assert host.ask("request", name="reset", args=[])["value"] is True
        assert host.ask("request", name="hits", args=[])["value"] == {}


def test_arp_responder_refuses_and_announces() -> None:
    config = {"addresses": ["192.0.2.254"], "mac": "02:00:5e:00:53:01", "announce": False}
    with python("arp-responder", "responder") as host:
        assert host.init(config)["op"] == "ready", host.close()
        refused = host.ask("configure", config={**config, "addresses": ["192.0.2.999"]})
        assert not refused["ok"] and "192.0.2.999" in str(refused["errors"])
        host.send(bytes(WIRE / ARP(psrc="192.0.2.1", pdst="192.0.2.254")))
        [back] = host.collect(1)
        assert (back.verdict, back.arg) == (C.VERDICT_FORWARD, C.OUTPUT_BACK), "the old addresses stay"
        made = host.ask("request", name="announce", args=[])["value"]
        sent = host.collect(made)
        assert made == len(sent) > 0 and {each.arg for each in sent} == {C.OUTPUT_BACK}


@pytest.fixture
def meter(tmp_path: Path) -> Iterator[FakeForwarder]:
    framework = CFramework()
    folder = PACKAGES / "meter"
    artifact = tmp_path / framework.artifact_name("meter")
    subprocess.run(framework.build_command([folder / "meter.c"], folder, artifact, []), check=True)
    with FakeForwarder(framework.host_command(artifact, "meter"), name="meter") as host:
        assert host.init({})["op"] == "ready", host.close()
        yield host


def test_meter_measures_and_answers(meter: FakeForwarder) -> None:
    small, big = (bytes(WIRE / IP(src=f"10.0.0.{n}") / UDP() / bytes(size)) for n, size in ((1, 10), (2, 900)))
    meter.send(WEB, small, small, big, bytes(WIRE / ARP()))
    assert {back.verdict for back in meter.collect(5)} == {C.VERDICT_FORWARD}
    metrics = meter.metrics()
    counts = [metrics[name].value for name in ("tcp_packets", "udp_packets", "other_packets", "unlisted")]
    assert counts == [1, 3, 1, 0] and metrics["size"].count == 5
    top = meter.ask("request", name="top", args=[2])["value"]
    assert [(row["from"], row["packets"], row["bytes"]) for row in top] == [
        ("10.0.0.2", 1, len(big)), ("10.0.0.1", 2, 2 * len(small))]  # fmt: skip
    assert "expected 1 to 20" in meter.ask("request", name="top", args=[0])["error"]
    assert meter.ask("request", name="reset", args=[])["value"] is True
    assert meter.ask("request", name="top", args=[])["value"] == []
    assert isinstance(meter.ask("request", name="rate", args=[])["value"], (int, float))
