"""The agent is killed at each step of each operation: the next one has completed it, rolled it back, or lets it rest in
FAILED_TEMP, and the VNF is what that says; keepers are `fake_keeper.py`."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from coven.agent.store import now
from coven.keeper.client import Keeper
from coven.keeper.plan import PLAN, Plan
from tests.integration.rest.test_vnflcm import INSTANCES, LINKS, OCCURRENCES, Vnf, link
from tests.rigs.agent import OVER, Agent
from tests.rigs.keeper import wait_for

DIED = (OSError, http.client.HTTPException)  #: what asking an agent ends with that is killed
EVERY = 6  #: of so many steps one is tried, in the long run each
MOST_STEPS = 200
INSTANTIATE = {"flavourId": "default", "extVirtualLinks": LINKS}


@dataclass(frozen=True)
class Case:
    """`prepare` brings the VNF to where `begin` is to be killed; then it may become one of `becomes`: (instantiation
    state, operational state, interface of `out`) of an operation in that state."""

    task: str
    body: Any
    becomes: dict[str, tuple[str, str | None, str | None]]
    before: str = ""  #: STARTED or STOPPED; '' NOT_INSTANTIATED
    mode: str = ""  #: in which the keeper is from then on
    unusable: str = ""
    failed: bool = False  #: an INSTANTIATE that rests, of which the task is a decision
    every: int = EVERY


NONE = ("NOT_INSTANTIATED", None, None)
UP, STOPPED = ("INSTANTIATED", "STARTED", "eth2"), ("INSTANTIATED", "STOPPED", "eth2")
MOVED = ("INSTANTIATED", "STARTED", "eth3")
BACK = dict.fromkeys(("ROLLED_BACK", "FAILED_TEMP"))


def becoming(done: Any, before: Any) -> dict[str, Any]:
    return {"COMPLETED": done, **dict.fromkeys(BACK, before)}


TERMINATE = {"terminationType": "FORCEFUL"}
CASES = {
    "instantiate": Case("instantiate", INSTANTIATE, becoming(UP, NONE)),
    "instantiate, which fails": Case("instantiate", INSTANTIATE, becoming(UP, NONE), mode="refuse-start"),
    "rollback": Case("rollback", None, becoming(UP, NONE), failed=True),
    "retry": Case("retry", None, becoming(UP, NONE), failed=True),
    "start": Case("operate", {"changeStateTo": "STARTED"}, becoming(UP, STOPPED), "STOPPED"),
    "stop": Case("operate", {"changeStateTo": "STOPPED"}, becoming(STOPPED, UP), "STARTED"),
    "stop, which fails": Case("operate", {"changeStateTo": "STOPPED"}, becoming(STOPPED, UP), "STARTED", "refuse-stop"),
    "heal": Case("heal", {}, becoming(UP, UP), "STARTED"),
    "heal, which fails": Case("heal", {}, becoming(UP, UP), "STARTED", "die", every=30),
    "terminate": Case("terminate", TERMINATE, becoming(NONE, UP), "STARTED"),
    "change_ext_conn": Case("change_ext_conn", {"extVirtualLinks": [link("out", "eth3")]}, becoming(MOVED, UP),
                            "STARTED"),
    "change_ext_conn, which fails": Case("change_ext_conn", {"extVirtualLinks": [link("out", "eth3")]},
                                         becoming(MOVED, UP), "STARTED", unusable="eth3"),
    "modify": Case("", {"vnfInstanceDescription": "new", "vnfConfigurableProperties": {"b": {"mode": "new"}}},
                   becoming(UP, UP), "STARTED"),
}  # fmt: skip


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    folder = Path(tmp_path_factory.mktemp("killed"))
    agent = Agent(folder / "state")
    agent.steps = folder / "steps"
    agent.start()
    try:
        yield agent
    finally:
        agent.clean()


class Subject:
    """The VNF on which operations are tried."""

    def __init__(self, agent: Agent):
        self.agent, self.steps = agent, agent.steps
        self.run = agent.state / "run"
        self.vnf: Vnf
        self.since = now()

    def says(self, file: str, text: str) -> None:
        (self.run / file).write_text(text)

    def settled(self) -> Any:
        """The newest occurrences when nothing goes on any more."""

        newest = f"{OCCURRENCES}?all_fields&filter=(gte,startTime,{self.since})"

        def found() -> Any:
            shown = self.agent.ask("GET", newest)[1]
            return all(each["operationState"] in (*OVER, "FAILED_TEMP") for each in shown) and (shown,)

        return wait_for(found)[0]

    def clear(self) -> None:
        """No VNF, and nothing that is decided."""
        for file in ("mode", "unusable"):
            self.says(file, "")
        for each in self.settled():
            if each["operationState"] == "FAILED_TEMP":
                assert self.agent.ask("POST", f"{OCCURRENCES}/{each['id']}/rollback")[0] == 202
        self.settled()
        for vnf in self.agent.ask("GET", "/v1/vnfs")[1]["vnfs"]:
            if vnf["instantiation_state"] == "INSTANTIATED":
                assert self.agent.operate(vnf["name"], "terminate")["state"] == "COMPLETED"
            assert self.agent.ask("DELETE", f"/v1/vnfs/{vnf['name']}")[0] == 204

    def prepare(self, case: Case) -> None:
        self.clear()
        self.since = now()
        self.vnf = Vnf(self.agent)
        if case.before:
            body = {**INSTANTIATE, "additionalParams": {"start": case.before == "STARTED"}}
            assert self.vnf.does("instantiate", body)["operationState"] == "COMPLETED"
        if case.failed:
            self.says("mode", "refuse-start")
            assert self.vnf.does("instantiate", INSTANTIATE)["operationState"] == "FAILED_TEMP"
        self.says("mode", case.mode)
        self.says("unusable", case.unusable)

    def killed(self, case: Case, step: int) -> bool:
        """Whether there was such a step, at which the agent was killed."""
        assert self.steps is not None and self.agent.process is not None
        path = f"{INSTANCES}/{self.vnf.made['id']}/{case.task}".rstrip("/")
        if case.failed:
            [resting] = [each for each in self.settled() if each["operationState"] == "FAILED_TEMP"]
            path = f"{OCCURRENCES}/{resting['id']}/{case.task}"
        self.steps.write_text(str(step))
        try:
            with suppress(*DIED):  # before it answers
                assert self.agent.ask("POST" if case.task else "PATCH", path, case.body)[0] == 202
                self.settled()
            died = wait_for(lambda: self.agent.process.poll() is not None or self._idle())  # type: ignore[union-attr]
            return bool(died) and self.agent.process.poll() is not None
        finally:
            self.steps.unlink(missing_ok=True)

    def _idle(self) -> bool:
        with suppress(*DIED):
            self.settled()
            return True
        return False

    def check(self, case: Case, known: set[str]) -> str:
        """The state of the operation, if there is one; whatever it is, the VNF is what it says."""
        new = [each for each in self.settled() if each["id"] not in known and not each["isAutomaticInvocation"]]
        assert len(new) <= 1
        state = new[0]["operationState"] if new else "ROLLED_BACK"
        expected = case.becomes[state]
        vnf = self.agent.ask("GET", "/v1/vnfs/fw")[1]
        out = vnf["ports"].get("out", {}).get("interface")
        assert (vnf["instantiation_state"], vnf["operational_state"], out) == expected, (state, vnf)
        directory = self.run / "fw"
        if expected == NONE:
            assert self.agent.keeper("fw") is None and not directory.exists()
            return str(state)
        if state == "FAILED_TEMP" and case.task == "heal":
            assert self.agent.keeper("fw") is None or Keeper(directory).call("ping")["state"] == expected[1]
            return str(state)
        wait_for(lambda: self.agent.keeper("fw"))
        assert wait_for(lambda: Keeper(directory).call("ping"))["state"] == expected[1]
        bound = {name: port.interface for name, port in Plan.read(directory / PLAN).ports.items()}
        assert bound == {"in": "eth1", "out": out}
        shown = self.vnf.shown()
        config = Keeper(directory).call("list")["config"]
        assert shown["vnfConfigurableProperties"]["b"] == config["b"]
        if case.task == "":
            done = state == "COMPLETED"
            assert (shown.get("vnfInstanceDescription") == "new") == done == (config["b"] == {"mode": "new"}), state
        return str(state)


@pytest.mark.parametrize("name", CASES)
def test_killed_at_each_step(agent: Agent, name: str, long_run: bool) -> None:
    case, subject = CASES[name], Subject(agent)
    seen: dict[str, int] = {}
    step = tried = 0
    while step < MOST_STEPS:
        subject.prepare(case)
        known = {each["id"] for each in subject.settled()}
        if case.failed:
            known -= {each["id"] for each in subject.settled() if each["operationState"] == "FAILED_TEMP"}
        if not subject.killed(case, step):
            break
        if long_run and subject.steps is not None:  # and the next one, while it puts that right
            subject.steps.write_text(str(step % 7))
            with suppress(AssertionError):
                agent.start()
                agent.kill()
            subject.steps.unlink(missing_ok=True)
        agent.start()
        state = subject.check(case, known)
        seen[state] = seen.get(state, 0) + 1
        tried += 1
        step += 1 if long_run else case.every
    assert tried >= 2 and step < MOST_STEPS, "it has an end"
    assert seen.keys() <= {"COMPLETED", "ROLLED_BACK", "FAILED_TEMP"}
    subject.clear()
