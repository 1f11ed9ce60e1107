"""The agent is killed before each write of its store, in every operation: the next one finds it carried out or rolled
back, and what it says is what is so. Keepers are played."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest

from coven.keeper.client import Keeper
from tests.integration.agent.test_agent import DESCRIPTOR, PORTS, package
from tests.rigs.agent import OVER, Agent
from tests.rigs.keeper import wait_for

MOST = 40  #: writes of one operation
DIED = (URLError, ConnectionError, http.client.HTTPException)
NOT, STOPPED, STARTED = ("NOT_INSTANTIATED", None), ("INSTANTIATED", "STOPPED"), ("INSTANTIATED", "STARTED")
BODY = {"ports": PORTS, "start": True}
#: operation -> what the VNF is before, what it becomes
KINDS = {"instantiate": (NOT, STARTED), "start": (STOPPED, STARTED), "stop": (STARTED, STOPPED),
         "terminate": (STARTED, NOT), "heal": (STARTED, STARTED)}  # fmt: skip


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    agent = Agent(tmp_path / "state")
    try:
        yield agent
    finally:
        agent.clean()


def states(agent: Agent) -> tuple[str, str | None]:
    vnf = agent.ask("GET", "/v1/vnfs/fw")[1]
    return vnf["instantiation_state"], vnf["operational_state"]


def settled(agent: Agent) -> tuple[str, str | None]:
    """What the VNF is when nothing is going on; it has a keeper in that state, or none."""
    wait_for(lambda: agent.ask("GET", "/v1/vnfs/fw")[1]["operation"] is None)
    found, keeper = states(agent), Keeper(agent.state / "run" / "fw")
    if found == NOT:
        assert keeper.pid() is None and not keeper.directory.exists()
        assert agent.ask("GET", "/v1/vnfs/fw")[1]["ports"] == {}
    else:
        assert keeper.call("ping")["state"] == found[1]
    return found


def brought(agent: Agent, wanted: tuple[str, str | None]) -> None:
    """The VNF is brought into a state, undisturbed."""
    found = settled(agent)
    if found == NOT and wanted != NOT:
        assert agent.operate("fw", "instantiate", BODY)["state"] == "COMPLETED"
        found = STARTED
    if found != wanted:
        kind = "terminate" if wanted == NOT else "start" if wanted == STARTED else "stop"
        assert agent.operate("fw", kind)["state"] == "COMPLETED"
    assert settled(agent) == wanted


def asked(agent: Agent, kind: str) -> bool:
    """Ask for an operation, and follow it to its end. False: the agent died meanwhile."""
    try:
        if kind == "heal":
            old = agent.kill_keeper("fw")
            wait_for(lambda: agent.ask("GET", "/v1/vnfs/fw/health")[1] and agent.keeper("fw") not in (None, old))
            wait_for(lambda: agent.ask("GET", "/v1/vnfs/fw")[1]["operation"] is None)
        else:
            status, operation = agent.ask("POST", f"/v1/vnfs/fw/{kind}", BODY if kind == "instantiate" else None)
            assert status == 202, operation
            assert agent.over(operation)["state"] == "COMPLETED"
    except DIED:
        assert agent.process is not None
        agent.process.wait(60)
        return False
    return True


def operations(agent: Agent) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = agent.ask("GET", "/v1/operations?vnf=fw")[1]["operations"]
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_killed_before_each_write(agent: Agent, kind: str) -> None:
    before, after = KINDS[kind]
    agent.start()
    assert agent.ask("POST", "/v1/packages", data=package(DESCRIPTOR))[0] == 201
    assert agent.ask("POST", "/v1/vnfs", {"name": "fw", "package": "fw"})[0] == 201
    died = 0
    for agent.dies_before in range(1, MOST):
        agent.stop()
        agent.start()
        brought(agent, before)
        known = len(operations(agent))
        agent.arm()
        lived = asked(agent, kind)
        agent.disarm()
        if lived:
            assert settled(agent) == after
            break
        died += 1
        agent.dies_before = 0
        agent.start()
        found = settled(agent)
        new = operations(agent)[: len(operations(agent)) - known]
        assert all(each["state"] in OVER for each in new), new
        named = [each for each in new if each["operation"] != "HEAL" or kind == "heal"]
        if kind == "heal":  # whatever became of the first try, it is back
            assert found == after, (agent.dies_before, new)
        elif named and named[0]["state"] == "COMPLETED":
            assert found == after, new
        else:
            assert found == before, new
    assert 2 <= died < MOST - 1, "it is killed at each, until it is over before"
