"""Instantiate, alarm and rebind a chain that passes packets, as a VNFM does: vnflcm and vnffm over a real keeper."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.rigs.appliance import PACKAGE, Appliance
from tests.rigs.keeper import wait_for
from tests.rigs.packages import package

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes a network namespace: needs root")

INSTANCES = "/vnflcm/v2/vnf_instances"


def ip(appliance: Appliance, *words: str) -> None:
    subprocess.run(["ip", "-n", appliance.space, *words], check=True)


def over(appliance: Appliance, operation: str) -> Any:
    """The newest occurrence of an operation when it is over or rests."""

    def found() -> Any:
        shown = appliance.get(f"/vnflcm/v2/vnf_lcm_op_occs?all_fields&filter=(eq,operation,{operation})")
        newest = max(shown, key=lambda each: each["startTime"], default=None)
        return newest if newest and newest["operationState"] not in ("STARTING", "PROCESSING") else None

    return wait_for(found)


def standing(appliance: Appliance) -> set[tuple[str, str]]:
    found = appliance.get("/vnffm/v1/alarms?filter=(neq,perceivedSeverity,CLEARED)")
    return {(each["faultType"], each["rootCauseFaultyResource"]["faultyResource"]["resourceId"]) for each in found}


def upgraded(appliance: Appliance, path: str, folder: Path) -> None:
    """Another version that does not come up, and rests; then one that does."""
    for version, source in (("8", "import nothing_such\n"), ("9", "def handle(packet):\n    return forward()\n")):
        made = package(folder / version, "vnfcs: {f: {source: f.py}}\nchain: in -> f -> out\n",
                       f_py=f"from vnfc import forward\n{source}")  # fmt: skip
        text = (made / "vnf.yaml").read_text().replace("tested", "forward-c").replace('"1"', f'"{version}"')
        (made / "vnf.yaml").write_text(text)
        status, told = appliance.coven("push", str(made))
        assert status == 0, told
    known = {each["version"]: each["vnfd_id"] for each in appliance.get("/v1/packages")["packages"]}
    appliance.ask("POST", f"{path}/change_vnfpkg", {"vnfdId": known["8"]})
    failed = over(appliance, "CHANGE_VNFPKG")
    assert failed["operationState"] == "FAILED_TEMP" and "nothing_such" in str(failed["error"]), failed
    appliance.ask("POST", f"/vnflcm/v2/vnf_lcm_op_occs/{failed['id']}/retry")
    assert wait_for(lambda: over(appliance, "CHANGE_VNFPKG")["stateEnteredTime"] > failed["stateEnteredTime"])
    assert over(appliance, "CHANGE_VNFPKG")["operationState"] == "FAILED_TEMP"
    appliance.ask("POST", f"/vnflcm/v2/vnf_lcm_op_occs/{failed['id']}/fail")
    assert appliance.get(path)["vnfdId"] not in (known["8"], known["9"])
    appliance.ask("POST", f"{path}/change_vnfpkg", {"vnfdId": known["9"]})
    assert wait_for(lambda: over(appliance, "CHANGE_VNFPKG")["operationState"] == "COMPLETED")
    assert appliance.get(path)["vnfdId"] == known["9"]


def test_a_vnfm_runs_a_vnf(appliance: Appliance, tmp_path: Path) -> None:
    file = tmp_path / "forward.csar"
    assert appliance.coven("pack", str(PACKAGE), "-o", str(file))[0] == 0
    status, told = appliance.coven("push", str(file))
    assert status == 0, told
    [pushed] = appliance.get("/v1/packages")["packages"]
    made = appliance.ask("POST", INSTANCES, {"vnfdId": pushed["vnfd_id"], "vnfInstanceName": "fw"})
    path = f"{INSTANCES}/{made['id']}"
    mac = subprocess.run(["ip", "-n", appliance.space, "-br", "link", "show", "out0"], capture_output=True, text=True,
                         check=True).stdout.split()[2]  # fmt: skip
    point = {"layerProtocol": "IP_OVER_ETHERNET", "ipOverEthernet": {"macAddress": mac}}
    appliance.ask("POST", f"{path}/instantiate", {"flavourId": "default", "extVirtualLinks": [
        {"id": "a", "resourceId": "left", "extCps": [{"cpdId": "in_ext", "cpConfig": {"1": {"linkPortId": "p"}}}],
         "extLinkPorts": [{"id": "p", "resourceHandle": {"resourceId": "in0"}}]},
        {"id": "b", "resourceId": "right", "extCps": [{"cpdId": "out_ext", "cpConfig": {"1": {
            "cpProtocolData": [point]}}}]}]})  # fmt: skip
    assert over(appliance, "INSTANTIATE")["operationState"] == "COMPLETED"
    points = {each["id"]: each for each in appliance.get(path)["instantiatedVnfInfo"]["extCpInfo"]}
    assert points["out"]["cpProtocolInfo"][0]["ipOverEthernet"]["macAddress"] == mac
    assert standing(appliance) == set()
    ip(appliance, "link", "set", "out1", "down")
    wait_for(lambda: standing(appliance) == {("port_down", "fw/out")})
    ip(appliance, "link", "set", "out1", "up")
    wait_for(lambda: not standing(appliance))
    # to another interface, and to one that is not there
    ip(appliance, "link", "add", "new0", "type", "veth", "peer", "name", "new1")
    for end in ("new0", "new1"):
        ip(appliance, "link", "set", end, "up")

    def rebind(interface: str) -> Any:
        link = {"id": "b", "resourceId": interface, "extCps": [{"cpdId": "out_ext"}]}
        appliance.ask("POST", f"{path}/change_ext_conn", {"extVirtualLinks": [link]})
        return over(appliance, "CHANGE_EXT_CONN")

    assert rebind("new0")["operationState"] == "COMPLETED"
    assert appliance.get("/v1/vnfs/fw/stats")["ports"]["out"]["interface"] == "new0"
    failed = rebind("none0")
    assert failed["operationState"] == "FAILED_TEMP" and "none0" in failed["error"]["detail"], failed
    assert appliance.get("/v1/vnfs/fw/stats")["ports"]["out"]["interface"] == "new0", "it runs as it did"
    appliance.ask("POST", f"/vnflcm/v2/vnf_lcm_op_occs/{failed['id']}/rollback")
    assert wait_for(lambda: over(appliance, "CHANGE_EXT_CONN")["operationState"] == "ROLLED_BACK")
    upgraded(appliance, path, tmp_path)
    appliance.ask("POST", f"{path}/terminate", {"terminationType": "GRACEFUL"})
    assert over(appliance, "TERMINATE")["operationState"] == "COMPLETED" and appliance.keeper() is None
