"""LCM Coordination (SOL002 10): VNFCs that run decide, at once or later; over the agent's death, too."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rigs.appliance import Appliance
from tests.rigs.keeper import wait_for
from tests.rigs.packages import package

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes a network namespace: needs root")

COORDINATIONS = "/lcmcoord/v1/coordinations"
DECIDES = """
import json
from vnfc import forward, request
left, cancelled = [0], [0]
@request
def decide(say: str = "null"):
    'answers what it is told to'
    said = json.loads(say)
    if said == "raise":
        raise ValueError("it may not be")
    return said
@request
def patience(number: int):
    'sets after how many questions `later` decides'
    left[0] = number
@request
def later():
    'decides after some questions'
    left[0] -= 1
    return {"in_progress": 0.2} if left[0] >= 0 else {"result": "ABORT", "output": {"why": "late"}, "warnings": "slow"}
@request
def later_cancel():
    'nobody wants to know any more'
    cancelled[0] += 1
@request
def cancellations():
    'how often that was'
    return cancelled[0]
def handle(packet):
    return forward()
"""
DESCRIPTOR = """
vnfcs: {one: {source: one.py}}
chain: in -> one -> out
coordination: [one.decide, one.later]
"""


class Vnfm:
    """Authenticates with BASIC and speaks version 1.0.0."""

    def __init__(self, appliance: Appliance):
        self.appliance = appliance
        made = appliance.ask("POST", "/v1/tokens", {"name": "vnfm", "scopes": ["operate"]})
        self.user = f"vnfm:{made['token']}"
        self.instance = appliance.get("/v1/vnfs/fw")["id"]

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, dict[str, str], Any]:
        url = json.loads((self.appliance.state / "run" / "agent.json").read_text())["url"]
        words = ["curl", "-sS", "-i", "-m", "30", "-u", self.user, "-H", "Version: 1.0.0", "-X", method,
                 path if path.startswith("http") else url + path]  # fmt: skip
        if body is not None:
            words += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
        done = subprocess.run(["ip", "netns", "exec", self.appliance.space, *words], capture_output=True, text=True)
        head, _, text = done.stdout.partition("\n\n") if "\r" not in done.stdout else done.stdout.partition("\r\n\r\n")
        first, *lines = head.splitlines()
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        assert headers["version"] == "1.0.0"
        return int(first.split()[1]), headers, json.loads(text) if text else None

    def coordinate(self, action: str = "one.decide", **more: Any) -> tuple[int, dict[str, str], Any]:
        body = {"vnfInstanceId": self.instance, "vnfLcmOpOccId": "op-1", "lcmOperationType": "TERMINATE",
                "coordinationActionName": action, **more}  # fmt: skip
        return self.ask("POST", COORDINATIONS, body)

    def say(self, value: Any) -> tuple[int, dict[str, str], Any]:
        return self.coordinate(inputParams={"say": json.dumps(value)})

    def vnfc(self, request: str, *args: Any) -> Any:
        body = {"vnfc": "one", "request": request, "args": list(args)}
        return self.appliance.ask("POST", "/v1/vnfs/fw/requests", body)["value"]


@pytest.fixture
def vnfm(appliance: Appliance, tmp_path: Path) -> Iterator[Vnfm]:
    source = package(tmp_path / "p", DESCRIPTOR, one_py=DECIDES)
    status, text = appliance.coven("deploy", str(source), "--name", "fw", "--in", "in0", "--out", "out0")
    assert status == 0, text
    yield Vnfm(appliance)
    appliance.coven("terminate")


def test_decisions(vnfm: Vnfm) -> None:
    links = {"vnfLcmOpOcc": {"href": "http://vnfm/1"}, "vnfInstance": {"href": "http://vnfm/2"}}
    status, headers, told = vnfm.coordinate(_links=links)
    assert status == 201 and told["coordinationResult"] == "CONTINUE"
    assert headers["location"] == told["_links"]["self"]["href"]
    assert told["_links"]["vnfInstance"] == links["vnfInstance"]
    assert (told["vnfInstanceId"], told["vnfLcmOpOccId"], told["lcmOperationType"], told["coordinationActionName"]) == (
        vnfm.instance, "op-1", "TERMINATE", "one.decide")  # fmt: skip
    assert vnfm.ask("GET", headers["location"])[::2] == (200, told)
    for said, result, more in (
        (True, "CONTINUE", {}), (False, "ABORT", {}), ("ABORT", "ABORT", {}), ("CONTINUE", "CONTINUE", {}),
        ({"output": [1], "warnings": "w"}, "CONTINUE", {"outputParams": [1], "warnings": "w"}),
        ({"result": "ABORT"}, "ABORT", {}),
    ):  # fmt: skip
        status, _, told = vnfm.say(said)
        assert (status, told["coordinationResult"]) == (201, result), said
        assert {key: told[key] for key in ("outputParams", "warnings", "error") if key in told} == more
    for said in ("perhaps", 7, {"result": "CANCELLED"}, "raise"):
        status, _, told = vnfm.say(said)
        assert status == 201 and told["coordinationResult"] == "ABORT" and told["error"]["detail"], said
    assert "it may not be" in told["error"]["detail"]
    status, headers, told = vnfm.say({"busy": 7})
    assert (status, headers["retry-after"]) == (503, "7") and told["detail"]
    # everything wrong at once
    status, _, told = vnfm.coordinate("one.decid", vnfInstanceId="x")
    assert status == 422 and [each["field"] for each in told["errors"]] == ["vnfInstanceId", "coordinationActionName"]
    assert "one.decide" in told["errors"][1]["remedy"]
    assert vnfm.coordinate(inputParams={"sya": 1})[2]["errors"][0]["field"] == "inputParams.sya"
    assert vnfm.coordinate("one.patience")[0] == 422, "no coordination"
    assert vnfm.coordinate(lcmOperationType="FLY")[0] == 422
    assert vnfm.ask("GET", f"{COORDINATIONS}/none")[0] == vnfm.ask("POST", f"{COORDINATIONS}/none/cancel")[0] == 404


def test_decisions_that_take_their_time(vnfm: Vnfm) -> None:
    vnfm.vnfc("patience", 3)
    status, headers, told = vnfm.coordinate("one.later")
    assert (status, told, headers["retry-after"]) == (202, None, "1")
    place = headers["location"]
    assert vnfm.ask("POST", f"{place}/cancel")[0] in (202, 409)

    vnfm.vnfc("patience", 3)
    place = vnfm.coordinate("one.later")[1]["location"]
    wait_for(lambda: vnfm.ask("GET", place)[0] == 200)
    told = vnfm.ask("GET", place)[2]
    assert (told["coordinationResult"], told["outputParams"], told["warnings"]) == ("ABORT", {"why": "late"}, "slow")
    assert vnfm.ask("POST", f"{place}/cancel")[0] == 409

    before = vnfm.vnfc("cancellations")
    vnfm.vnfc("patience", 10**6)
    place = vnfm.coordinate("one.later")[1]["location"]
    assert vnfm.ask("GET", place)[::2] == (202, None)
    assert vnfm.ask("POST", f"{place}/cancel")[::2] == (202, None)
    assert vnfm.ask("GET", place)[2]["coordinationResult"] == "CANCELLED"
    assert vnfm.vnfc("cancellations") == before + 1
    assert vnfm.ask("POST", f"{place}/cancel")[0] == 409

    # the agent dies meanwhile
    identity = vnfm.coordinate("one.later")[1]["location"].rpartition("/")[2]
    assert vnfm.appliance.agent is not None
    vnfm.appliance.agent.kill()
    vnfm.appliance.agent.wait()
    vnfm.appliance.serve()
    assert vnfm.ask("GET", f"{COORDINATIONS}/{identity}")[0] == 202
    vnfm.vnfc("patience", 0)
    wait_for(lambda: vnfm.ask("GET", f"{COORDINATIONS}/{identity}")[0] == 200)
