"""`coven upgrade`: what the agent makes of it; whoever is killed meanwhile leaves the old version or the new."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coven.keeper.client import Keeper
from tests.rigs.appliance import Appliance
from tests.rigs.keeper import wait_for

pytestmark = pytest.mark.root

FORWARDS = "from vnfc import config, forward, request\n@request(why='what it was told')\ndef told():\n" \
           "    return str(config)\ndef handle(packet):\n    return forward()\n"  # fmt: skip
#: seconds after an upgrade was asked for; under --long all of them
MOMENTS, FEWER = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8), (0.0, 0.1, 0.3, 0.6)


def version(folder: Path, number: str, config: str, more: str = "", name: str = "fw") -> Path:
    folder = folder / f"{name}-{number}"
    folder.mkdir()
    (folder / "vnf.yaml").write_text(
        f'name: {name}\nversion: "{number}"\nvnfcs: {{a: {{source: a.py, config: {config}}}}}\nchain: in -> a -> out\n'
    )
    (folder / "a.py").write_text(FORWARDS + more)
    return folder


def deployed(appliance: Appliance, package: Path) -> None:
    status, said = appliance.coven("deploy", str(package), "--name", "fw", "--in", "in0", "--out", "out0")
    assert status == 0, said


def vnf(appliance: Appliance) -> Any:
    return appliance.get("/v1/vnfs/fw")


def runs(appliance: Appliance) -> str:
    """The version that the keeper runs."""
    package = Keeper(appliance.state / "run" / "fw").call("ping")["package"]
    lines = (Path(package) / "vnf.yaml").read_text().splitlines()
    return next(line.split('"')[1] for line in lines if "version" in line)


def test_configuration_is_carried_over(appliance: Appliance, tmp_path: Path) -> None:
    one = version(tmp_path, "1", "{limit: 5, name: old, block: [1]}")
    two = version(tmp_path, "2", "{limit: 7, name: [x], more: 1}")
    deployed(appliance, one)
    appliance.ask("PATCH", "/v1/vnfs/fw/config", {"a": {"limit": 6, "name": "mine", "block": [1, 2]}})
    status, said = appliance.coven("upgrade", "fw", str(two), "--set", "a.more=2")
    assert status == 0, said
    assert "fw is fw:2 now" in said
    assert "config.a.name" in said and "config.a.block" in said and "config.a.limit" not in said
    config = {"a": {"limit": 6, "name": ["x"], "more": 2}}
    assert appliance.get("/v1/vnfs/fw/config") == config
    asked = appliance.ask("POST", "/v1/vnfs/fw/requests", {"vnfc": "a", "request": "told"})
    assert asked["value"] == str(config["a"])
    assert vnf(appliance)["package"] == "fw:2" and vnf(appliance)["operational_state"] == "STARTED"
    newest = appliance.get("/v1/operations?vnf=fw")["operations"][0]
    assert newest["operation"] == "UPGRADE" and newest["state"] == "COMPLETED"
    assert {each["field"] for each in newest["left_out"]} == {"config.a.name", "config.a.block"}
    # back again, to what the agent has; the values that the old version does not know are told
    status, said = appliance.coven("upgrade", "fw", "fw:1")
    assert status == 0 and "config.a.more" in said, said
    assert appliance.get("/v1/vnfs/fw/config") == {"a": {"limit": 6, "name": "old", "block": [1]}}
    assert runs(appliance) == "1"
    # healed, it is the version that it became
    os.kill(appliance.keeper() or 0, signal.SIGKILL)
    assert appliance.healed()["state"] == "COMPLETED"
    assert runs(appliance) == "1" and vnf(appliance)["operational_state"] == "STARTED"


def test_what_is_refused_changes_nothing(appliance: Appliance, tmp_path: Path) -> None:
    deployed(appliance, version(tmp_path, "1", "{}"))
    before = vnf(appliance)
    for folder, words in (
        (version(tmp_path, "1", "{}", name="other"), "another version of fw"),
        (version(tmp_path, "3", "{}", "raise RuntimeError('no')\n"), "RuntimeError: no"),
        (version(tmp_path, "4", "{}", "def (\n"), "a.py:7"),
    ):
        status, said = appliance.coven("upgrade", "fw", str(folder))
        assert status == 1 and words in said, said
        assert vnf(appliance) == before
    packages = [row["id"] for row in appliance.get("/v1/packages")["packages"]]
    assert packages == ["fw:1"], "what was pushed for nothing is removed"
    status, said = appliance.coven("upgrade", "fw", "fw:1")
    assert status == 1 and "fw is fw:1 already" in said
    status, said = appliance.coven("upgrade", "fw", "fw:9")
    assert status == 1 and "fw:9" in said and "coven list" in said
    for body, fields in (({}, ["package"]), ({"package": "fw:1", "ports": 3, "what": 1}, ["ports", "what"])):
        code = f"import json\nfrom coven.cli.client import Client, find\nfrom itf.mistakes import Refused\n" \
               f"try: Client(find('{appliance.state}')).ask('POST', '/v1/vnfs/fw/upgrade', {body!r})\n" \
               "except Refused as r: print(json.dumps([m.field for m in r.mistakes]))"  # fmt: skip
        said = subprocess.run(appliance.inside("-c", code), capture_output=True, text=True).stdout
        assert sorted(json.loads(said)) == fields


def test_deploy_upgrade_and_not_instantiated(appliance: Appliance, tmp_path: Path) -> None:
    one, two = version(tmp_path, "1", "{}"), version(tmp_path, "2", "{}")
    bind = ("--in", "in0", "--out", "out0")
    for folder in (one, two):
        status, said = appliance.coven("deploy", str(folder), "--upgrade", *bind)
        assert status == 0, said
    assert vnf(appliance)["package"] == "fw:2" and runs(appliance) == "2"
    assert appliance.coven("terminate", "fw")[0] == 0
    assert appliance.coven("upgrade", "fw", "fw:1")[0] == 0
    assert vnf(appliance)["instantiation_state"] == "NOT_INSTANTIATED" and vnf(appliance)["package"] == "fw:1"
    assert appliance.coven("instantiate", "fw", *bind, "--start")[0] == 0
    assert runs(appliance) == "1"


@pytest.mark.parametrize("victim", ["keeper", "agent"])
def test_killed_at_any_step_it_is_the_old_or_the_new(
    appliance: Appliance, tmp_path: Path, victim: str, long_run: bool
) -> None:
    for number in ("1", "2"):
        assert appliance.coven("push", str(version(tmp_path, number, "{}")))[0] == 0
    appliance.ask("POST", "/v1/vnfs", {"name": "fw", "package": "fw:1"})
    assert appliance.coven("instantiate", "fw", "--in", "in0", "--out", "out0", "--start")[0] == 0
    for moment in MOMENTS if long_run else FEWER:
        old, wanted = ("fw:1", "fw:2") if vnf(appliance)["package"] == "fw:1" else ("fw:2", "fw:1")
        keeper = appliance.keeper()
        assert keeper is not None and appliance.agent is not None
        operation = appliance.ask("POST", "/v1/vnfs/fw/upgrade", {"package": wanted})
        time.sleep(moment)
        if victim == "keeper":
            os.kill(keeper, signal.SIGKILL)
        else:
            appliance.agent.kill()
            appliance.agent.wait()
            appliance.serve()
        ended = appliance.get(f"/v1/operations/{operation['id']}?wait=20")
        assert ended["state"] in ("COMPLETED", "ROLLED_BACK"), ended
        gone = {None, keeper if victim == "keeper" else None}  # the agent finds a little later that it has died
        wait_for(lambda: appliance.keeper() not in gone and vnf(appliance)["operation"] is None)  # noqa: B023
        found = vnf(appliance)
        assert found["package"] == (wanted if ended["state"] == "COMPLETED" else old)
        assert f"fw:{runs(appliance)}" == found["package"]
        assert found["operational_state"] == "STARTED" and appliance.get("/v1/vnfs/fw/stats")["unaccounted"] == 0


def test_terminated_meanwhile(appliance: Appliance, tmp_path: Path) -> None:
    deployed(appliance, version(tmp_path, "1", "{}"))
    slow = version(tmp_path, "2", "{}", "import time\ntime.sleep(8)\n")
    told: list[Any] = []
    thread = threading.Thread(target=lambda: told.append(appliance.coven("upgrade", "fw", str(slow))))
    thread.start()
    wait_for(lambda: vnf(appliance)["operation"])
    status, said = appliance.coven("terminate", "fw")
    assert status == 0, said
    thread.join()
    assert told[0][0] == 1 and "a termination was asked for meanwhile" in told[0][1]
    assert vnf(appliance)["instantiation_state"] == "NOT_INSTANTIATED" and vnf(appliance)["ports"] == {}


def test_a_package_that_a_process_still_runs_from_stays(appliance: Appliance, tmp_path: Path) -> None:
    deployed(appliance, version(tmp_path, "1", "{}"))
    status, said = appliance.coven("upgrade", "fw", str(version(tmp_path, "2", "{}")))
    assert status == 0 and runs(appliance) == "2", said
    status, said = appliance.coven("delete", "--package", "fw:1")
    assert status == 1 and "run on from fw:1" in said, said
    pid = appliance.get("/v1/vnfs/fw/stats")["vnfcs"]["a"]["pid"]
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: appliance.get("/v1/vnfs/fw/stats")["vnfcs"]["a"]["pid"] not in (pid, None))
    status, said = appliance.coven("delete", "--package", "fw:1")
    assert status == 0, "its new process is of the new version: " + said


@pytest.mark.long
def test_a_keeper_that_freezes_meanwhile(appliance: Appliance, tmp_path: Path) -> None:
    deployed(appliance, version(tmp_path, "1", "{}"))
    two = version(tmp_path, "2", "{}", "# differs\n")
    assert appliance.coven("push", str(two))[0] == 0
    for moment in (0.0, 0.3, 0.6):
        keeper = appliance.keeper()
        assert keeper is not None
        old, wanted = ("fw:1", "fw:2") if vnf(appliance)["package"] == "fw:1" else ("fw:2", "fw:1")
        operation = appliance.ask("POST", "/v1/vnfs/fw/upgrade", {"package": wanted})
        time.sleep(moment)
        os.kill(keeper, signal.SIGSTOP)
        wait_for(lambda: appliance.get(f"/v1/operations/{operation['id']}")["state"] != "PROCESSING", 150)  # noqa: B023
        ended = appliance.get(f"/v1/operations/{operation['id']}")
        assert ended["state"] in ("COMPLETED", "ROLLED_BACK"), ended
        wait_for(lambda: vnf(appliance)["operation"] is None and appliance.keeper() not in (None, keeper), 150)  # noqa: B023
        found = vnf(appliance)
        assert found["package"] == (wanted if ended["state"] == "COMPLETED" else old)
        assert f"fw:{runs(appliance)}" == found["package"]
        assert found["operational_state"] == "STARTED" and appliance.get("/v1/vnfs/fw/stats")["unaccounted"] == 0


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Appliance]:
    """One whose state has 32 MB."""
    state = tmp_path / "state"
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(state)], check=True)
    try:
        made = Appliance(state)
        try:
            made.serve()
            yield made
        finally:
            made.clean()
    finally:
        subprocess.run(["umount", "--lazy", str(state)], check=True)


def test_a_full_disk_changes_nothing(small: Appliance, tmp_path: Path) -> None:
    appliance = small
    deployed(appliance, version(tmp_path, "1", "{}"))
    assert appliance.coven("push", str(version(tmp_path, "2", "{}", "# differs\n")))[0] == 0
    full = appliance.state / "full"
    with full.open("wb") as filler:
        try:
            while True:
                filler.write(bytes(65536))
                filler.flush()
        except OSError as problem:
            assert problem.errno == errno.ENOSPC
    said = appliance.coven("upgrade", "fw", "fw:2")
    assert said[0] == 1 and "space" in said[1], said
    assert runs(appliance) == "1" and vnf(appliance)["package"] == "fw:1"
    full.unlink()
    status, told = appliance.coven("upgrade", "fw", "fw:2")
    assert status == 0 and runs(appliance) == "2", told
