"""Interfaces that are bound by their MAC address, in a namespace with real keepers."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.rigs.appliance import PACKAGE, Appliance
from tests.rigs.keeper import wait_for

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes a network namespace: needs root")

IN, OUT = "02:00:00:00:01:0a", "02:00:00:00:01:0b"


def bindings(appliance: Appliance, name: str) -> dict[str, Any]:
    return {port: facts["interface"] for port, facts in appliance.get(f"/v1/vnfs/{name}")["ports"].items()}


def stands_at(appliance: Appliance, name: str) -> list[str]:
    """The interfaces that its ports are open on."""
    ports = appliance.get(f"/v1/vnfs/{name}/stats")["ports"]
    return [facts["interface"] for facts in ports.values() if facts["link"] != "gone"]


def test_a_port_is_bound_to_what_has_the_address(appliance: Appliance) -> None:
    appliance.ip(f"link set in0 address {IN}", f"link set out0 address {OUT}")
    appliance.ip("link add a0 type veth peer name b0", f"link set a0 address {IN}")
    deploy = ("deploy", str(PACKAGE), "--name", "fw", "--in", IN.upper(), "--out")
    status, said = appliance.coven(*deploy, OUT)
    assert status == 1 and f"{IN}, which in0, a0 have" in said, said
    appliance.ip("link del a0")
    status, said = appliance.coven(*deploy, "02:00:00:00:09:09")
    assert status == 1 and "02:00:00:00:09:09, which no interface has" in said, said
    status, said = appliance.coven(*deploy, "in0")
    assert status == 1 and "in has it" in said, said
    assert appliance.coven(*deploy, OUT.replace(":", "-"))[0] == 0
    assert stands_at(appliance, "fw") == ["in0", "out0"]
    assert bindings(appliance, "fw") == {"in": IN.upper(), "out": OUT.replace(":", "-")}
    points = appliance.get("/vnfconfig/v1/configuration")["vnfConfigurationData"]["extCpConfig"]
    assert [each["addresses"][0]["address"]["macAddress"] for each in points] == [IN, OUT]
    # another VNF cannot have it, however it says so
    status, said = appliance.coven("deploy", str(PACKAGE), "--name", "two", "--in", "in0", "--out", "out1")
    assert status == 1 and "fw has it as its port in" in said, said
    # its keeper dies while the interface has another name: the next one finds it
    appliance.ip("link set in0 down", "link set in0 name inner", "link set inner up")
    wait_for(lambda: stands_at(appliance, "fw") == ["inner", "out0"])
    pid = appliance.keeper()
    assert pid is not None
    os.kill(pid, 9)
    assert appliance.healed()["state"] == "COMPLETED"
    assert stands_at(appliance, "fw") == ["inner", "out0"]
    # it is deleted; another one with its address takes its place
    appliance.ip("link del inner")
    wait_for(lambda: stands_at(appliance, "fw") == ["out0"])
    appliance.ip("link add other type veth peer name in1", f"link set other address {IN}", "link set other up")
    wait_for(lambda: stands_at(appliance, "fw") == ["other", "out0"])
    # an upgrade may say the same binding by name
    assert appliance.coven("terminate", "fw")[0] == 0
