"""The agent with real keepers, on veth pairs in a network namespace of the test's own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from coven.agent.keepers.processes import PLAN
from tests.rigs.appliance import PACKAGE, Appliance
from tests.rigs.keeper import wait_for
from tests.rigs.packages import package

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes a network namespace: needs root")


def test_deployed_adopted_healed_ended(appliance: Appliance) -> None:
    bound = ("--in", "in0", "--out", "out0", "--latency", "low")
    assert appliance.coven("deploy", str(PACKAGE), "--name", "fw", *bound)[0] == 0
    status, text = appliance.coven("status", "--json")
    figures = json.loads(text)
    assert status == 0 and figures["operational_state"] == "STARTED" and figures["unaccounted"] == 0
    pid = appliance.keeper()
    assert pid is not None and appliance.agent is not None
    appliance.agent.kill()
    appliance.agent.wait()
    appliance.serve()
    assert appliance.keeper() == pid
    assert json.loads(appliance.coven("status", "--json")[1])["state"] == "STARTED"
    os.kill(pid, signal.SIGKILL)
    assert appliance.healed()["state"] == "COMPLETED"
    assert json.loads(appliance.coven("status", "--json")[1])["state"] == "STARTED"
    assert json.loads((appliance.state / "run" / "fw" / PLAN).read_text())["latency"] == "low"
    # both die, and the runtime folder's journal is all that is left
    pid = appliance.keeper()
    assert pid is not None
    appliance.agent.kill()
    appliance.agent.wait()
    os.kill(pid, signal.SIGKILL)
    appliance.serve()
    assert appliance.healed()["state"] == "COMPLETED"
    assert appliance.coven("terminate") == (0, "fw is NOT_INSTANTIATED\n")
    assert not (appliance.state / "run" / "fw").exists()

    def bare() -> bool:
        """The kernel ends links of a process that has ended a little later."""
        links = ["ip", "-n", appliance.space, "-j", "link"]
        return "xdp" not in subprocess.run(links, capture_output=True, text=True, check=True).stdout

    wait_for(bare)


def test_refusals_come_from_the_keeper_with_their_place(appliance: Appliance, tmp_path: Path) -> None:
    status, text = appliance.coven("deploy", str(PACKAGE), "--in", "none0", "--out", "out0")
    assert status == 1 and "none0" in text
    package = tmp_path / "wrong"
    package.mkdir()
    (package / "vnf.yaml").write_text(
        'name: wrong\nversion: "1"\nvnfcs: {a: {source: a.c}}\nchain: in -> a -> out\n'
    )
    (package / "a.c").write_text("#include <coven/vnfc.h>\nVNFC_HANDLE { return nonsense; }\n")
    status, text = appliance.coven("deploy", str(package), "--in", "in0", "--out", "out0")
    assert status == 1 and "a.c:2" in text and "nonsense" in text
    assert appliance.coven("list")[1] == "no VNF\n\nno package\n"


def test_a_termination_cuts_short_what_brings_a_vnf_up(appliance: Appliance, tmp_path: Path) -> None:
    text = "vnfcs: {slow: {source: slow.py}}\nchain: in -> slow -> out\n"
    source = package(tmp_path / "p", text, slow_py="import time\ntime.sleep(600)\ndef handle(packet): ...\n")
    status, said = appliance.coven("push", str(source), "--json")
    assert status == 0, said
    appliance.ask("POST", "/v1/vnfs", {"name": "fw", "package": json.loads(said)["id"]})
    ports = {"in": {"interface": "in0"}, "out": {"interface": "out0"}}
    rising = appliance.ask("POST", "/v1/vnfs/fw/instantiate", {"ports": ports})
    wait_for(appliance.keeper)
    ending = appliance.ask("POST", "/v1/vnfs/fw/terminate")
    assert appliance.get(f"/v1/operations/{ending['id']}?wait=20")["state"] == "COMPLETED"
    rising = appliance.get(f"/v1/operations/{rising['id']}")
    assert rising["state"] == "ROLLED_BACK"
    assert [error["found"] for error in rising["errors"]] == ["a termination was asked for meanwhile"]
    assert appliance.get("/v1/vnfs/fw")["instantiation_state"] == "NOT_INSTANTIATED"
    assert appliance.keeper() is None and not (appliance.state / "run" / "fw").exists()
    assert "NOT_INSTANTIATED" in appliance.coven("terminate", "fw")[1], "as before, nothing to end"
