"""The agent is killed in the middle of a change while packets pass: then everybody has the old or the new, and the next
agent knows which."""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.rigs.appliance import Appliance
from tests.rigs.packages import package
from tests.rigs.spaces import within

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes a network namespace: needs root")

#: it takes its time over a configuration, and refuses numbers below 0
SLOW = """
import time
from vnfc import forward, request
value = None
def configure(config):
    global value
    if value is not None:
        time.sleep(config["seconds"])
    if config["value"] < 0:
        raise ValueError("below 0")
    value = config["value"]
@request
def in_force():
    return value
def handle(packet):
    return forward()
"""
DESCRIPTOR = """
vnfcs:
  quick: {source: slow.py, config: {value: 0, seconds: 0.0}}
  slow: {source: slow.py, config: {value: 0, seconds: 2.0}}
chain: in -> quick -> slow -> out
"""
#: seconds after the request, which takes 2 s: before it comes, when one has taken it up (the next agent is there before
#: the other has), when both have
MOMENTS = 0.0, 0.1, 0.5, 1.9, 2.2


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Appliance]:
    appliance = Appliance(tmp_path / "state")
    try:
        appliance.serve()
        source = package(tmp_path / "p", DESCRIPTOR, slow_py=SLOW)
        assert appliance.coven("deploy", str(source), "--name", "fw", "--in", "in0", "--out", "out0")[0] == 0
        yield appliance
    finally:
        appliance.clean()


def killed_meanwhile(appliance: Appliance, moment: float, method: str, path: str, body: Any) -> None:
    where = urlsplit(json.loads((appliance.state / "run" / "agent.json").read_text())["url"])
    token = (appliance.state / "token").read_text().strip()
    asking = http.client.HTTPConnection("127.0.0.1", where.port)
    with within(appliance.space):
        asking.connect()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    asking.request(method, path, json.dumps(body), headers)
    time.sleep(moment)
    assert appliance.agent is not None
    appliance.agent.kill()
    appliance.agent.wait()
    asking.close()
    appliance.serve()


def in_force(appliance: Appliance) -> dict[str, int]:
    """What each VNFC goes by."""
    asked = {"quick": {"vnfc": "quick", "request": "in_force"}, "slow": {"vnfc": "slow", "request": "in_force"}}
    return {name: appliance.ask("POST", "/v1/vnfs/fw/requests", body)["value"] for name, body in asked.items()}


def written_down(appliance: Appliance) -> dict[str, int]:
    return {name: config["value"] for name, config in appliance.get("/v1/vnfs/fw/config").items()}


@pytest.mark.parametrize("refused", [False, True])
def test_a_patch_of_vnfconfig(running: Appliance, refused: bool, long_run: bool) -> None:
    value = 0
    for number, moment in enumerate(MOMENTS if long_run or not refused else MOMENTS[::2], 1):
        values = {"quick": number, "slow": -1 if refused else number}
        change = {name: {"value": each} for name, each in values.items()}
        body = {"vnfConfigurationData": {"vnfSpecificData": change}}
        killed_meanwhile(running, moment, "PATCH", "/vnfconfig/v1/configuration", body)
        found = written_down(running)
        assert found in ({"quick": value, "slow": value}, values), (moment, found)
        assert not refused or found == {"quick": value, "slow": value}
        assert in_force(running) == found, moment
        value = found["slow"]
    assert running.get("/v1/vnfs/fw/stats")["unaccounted"] == 0
    # whoever comes after the keeper's death has what was written down
    pid = running.keeper()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert running.healed()["state"] == "COMPLETED"
    assert in_force(running) == written_down(running) == {"quick": value, "slow": value}
