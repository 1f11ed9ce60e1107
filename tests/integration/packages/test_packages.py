"""The example packages: their own test cases, and what their VNFCs answer to operators."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether

from itf.segment import C
from pps.c.framework import CFramework
from pps.python.framework import PythonFramework
from tests.rigs.fake_forwarder import FakeForwarder

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = ROOT / "packages"
FIREWALL = PACKAGES / "l7-firewall"
CONFIG = {"rules": ["first", "hello", "reply", "login", "probe", "echo"], "ports": [80, 443],
          "https_ports": [443]}  # fmt: skip
WIRE = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(src="192.0.2.1", dst="192.0.2.2")
LOGIN = bytes(WIRE / TCP(sport=40000, dport=443, flags="PA") / bytes.fromhex("1603010000"))
FIRST_PROBE = bytes(WIRE / UDP(sport=33033, dport=9998) / (b"\x56\x78\x02" + bytes(15)))
PROBE = bytes(WIRE / UDP(sport=33033, dport=9999) / (b"\x12\x34\x02" + bytes(15)))
WEB = bytes(WIRE / TCP(sport=40001, dport=80, flags="PA") / b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n")


@pytest.mark.parametrize("package", sorted(each.name for each in PACKAGES.iterdir() if each.is_dir()))
def test_cases_of(package: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "coven", "test", str(PACKAGES / package)],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def analyzer() -> Iterator[FakeForwarder]:
    command = PythonFramework().host_command(FIREWALL / "analyzer.py", "analyzer")
    with FakeForwarder(command, name="analyzer") as host:
        ready = host.init(CONFIG)
        assert ready["op"] == "ready", host.close()
        assert {each["name"] for each in ready["requests"]} == {"hits", "suspects", "rules", "reset"}
        yield host


def marks(host: FakeForwarder, *packets: bytes) -> list[int]:
    """What the analyzer wrote into the contexts; it forwards everything."""
    host.send(*packets)
    back = host.collect(len(packets))
    assert {each.verdict for each in back} == {C.VERDICT_FORWARD}
    return [each.context[0] for each in back]


def test_analyzer_tells_what_it_found(analyzer: FakeForwarder) -> None:
    assert marks(analyzer, WEB, LOGIN, FIRST_PROBE, PROBE, WEB) == [0, 4, 0, 5, 0]
    hits = analyzer.ask("request", name="hits", args=[])["value"]
    assert hits == {"first": 0, "hello": 0, "reply": 0, "login": 1, "probe": 1, "echo": 0}
    [suspect] = analyzer.ask("request", name="suspects", args=[1])["value"]
    assert (suspect["rule"], suspect["from"], suspect["to"]) == (
        "probe", "192.0.2.1 port 33033", "192.0.2.2 port 9999")  # fmt: skip
    assert "expected 1 to 20" in analyzer.ask("request", name="suspects", args=[0])["error"]
    assert analyzer.metrics()["found_login"].value == 1
    assert analyzer.metrics()["dissected"].value == 3
    assert analyzer.ask("request", name="reset", args=[])["value"] == 2
    assert analyzer.ask("request", name="suspects", args=[])["value"] == []
    assert analyzer.metrics()["found_login"].value == 1, "counters never go back"


def test_analyzer_takes_up_another_configuration(analyzer: FakeForwarder) -> None:
    refused = analyzer.ask("configure", config={**CONFIG, "rules": ["sype"]})
    assert not refused["ok"] and "sype" in str(refused["errors"])
    assert marks(analyzer, LOGIN) == [4], "the old configuration stays"
    assert analyzer.ask("configure", config={**CONFIG, "rules": ["probe"]})["ok"]
    assert marks(analyzer, LOGIN, FIRST_PROBE, PROBE) == [0, 0, 5]
    assert analyzer.ask("configure", config={**CONFIG, "rules": [], "ports": []})["ok"]
    assert marks(analyzer, LOGIN, PROBE) == [0, 0]
    rules = analyzer.ask("request", name="rules", args=[])["value"]
    assert not any(rule["enabled"] for rule in rules.values())


@pytest.fixture(scope="module")
def built_filter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    framework = CFramework()
    artifact = tmp_path_factory.mktemp("filter") / framework.artifact_name("filter")
    command = framework.build_command([FIREWALL / "filter.c"], FIREWALL, artifact, [])
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "warning" not in done.stderr, done.stderr
    return artifact


def test_filter(built_filter: Path) -> None:
    with FakeForwarder(CFramework().host_command(built_filter, "filter"), name="filter") as host:
        assert host.init({"observe": False})["op"] == "ready", host.close()
        [marked] = [number for number, name in host.reasons().items() if name == "marked"]

        def verdict(rule: int) -> tuple[int, int]:
            host.send(WEB, context=bytes([rule]))
            [back] = host.collect(1)
            return back.verdict, back.arg

        assert verdict(0) == (C.VERDICT_FORWARD, 0)
        assert verdict(4) == verdict(5) == (C.VERDICT_DROP, marked)
        assert host.ask("configure", config={"observe": True})["ok"]
        assert verdict(4) == (C.VERDICT_FORWARD, 0)
        hits = [host.ask("request", name="hits", args=args)["value"] for args in ([], [4], [6])]
        assert hits == [3, 2, 0]
        assert "expected 0 to 255" in host.ask("request", name="hits", args=[256])["error"]
        assert host.metrics()["marked_packets"].value == 3
        assert host.metrics()["marked_bytes"].value == 3 * len(WEB)
        assert host.ask("request", name="reset", args=[])["value"] is True
        assert host.ask("request", name="hits", args=[])["value"] == 0
        assert host.end() == 0
