"""The agent with real keepers, on veth pairs in a network namespace of the test's own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coven.agent.keepers import PLAN
from coven.keeper.client import find_process
from tests.rigs.agent import ROOT
from tests.rigs.keeper import wait_for
from tests.rigs.packages import package

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes a network namespace: needs root")
PACKAGE = ROOT / "packages" / "forward" / "c.yaml"

_ASK = """
import json, sys
from coven.cli.client import Client, find
print(json.dumps(Client(find(sys.argv[1])).ask(sys.argv[2], sys.argv[3], json.loads(sys.argv[4]))))
"""


class Appliance:
    """A namespace with the interfaces `in0` and `out0`, and an agent in it."""

    def __init__(self, state: Path):
        self.state = state
        self.space = f"coven-agent-{os.getpid()}"
        self.agent: subprocess.Popen[str] | None = None
        subprocess.run(["ip", "netns", "add", self.space], check=True)
        for command in (
            "link set lo up",
            "link add in0 type veth peer name in1", "link add out0 type veth peer name out1",
            "link set in0 up", "link set in1 up", "link set out0 up", "link set out1 up",
        ):  # fmt: skip
            subprocess.run(["ip", "-n", self.space, *command.split()], check=True)

    def inside(self, *words: str) -> list[str]:
        return ["ip", "netns", "exec", self.space, sys.executable, *words]

    def coven(self, *words: str) -> tuple[int, str]:
        done = subprocess.run(
            self.inside("-m", "coven", *words), cwd=ROOT, capture_output=True, text=True, timeout=120,
            env={**os.environ, "COVEN_STATE": str(self.state)},
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def get(self, path: str) -> Any:
        return self.ask("GET", path)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        done = subprocess.run(
            self.inside("-c", _ASK, str(self.state), method, path, json.dumps(body)),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def serve(self, *options: str) -> None:
        listen = ("--listen", "127.0.0.1:0", *options)
        self.agent = subprocess.Popen(
            self.inside("-m", "coven", "serve", "--state", str(self.state), *listen),
            cwd=ROOT, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.agent.stdout is not None
        assert "serving http" in self.agent.stdout.readline()

    def healed(self) -> dict[str, Any]:
        """The newest HEAL, when it is over."""
        while True:
            for operation in self.get("/v1/operations")["operations"]:
                if operation["operation"] == "HEAL":
                    ended: dict[str, Any] = self.get(f"/v1/operations/{operation['id']}?wait=20")
                    return ended

    def keeper(self) -> int | None:
        return find_process(self.state / "run" / "fw")

    def clean(self) -> None:
        if self.agent is not None and self.agent.poll() is None:
            self.agent.kill()
            self.agent.wait()
        if (pid := self.keeper()) is not None:
            fd = os.pidfd_open(pid)
            signal.pidfd_send_signal(fd, signal.SIGKILL)
            os.close(fd)
        subprocess.run(["ip", "netns", "del", self.space], check=True)


@pytest.fixture
def appliance(tmp_path: Path) -> Iterator[Appliance]:
    appliance = Appliance(tmp_path / "state")
    try:
        appliance.serve()
        yield appliance
    finally:
        appliance.clean()


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
    links = subprocess.run(
        ["ip", "-n", appliance.space, "-j", "link"], capture_output=True, text=True, check=True
    ).stdout
    assert not [link for link in json.loads(links) if "xdp" in link]


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
