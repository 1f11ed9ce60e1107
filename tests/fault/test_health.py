"""How well a running VNF is said to be: each state, brought about by what it stands for."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from coven.lab.network import ADDRESS, IN
from tests.rigs.keeper import KeeperRig, wait_for
from tests.rigs.packages import FORWARD_C, package

UDP = "import socket, sys\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n" \
      "for n in range(int(sys.argv[3])):\n    s.sendto(b'x', (sys.argv[1], int(sys.argv[2])))\n"  # fmt: skip
ONE = """
import time
from vnfc import forward, health, request, state
words = {"now": "ok"}
@health
def well():
    return words["now"]
@request("say", "what its health says from now on", changes=True)
def say(sentence: str):
    words["now"] = sentence
def handle(packet):
    if packet.udp and packet.udp.dport == 7:
        time.sleep(0.8)
    if packet.udp and packet.udp.dport == 8:
        time.sleep(0.01)
    return forward()
"""
DESCRIPTOR = "vnfcs: {one: {source: one.py}, two: {source: two.c}}\nchain: in -> one -> two -> out\n"


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("COVEN_STATE", str(tmp_path / "state"))
    pkg = package(tmp_path / "p", DESCRIPTOR, one_py=ONE, two_c=FORWARD_C)
    with KeeperRig(tmp_path / "k", pkg) as running:
        running.call("start")
        running.wait_ping()
        yield running


def health(rig: KeeperRig, name: str | None = None) -> dict[str, Any]:
    status = rig.status()
    part = status if name is None else {**status["vnfcs"], **status["ports"]}[name]
    found: dict[str, Any] = part["health"]
    return found


def send(rig: KeeperRig, port: int, count: int) -> None:
    rig.lab.client.run("python3", "-c", UDP, ADDRESS["server"], str(port), str(count))


def test_at_work_and_at_rest(rig: KeeperRig) -> None:
    rig.wait_ping()
    for name in ("one", "two", "in", None):
        wait_for(lambda name=name: rig.ping() == 1 and health(rig, name)["state"] == "progressing")
    wait_for(lambda: health(rig, "two")["state"] == "ready")


def test_one_that_does_nothing_is_stuck(rig: KeeperRig) -> None:
    def stuck() -> bool:
        send(rig, 7, 2)
        found = health(rig, "one")
        return found["state"] == "stuck" and "did nothing for" in found["why"]

    wait_for(stuck)


def test_one_that_gets_more_than_it_works_on_is_overloaded(rig: KeeperRig) -> None:
    def overloaded() -> dict[str, Any] | None:
        send(rig, 8, 300)
        status = rig.status()
        found = status["vnfcs"]["one"]["health"]
        return status if found["state"] == "overloaded" and "more come than it works on" in found["why"] else None

    status = wait_for(overloaded)
    assert status["health"]["state"] in ("overloaded", "stuck") and "one: " in status["health"]["why"]
    two = status["vnfcs"]["two"]["health"]
    assert two["state"] in ("ready", "progressing"), "the one behind it is not to blame"


def test_one_that_restarted_is_degraded_for_a_while(rig: KeeperRig) -> None:
    os.kill(rig.vnfc("two")["pid"], signal.SIGKILL)
    status = wait_for(lambda: (now := rig.status())["vnfcs"]["two"]["health"]["state"] == "degraded" and now)
    found = status["vnfcs"]["two"]["health"]
    assert "restarted" in found["why"] and "SIGKILL" in found["why"]
    assert status["health"]["why"].startswith("two: ")


def test_what_a_vnfc_says_of_itself(rig: KeeperRig) -> None:
    assert health(rig, "one")["says"] is None
    rig.call("request", vnfc="one", name="say", args=["the table is full"])
    wait_for(lambda: health(rig, "one")["says"] == "the table is full")
    found = rig.call("request", vnfc="one", name="health", args=[])["value"]
    assert found["state"] == "degraded" and found["why"] == "it says: the table is full"
    assert health(rig)["state"] == "degraded"
    rig.call("request", vnfc="one", name="say", args=["ok"])
    wait_for(lambda: health(rig, "one")["says"] is None)
    asked = rig.vnfc("one")["requests"]
    assert asked["asked"] >= 4 and asked["timed_out"] == 0 and 0 < asked["seconds"] < asked["asked"]


def test_a_port_without_a_link_is_down(rig: KeeperRig) -> None:
    rig.lab.appliance.run("ip", "link", "set", IN, "down")
    status = wait_for(lambda: (now := rig.status())["ports"]["in"]["health"]["state"] == "down" and now)
    assert "is down" in status["ports"]["in"]["health"]["why"] and status["health"]["state"] == "down"
    rig.lab.appliance.run("ip", "link", "set", IN, "up")
    wait_for(lambda: health(rig, "in")["state"] in ("ready", "progressing"))
