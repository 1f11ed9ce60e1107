"""Deployments in a row leave nothing behind: no process, descriptor, memory object, XDP link or group."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.rigs.agent import ROOT
from tests.rigs.appliance import Appliance
from tests.rigs.keeper import wait_for

pytestmark = pytest.mark.root
DEPLOYMENTS, DEPLOYMENTS_LONG = 6, 200

# One process for all calls: starting a CLI for each would take longer than what it asks for.
_LOOP = """
import sys, time
from pathlib import Path
from coven.cli.client import Client, find
state, folder, count = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
client = Client(find(state))
def call(method, path, body=None):
    return client.ask(method, path, body)
def act(name, action, body=None):
    operation = call("POST", f"/v1/vnfs/{name}/{action}", body or {})
    ended = call("GET", f"/v1/operations/{operation['id']}?wait=20")
    assert ended["state"] == "COMPLETED", ended
ports = {"in": {"interface": "in0"}, "out": {"interface": "out0"}}
for n in range(count):
    name = f"fw{n}"
    call("POST", "/v1/vnfs", {"name": name, "package": "forward-c-c:1.0.0"})
    act(name, "instantiate", {"ports": ports})
    act(name, "start")
    figures = call("GET", f"/v1/vnfs/{name}/stats")
    assert figures["unaccounted"] == 0, figures
    if n % 2:
        act(name, "stop")
    act(name, "terminate")
    call("DELETE", f"/v1/vnfs/{name}")
print("done", count)
"""


def groups() -> set[str]:
    return {str(path) for path in Path("/sys/fs/cgroup").glob("*/coven*/*")}


def traces(appliance: Appliance) -> dict[str, Any]:
    """Whatever a deployment could leave: compared before and after."""
    assert appliance.agent is not None
    agent = Path(f"/proc/{appliance.agent.pid}")
    links = json.loads(subprocess.run(
        ["ip", "-n", appliance.space, "-j", "-d", "link"], capture_output=True, text=True, check=True
    ).stdout)  # fmt: skip
    pids = subprocess.run(
        ["ip", "netns", "pids", appliance.space], capture_output=True, text=True, check=True
    ).stdout.split()
    descriptors = [os.readlink(fd) for fd in (agent / "fd").iterdir() if fd.exists()]
    return {
        "processes": len(pids),
        "memory objects": sum("memfd" in target for target in descriptors),
        "descriptors": len(descriptors),
        "xdp": [link["ifname"] for link in links if "xdp" in link],
        "promiscuous": [link["ifname"] for link in links if link.get("promiscuity")],
        "groups": groups(),
        "runtime": sorted(path.name for path in (appliance.state / "run").iterdir() if path.name.startswith("fw")),
    }


def test_nothing_is_left(appliance: Appliance, long_run: bool) -> None:
    count = DEPLOYMENTS_LONG if long_run else DEPLOYMENTS
    package = ROOT / "packages" / "forward" / "c-c.yaml"
    assert appliance.coven("push", str(package))[0] == 0

    def deploy(times: int) -> None:
        done = subprocess.run(
            appliance.inside("-c", _LOOP, str(appliance.state), str(package), str(times)),
            cwd=ROOT, capture_output=True, text=True, timeout=300 + 20 * times,
        )  # fmt: skip
        assert done.returncode == 0 and f"done {times}" in done.stdout, done.stderr

    deploy(1)  # what the agent opens once and keeps
    before = traces(appliance)
    deploy(count)
    descriptors = before.pop("descriptors")

    def as_before() -> bool:
        """The kernel ends processes and links a little later."""
        after = traces(appliance)
        print(after)
        # a worker thread of the agent may have its database connection opened only now
        return after.pop("descriptors") <= descriptors + 8 and after == before

    wait_for(as_before)
    assert before["xdp"] == [] and before["runtime"] == []
