"""The package's own script configures a VNF that passes packets, through the agent's real vnfconfig."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

import coven.package.csar.scripts.configure as script
from tests.rigs.appliance import Appliance
from tests.rigs.keeper import wait_for
from tests.rigs.packages import package

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes a network namespace: needs root")

FILTER = """
from vnfc import forward, drop, reason
blocked = reason("blocked", "its port is blocked")
block = []
def configure(config):
    global block
    if 0 in config["block"]:
        raise ValueError("there is no port 0")
    block = config["block"]
def handle(packet):
    return drop(blocked) if packet.udp and packet.udp.dport in block else forward()
"""
DESCRIPTOR = """
vnfcs:
  first: {source: filter.py, config: {block: [1]}}
  second: {source: filter.py, config: {block: [2]}}
chain: in -> first -> second -> out
"""
#: a frame to each port, in at one end
_SEND = """
import socket, sys
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(("in1", 0))
for port in map(int, sys.argv[1:]):
    frame = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(src="192.0.2.1", dst="192.0.2.2")
    out.send(bytes(frame / UDP(dport=port)))
"""


def blocked(appliance: Appliance, *ports: int) -> tuple[int, int]:
    """How many of these frames each of the two blocks."""

    def figures() -> tuple[int, int, int]:
        stats = appliance.get("/v1/vnfs/fw/stats")
        assert stats["unaccounted"] == 0
        first, second = (stats["vnfcs"][name]["dropped"].get("blocked", 0) for name in ("first", "second"))
        return first, second, first + second + stats["ports"]["out"]["sent"]

    before = figures()
    subprocess.run(appliance.inside("-c", _SEND, *map(str, ports)), check=True)
    wait_for(lambda: figures()[2] >= before[2] + len(ports))
    after = figures()
    return after[0] - before[0], after[1] - before[1]


def configured(appliance: Appliance, configuration: Any) -> tuple[int, str]:
    """What a VNFM does with the package's script."""
    address = json.loads((appliance.state / "run" / "agent.json").read_text())
    token = (appliance.state / "token").read_text().strip()
    parameters = {"agent": address["url"], "token": token, "configuration": configuration}
    done = subprocess.run(
        appliance.inside(str(script.__file__)), input=json.dumps({"additionalParams": parameters}),
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    return done.returncode, done.stderr


def test_the_script_of_packages_configures_a_chain_that_passes_packets(appliance: Appliance, tmp_path: Path) -> None:
    source = package(tmp_path / "p", DESCRIPTOR, filter_py=FILTER)
    assert appliance.coven("deploy", str(source), "--name", "fw", "--in", "in0", "--out", "out0")[0] == 0
    assert blocked(appliance, 1, 2, 3, 4) == (1, 1)
    assert configured(appliance, {"first": {"block": [3]}, "second": {"block": [4, 2]}}) == (0, "")
    assert blocked(appliance, 1, 2, 3, 4) == (1, 2)
    # one refuses: the other has its old configuration back, and says so
    status, said = configured(appliance, {"first": {"block": [1, 2, 3, 4]}, "second": {"block": [0]}})
    assert status == 1 and "no port 0" in said
    assert blocked(appliance, 1, 2, 3, 4) == (1, 2)
    shown = appliance.get("/vnfconfig/v1/configuration")
    assert shown["vnfConfigurationData"]["vnfSpecificData"] == {"first": {"block": [3]}, "second": {"block": [4, 2]}}
    points = {each["cpId"]: each for each in shown["vnfConfigurationData"]["extCpConfig"]}
    assert list(points) == ["in", "out"] and points["in"]["cpdId"] == "in_ext"
    assert points["in"]["addresses"][0]["address"]["macAddress"].count(":") == 5
    # what is there may be said again, what is not there cannot be had
    again = {"vnfConfigurationData": {"extCpConfig": [points["in"]]}}
    assert appliance.ask("PATCH", "/vnfconfig/v1/configuration", again) == again
    figures = {each["id"]: each["value"]["value"] for each in appliance.get("/vnfind/v1/indicators")}
    assert figures["received"] >= 12 and figures["dropped"] == 8
    assert figures["unaccounted"] == figures["vnfcs_down"] == 0
    assert appliance.coven("terminate")[0] == 0
