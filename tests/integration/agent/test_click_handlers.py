"""Click handlers of a deployed VNF: as agent requests, and by tools that speak the ControlSocket protocol."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.rigs.appliance import Appliance
from tests.rigs.control_client import Client
from tests.rigs.keeper import wait_for
from tests.rigs.packages import package

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes a network namespace: needs root")
TCP = "127.0.0.1:7777"
CONFIG = """
    FromDevice(in) -> kind :: Classifier(12/88b5, -) -> passed :: Counter -> sw :: Switch(0) -> ToDevice(next);
    sw[1] -> Discard; kind[1] -> ToDevice(next);
"""
OTHER = """from vnfc import counter, forward, request
seen = counter("seen", "packets", "packets")
@request("sum", "of two numbers")
def sum(a: int, b: int = 1):
    return a + b
def handle(packet):
    return forward()
"""
SEND = """
import socket, sys
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind(("in1", 0))
for _ in range(int(sys.argv[1])):
    wire.send(bytes.fromhex("020000000002020000000001" + "88b5") + bytes(46))
"""
OVER_TCP = """
from tests.rigs.control_client import Client
client = Client(("127.0.0.1", 7777))
print(client.say("READ passed.count")[1], client.say("WRITE sw.switch 0"))
"""
TAKE = 'import socket, time\ns = socket.create_server(("127.0.0.1", 7777))\nprint("taken", flush=True)\ns.accept()'


@pytest.fixture
def appliance(tmp_path: Path) -> Iterator[Appliance]:
    appliance = Appliance(tmp_path / "state")
    package(
        tmp_path / "p",
        "vnfcs: {fw: {source: fw.click}, other: {source: other.py}}\nchain: in -> fw -> other -> out\n",
        fw_click=CONFIG, other_py=OTHER,
    )  # fmt: skip
    try:
        appliance.serve("--control-socket", f"fw={TCP}")
        yield appliance
    finally:
        appliance.clean()


def deploy(appliance: Appliance) -> tuple[int, str]:
    folder = str(appliance.state.parent / "p")
    return appliance.coven("deploy", folder, "--name", "fw", "--in", "in0", "--out", "out0")


def run(appliance: Appliance, script: str, *words: str) -> str:
    root = Path(__file__).resolve().parents[3]
    command = appliance.inside("-c", script, *words)
    return subprocess.run(command, cwd=root, check=True, capture_output=True, text=True, timeout=300).stdout.strip()


def figures(appliance: Appliance) -> dict[str, Any]:
    status, text = appliance.coven("status", "--json")
    assert status == 0, text  # also: no packet is unaccounted for
    found: dict[str, Any] = json.loads(text)
    return found


def answers(path: Path, command: str) -> list[str] | None:
    """What a new client is told, if there is anybody."""
    with suppress(OSError):
        client = Client(str(path))
        try:
            return client.say(command)
        finally:
            client.close()
    return None


def test_handlers_of_a_deployed_vnf(appliance: Appliance) -> None:
    assert deploy(appliance)[0] == 0
    path = appliance.state / "run" / "fw" / "control.sock"
    assert figures(appliance)["control_sockets"] == [str(path), TCP]
    said = appliance.coven("status")[1]
    assert f"control socket: {path}\n" in said and f"control socket: {TCP}\n" in said
    assert path.stat().st_mode & 0o777 == 0o600
    one, two = Client(str(path)), Client(str(path))

    # packets, seen from everywhere
    run(appliance, SEND, "3")
    wait_for(lambda: one.say("READ passed.count")[1] == "3")
    assert two.say("READ passed.count")[1] == two.say("READ fw/passed.count")[1] == "3"
    assert appliance.coven("ask", "fw", "passed.count") == (0, "3\n")
    asked = {"vnfc": "fw", "request": "passed.count"}
    assert appliance.ask("POST", "/v1/vnfs/fw/requests", asked)["value"] == 3
    listed = {each["name"] for each in appliance.get("/v1/vnfs/fw/requests")["fw"]}
    assert {"passed.count", "passed.reset", "sw.switch", "kind.class", "handler"} <= listed
    assert appliance.coven("ask", "fw", "sw.switch", "1")[0] == 0
    assert one.say("READ sw.switch")[1] == "1"
    assert appliance.coven("ask", "fw", "handler", "sw.class") == (0, "Switch\n")
    status, said = appliance.coven("ask", "fw", "sw.switch", "many")
    assert status == 1 and "sw.switch" in said and "Traceback" not in said
    assert two.say("READ other.sum 40 2") == ["200 Read handler 'other.sum' OK", "42"]
    assert two.say("READ other.sum x")[0].startswith("520-Read handler 'other.sum' error")
    for each in (one, two):  # both at once, without waiting for answers
        each.send("READ passed.count\r\n" * 50)
    assert {each.answer(True)[1] for each in (one, two) for _ in range(50)} == {"3"}
    lines = map(json.loads, (appliance.state / "audit.log").read_text().splitlines())
    changes = [(each["from"], each["what"], each["result"]) for each in lines if each["who"] == "control socket"]
    assert changes[:2] == [("unix", "REQUEST other.sum of fw", 200), ("unix", "REQUEST other.sum of fw", 520)]
    assert run(appliance, OVER_TCP) == "3 [\"200 Write handler 'sw.switch' OK\"]"

    # clients that misbehave trouble nobody else
    two.send("\xff\0" + "y" * 60_000)
    assert two.line() == "500 Line too long" and two.line() == ""
    half = Client(str(path))
    half.send("READ sw.switch")
    half.socket.shutdown(socket.SHUT_WR)
    assert half.answer(True)[1] == "0" and half.line() == ""

    # a VNFC that does not answer, and one that ended
    pid = figures(appliance)["vnfcs"]["fw"]["pid"]
    process = os.pidfd_open(pid)
    signal.pidfd_send_signal(process, signal.SIGSTOP)
    assert one.say("READ passed.count")[0].startswith("540 VNFC 'fw' does not answer")
    assert one.say("READ other.sum 1")[1] == "2"
    with suppress(ProcessLookupError):  # ended as hung already, if a packet came by
        signal.pidfd_send_signal(process, signal.SIGKILL)
    os.close(process)
    wait_for(lambda: one.say("READ passed.count")[1:] == ["0"])

    # the agent, then the keeper, killed and back
    assert appliance.agent is not None
    appliance.agent.kill()
    appliance.agent.wait()
    assert one.line() == ""
    appliance.serve()  # the operator wants no TCP any more
    assert answers(path, "READ passed.count") == ["200 Read handler 'passed.count' OK", "0"]
    assert figures(appliance)["control_sockets"] == [str(path)]
    keeper = appliance.keeper()
    assert keeper is not None
    os.kill(keeper, signal.SIGKILL)
    assert appliance.healed()["state"] == "COMPLETED"
    last = Client(str(path))
    assert last.say("READ passed.count")[1] == "0"
    assert figures(appliance)["unaccounted"] == 0
    assert appliance.coven("terminate")[0] == 0
    assert last.line() == "" and answers(path, "READ passed.count") is None and not path.exists()
    assert json.loads(appliance.coven("status", "--json")[1])["control_sockets"] == []
    for client in (one, two, half, last):
        client.close()


def test_an_address_that_is_taken(appliance: Appliance) -> None:
    with subprocess.Popen(appliance.inside("-c", TAKE), stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "taken\n"
        status, said = deploy(appliance)
        other.kill()
    assert status == 1 and f"control_sockets.fw: found {TCP}: Address already in use" in said, said
    assert "choose another" in said and not (appliance.state / "run" / "fw").exists()
    status, said = deploy(appliance)
    assert status == 0, said
