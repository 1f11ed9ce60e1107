"""The agent over HTTP, in a process of its own; keepers are `fake_keeper.py`."""

from __future__ import annotations

import io
import json
import os
import re
import select
import stat
import threading
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.rigs.agent import Agent

DESCRIPTOR = """
name: fw
version: "1.0"
provider: tests
vnfcs:
  a: {source: a.py, config: {mode: "", limit: 5, key: s3cret}, schema: a.json}
  b: {source: a.py, config: {mode: ""}}
chain: in -> a -> b -> out
"""
SCHEMA = {"properties": {"limit": {"maximum": 10}, "key": {"writeOnly": True}}}
PORTS = {"in": {"interface": "eth1"}, "out": {"interface": "eth2"}}


def package(descriptor: str = DESCRIPTOR, level: int | None = None, **more: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
        archive.writestr("vnf.yaml", descriptor)
        archive.writestr("a.py", "from vnfc import forward\ndef handle(packet):\n    return forward()\n")
        archive.writestr("a.json", json.dumps(SCHEMA))
        for name, text in more.items():
            archive.writestr(name, text)
    return out.getvalue()


def created(agent: Agent, name: str = "fw") -> None:
    assert agent.ask("POST", "/v1/packages", data=package())[0] in (200, 201)
    assert agent.ask("POST", "/v1/vnfs", {"name": name, "package": "fw"})[0] == 201


def running(agent: Agent, name: str = "fw", **more: Any) -> dict[str, Any]:
    created(agent, name)
    operation = agent.operate(name, "instantiate", {"ports": PORTS, "start": True, **more})
    assert operation["state"] == "COMPLETED", operation
    return operation


def states(agent: Agent, name: str = "fw") -> tuple[str, str | None]:
    vnf = agent.ask("GET", f"/v1/vnfs/{name}")[1]
    return vnf["instantiation_state"], vnf["operational_state"]


def test_whole_life(agent: Agent) -> None:
    status, pushed = agent.ask("POST", "/v1/packages", data=package())
    assert status == 201 and pushed["id"] == "fw:1.0"
    assert agent.ask("POST", "/v1/packages", data=package())[0] == 200
    status, vnf = agent.ask("POST", "/v1/vnfs", {"name": "fw", "package": "fw:1.0"})
    assert status == 201 and vnf["instantiation_state"] == "NOT_INSTANTIATED"
    assert vnf["vnfd_id"] == pushed["vnfd_id"]
    operation = agent.operate("fw", "instantiate", {"ports": PORTS})
    assert (operation["operation"], operation["state"]) == ("INSTANTIATE", "COMPLETED")
    assert states(agent) == ("INSTANTIATED", "STOPPED")
    assert agent.operate("fw", "start")["state"] == "COMPLETED"
    assert states(agent) == ("INSTANTIATED", "STARTED")
    assert agent.ask("GET", "/v1/vnfs/fw/stats")[1]["unaccounted"] == 0
    assert agent.ask("GET", "/v1/vnfs/fw/health")[1]["status"] == "healthy"
    assert len(agent.ask("GET", "/v1/vnfs/fw/logs?lines=3&vnfc=a")[1]["lines"]) == 3
    assert agent.ask("DELETE", "/v1/vnfs/fw")[0] == 409
    assert agent.ask("DELETE", "/v1/packages/fw:1.0")[0] == 409
    assert agent.operate("fw", "stop")["state"] == "COMPLETED"
    assert agent.operate("fw", "terminate")["state"] == "COMPLETED"
    assert states(agent) == ("NOT_INSTANTIATED", None)
    assert agent.keeper("fw") is None
    assert not (agent.state / "run" / "fw").exists()
    assert agent.ask("GET", "/v1/vnfs/fw/stats")[0] == 409
    assert agent.ask("DELETE", "/v1/vnfs/fw")[0] == 204
    assert agent.ask("DELETE", "/v1/packages/fw")[0] == 204
    assert agent.ask("GET", "/v1/vnfs")[1] == {"vnfs": []}
    assert agent.ask("GET", "/v1/packages")[1] == {"packages": []}
    assert len(agent.ask("GET", "/v1/operations?vnf=fw")[1]["operations"]) == 4
    assert not list((agent.state / "packages").iterdir())


def test_problem_details_name_every_mistake(agent: Agent) -> None:
    wrong = DESCRIPTOR.replace("a.py", "none.py", 1).replace("name: fw", "name: FW")
    status, body = agent.ask("POST", "/v1/packages", data=package(wrong))
    assert status == 422 and body["status"] == 422 and body["title"]
    assert [(e["file"], e["line"], e["field"]) for e in body["errors"]] == [
        ("vnf.yaml", 2, "name"), ("vnf.yaml", 6, "vnfcs.a.source"),
    ]  # fmt: skip
    assert not list((agent.state / "packages").iterdir())
    status, body = agent.ask("POST", "/v1/packages", data=b"no zip")
    assert status == 422 and "zip" in body["detail"]
    created(agent)
    wrong_request = {
        "ports": {"in": {"interface": "a/b"}, "ot": {"interface": "x"}},
        "config": {"a": {"limit": 11}},
    }
    status, body = agent.ask("POST", "/v1/vnfs/fw/instantiate", wrong_request)
    assert status == 422
    assert sorted(e["field"] for e in body["errors"]) == [
        "config.a.limit", "ports.in.interface", "ports.ot", "ports.out.interface",
    ]  # fmt: skip
    for method, path, body, code in (
        ("GET", "/v1/nothing", None, 404), ("PUT", "/v1/vnfs", {}, 405), ("GET", "/v1/vnfs/fv", None, 404),
        ("POST", "/v1/vnfs", {"name": "x", "package": "none"}, 404), ("POST", "/v1/vnfs", {"nam": "x"}, 422),
        ("POST", "/v1/vnfs", {"name": "../x", "package": "fw"}, 422),
        ("POST", "/v1/vnfs", {"name": "fw", "package": "fw"}, 409),
        ("POST", "/v1/vnfs/fw/start", None, 409), ("GET", "/v1/operations/none", None, 404),
        ("GET", "/v1/vnfs/fw/logs?lines=x", None, 422),
    ):  # fmt: skip
        status, problem = agent.ask(method, path, body)
        assert (status, problem["status"]) == (code, code), (path, problem)
    assert "did you mean fw?" in agent.ask("GET", "/v1/vnfs/fv")[1]["detail"]
    assert agent.ask("POST", "/v1/vnfs", data=b"{", Content_Type="application/json")[0] == 400
    assert agent.ask("POST", "/v1/vnfs", data=b"{}", Content_Type="text/plain")[0] == 415


def test_requests_are_read_strictly(agent: Agent) -> None:
    created(agent)
    for body, found in (
        (b'{"name": "a", "name": "b", "package": "c"}', "name twice"),
        (b"[1]", "another value"),
        (b"[" * 100_000, "lists and maps nested without end"),
        (b'{"name": NaN}', "NaN"),
    ):
        status, told = agent.ask("POST", "/v1/vnfs", data=body, Content_Type="application/json")
        assert (status, told["errors"][0]["found"]) == (400, found)
    assert agent.ask("POST", "/v1/vnfs/fw/start", {"now": True})[0] == 422
    assert agent.ask("POST", "/v1/vnfs/fw/start", {})[0] == 409
    for lines in ("0", "-1", "5.5", "x", "1e3", "9" * 5000):
        assert agent.ask("GET", f"/v1/vnfs/fw/logs?lines={lines}")[0] == 422


def test_queries_are_judged_as_bodies_are(agent: Agent) -> None:
    running(agent)
    status, told = agent.ask("GET", "/v1/vnfs/fw/logs?lines=-1&vnfc=A&wait=21&aftr=1.2.3")
    assert (status, sorted(each["field"] for each in told["errors"])) == (422, ["aftr", "lines", "vnfc", "wait"])
    for path in ("/v1/vnfs?x=1", "/v1/operations?vnf=fw&vnf=fv", "/v1/operations/none?wait=x", "/v1/agent?a"):
        assert agent.ask("GET", path)[0] == 422, path
    status, told = agent.ask("POST", "/v1/vnfs?x=1", {"name": "FW"})
    assert (status, sorted(each["field"] for each in told["errors"])) == (422, ["name", "package", "x"])
    assert agent.ask("POST", "/v1/packages?x=1", data=b"no zip")[1]["errors"][0]["field"] == "x"
    parameters = agent.ask("GET", "/v1/openapi.json")[1]["paths"]["/v1/vnfs/{name}/logs"]["get"]["parameters"]
    lines = next(each for each in parameters if each["name"] == "lines")
    assert lines["schema"] == {"type": "integer", "minimum": 1, "maximum": 10_000, "default": 100}


def test_log_lines_that_come_later(agent: Agent) -> None:
    running(agent)
    said = agent.state / "run" / "said"
    path = "/v1/vnfs/fw/logs"
    answer = agent.ask("GET", f"{path}?lines=2")[1]
    answers: list[Any] = []
    query = f"after={answer['next']}&wait=20"
    waiting = threading.Thread(target=lambda: answers.append(agent.ask("GET", f"{path}?{query}")))
    waiting.start()
    said.write_text("one\ntwo\n")
    waiting.join()
    assert answers[0][0] == 200 and [line["line"] for line in answers[0][1]["lines"]] == ["one", "two"]
    # without news it is over in time; who waits leaves the keeper to others
    query = f"after={answers[0][1]['next']}&wait=2"
    waiting = [threading.Thread(target=lambda: answers.append(agent.ask("GET", f"{path}?{query}"))) for _ in range(6)]
    for each in waiting:
        each.start()
    assert agent.ask("GET", "/v1/vnfs/fw/stats")[0] == 200
    for each in waiting:
        each.join()
    assert [(status, told["lines"], told["missed"]) for status, told in answers[1:]] == [(200, [], False)] * 6
    agent.kill_keeper("fw")
    while (told := agent.ask("GET", f"{path}?{query}"))[0] != 200:
        assert told[0] == 503
    assert told[1]["missed"] and [line["line"] for line in told[1]["lines"]] == ["one", "two"]


def test_thousands_of_mistakes_are_told_up_to_a_number(agent: Agent) -> None:
    descriptor = "name: many\n" + "".join(f"unknown-{number}: 1\n" for number in range(2000))
    status, told = agent.ask("POST", "/v1/packages", data=package(descriptor=descriptor))
    assert status == 422 and len(told["errors"]) == 501
    assert told["errors"][-1]["found"].endswith("mistakes more")


def test_changed_content_needs_a_new_version(agent: Agent) -> None:
    assert agent.ask("POST", "/v1/packages", data=package())[0] == 201
    assert agent.ask("POST", "/v1/packages", data=package(more="x"))[0] == 409
    assert (
        agent.ask("POST", "/v1/packages", data=package(level=0))[0] == 200
    )  # the same files, packed otherwise
    assert len(list((agent.state / "packages").iterdir())) == 1


@pytest.mark.parametrize("mode, found", [("die", "Segmentation fault"), ("refuse", "a syntax error"),
                                         ("refuse-start", "no wish to")])  # fmt: skip
def test_failed_instantiation_rolls_back(agent: Agent, mode: str, found: str) -> None:
    created(agent)
    operation = agent.operate(
        "fw", "instantiate", {"ports": PORTS, "config": {"a": {"mode": mode}}, "start": True}
    )
    assert operation["state"] == "ROLLED_BACK"
    assert found in json.dumps(operation["errors"])
    assert states(agent) == ("NOT_INSTANTIATED", None)
    assert agent.keeper("fw") is None and not (agent.state / "run" / "fw").exists()
    assert "fw" in (agent.state / "recovered").read_text()
    assert found in json.dumps(agent.ask("GET", "/v1/vnfs/fw")[1]["errors"])
    # the interfaces are free again
    created(agent, "other")
    assert agent.operate("other", "instantiate", {"ports": PORTS})["state"] == "COMPLETED"


def test_failed_stop_rolls_back(agent: Agent) -> None:
    running(agent, config={"a": {"mode": "refuse-stop"}})
    assert agent.operate("fw", "stop")["state"] == "ROLLED_BACK"
    assert states(agent) == ("INSTANTIATED", "STARTED")


def test_keeper_that_dies_during_an_operation(agent: Agent) -> None:
    running(agent, config={"a": {"mode": "exit-stop"}})
    assert agent.operate("fw", "stop")["state"] == "ROLLED_BACK"
    assert agent.over(awaited(agent, "HEAL"))["state"] == "COMPLETED"
    assert states(agent) == ("INSTANTIATED", "STARTED")


def test_sigterm_does_not_wait_for_those_who_wait(agent: Agent) -> None:
    created(agent)
    os.mkfifo(agent.state / "run" / "gate")
    body = {"ports": PORTS, "config": {"a": {"mode": "slow"}}}
    _, operation = agent.ask("POST", "/v1/vnfs/fw/instantiate", body)
    answers: list[tuple[int, Any]] = []
    path = f"/v1/operations/{operation['id']}?wait=20"
    waiting = threading.Thread(target=lambda: answers.append(agent.ask("GET", path)))
    waiting.start()
    while (
        agent.ask("GET", f"/v1/operations/{operation['id']}?wait=1&progress=")[1]["progress"] != "building a"
    ):
        pass
    assert agent.process is not None
    agent.process.terminate()
    waiting.join()
    assert answers[0][1]["state"] == "PROCESSING"
    os.close(os.open(agent.state / "run" / "gate", os.O_WRONLY))  # the operation comes to its end
    assert agent.process.wait(60) == 0
    agent.start()
    assert states(agent) == ("INSTANTIATED", "STOPPED")


def test_two_starts_at_once(agent: Agent) -> None:
    created(agent)
    answers: list[tuple[int, Any]] = []
    barrier = threading.Barrier(6)

    def ask() -> None:
        barrier.wait()
        answers.append(agent.ask("POST", "/v1/vnfs/fw/instantiate", {"ports": PORTS}))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(status for status, _ in answers) == [202, 409, 409, 409, 409, 409]
    [operation] = [body for status, body in answers if status == 202]
    assert agent.over(operation)["state"] == "COMPLETED"
    assert len((agent.state / "run" / "spawned").read_text().split()) == 1


def test_interfaces_are_disjoint(agent: Agent) -> None:
    running(agent)
    created(agent, "second")
    ports = {"in": {"interface": "eth3"}, "out": {"interface": "eth2"}}
    status, body = agent.ask("POST", "/v1/vnfs/second/instantiate", {"ports": ports})
    assert status == 409
    assert [(e["field"], e["found"]) for e in body["errors"]] == [("ports.out.interface", "eth2")]
    ports["out"] = {"interface": "eth3"}
    status, body = agent.ask("POST", "/v1/vnfs/second/instantiate", {"ports": ports})
    assert status == 422 and body["errors"][0]["field"] == "ports.out.interface"
    ports["out"] = {"interface": "eth4"}
    assert agent.operate("second", "instantiate", {"ports": ports})["state"] == "COMPLETED"


def test_config(agent: Agent) -> None:
    running(agent)
    assert agent.ask("GET", "/v1/vnfs/fw/config")[1]["a"] == {"mode": "", "limit": 5, "key": "********"}
    status, config = agent.ask("PATCH", "/v1/vnfs/fw/config", {"a": {"limit": 7}})
    assert status == 200 and config["a"]["limit"] == 7
    for wrong, field in (
        ({"a": {"limit": 11}}, "config.a.limit"),
        ({"a": {"limit": "7"}}, "config.a.limit"),
        ({"a": {"limt": 1}}, "config.a.limt"),
        ({"c": {}}, "config.c"),
        ({"a": 1}, "config.a"),
    ):
        status, body = agent.ask("PATCH", "/v1/vnfs/fw/config", wrong)
        assert (status, body["errors"][0]["field"]) == (422, field)
    # a mask that comes back changes nothing
    assert agent.ask("PATCH", "/v1/vnfs/fw/config", {"a": {"key": "********"}})[0] == 200
    assert (
        json.loads((agent.state / "run" / "fw" / "plan.json").read_text())["config"]["a"]["key"] == "s3cret"
    )
    # b refuses: a is as it was
    both = {"a": {"limit": 9}, "b": {"mode": "refuse-configure"}}
    assert agent.ask("PATCH", "/v1/vnfs/fw/config", both)[0] == 422
    assert agent.ask("GET", "/v1/vnfs/fw/config")[1]["a"]["limit"] == 7
    assert agent.ask("PUT", "/v1/vnfs/fw/config", {"b": {"mode": "x"}})[0] == 200
    config = agent.ask("GET", "/v1/vnfs/fw/config")[1]
    assert (config["a"]["limit"], config["b"]["mode"]) == (5, "x")
    agent.kill()
    agent.start()
    assert agent.ask("GET", "/v1/vnfs/fw/config")[1] == config


ASKED_FOR = ["hits", "add", "sleep", "reset", "list", "health", "metrics"]


def test_agent_requests(agent: Agent) -> None:
    running(agent)
    assert [r["name"] for r in agent.ask("GET", "/v1/vnfs/fw/requests")[1]["a"]] == ASKED_FOR

    def ask(body: Any) -> tuple[int, Any]:
        return agent.ask("POST", "/v1/vnfs/fw/requests", body)

    assert ask({"vnfc": "a", "request": "hits"})[1]["value"] == 42
    assert ask({"vnfc": "a", "request": "add", "args": [2, 3]})[1]["value"] == 5
    assert ask({"vnfc": "a", "request": "add", "args": {"x": 2}})[1]["value"] == 3
    assert ask({"vnfc": "a", "request": "add", "args": {"z": 2}})[0] == 422
    status, body = ask({"vnfc": "a", "request": "hit"})
    assert status == 404 and "did you mean hits?" in body["detail"]
    assert ask({"vnfc": "c", "request": "hits"})[0] == 404
    assert [r["name"] for r in ask({"vnfc": "a", "request": "list"})[1]["value"]] == ASKED_FOR
    assert ask({"vnfc": "a", "request": "sleep"})[0] == 504


def test_who_may_ask(agent: Agent) -> None:
    assert stat.S_IMODE((agent.state / "token").stat().st_mode) == 0o600
    for given, status in (
        ("", 401), ("Bearer wrong", 401), (f"Basic {agent.token}", 400), ("Bear x", 400), ("Bearer", 400),
    ):  # fmt: skip
        assert agent.ask("GET", "/v1/vnfs", Authorization=given)[0] == status
    assert agent.ask("GET", "/v1/vnfs", Origin="http://evil.example")[0] == 403


def test_without_authentication_only_for_local_names(tmp_path: Path) -> None:
    agent = Agent(tmp_path / "state", authenticate=False).start()
    try:
        assert agent.ask("GET", "/v1/vnfs")[0] == 200
        assert agent.ask("GET", "/v1/vnfs", Host="evil.example")[0] == 403
    finally:
        agent.clean()


def test_killed_keeper_is_replaced(agent: Agent) -> None:
    running(agent)
    old = agent.kill_keeper("fw")
    healing = awaited(agent, "HEAL")
    assert agent.over(healing)["state"] == "COMPLETED"
    assert states(agent) == ("INSTANTIATED", "STARTED")
    assert agent.keeper("fw") not in (None, old)
    assert agent.ask("GET", "/v1/vnfs/fw/stats")[1]["state"] == "STARTED"


def awaited(agent: Agent, kind: str) -> dict[str, Any]:
    """The first operation of a kind, which begins by itself."""
    while True:
        for operation in agent.ask("GET", "/v1/operations?vnf=fw")[1]["operations"]:
            if operation["operation"] == kind:
                return operation
        select.select([], [], [], 0.02)


def test_killed_agent_adopts_what_runs(agent: Agent) -> None:
    running(agent)
    pid = agent.keeper("fw")
    agent.kill()
    assert agent.keeper("fw") == pid
    agent.start()
    assert states(agent) == ("INSTANTIATED", "STARTED")
    assert agent.keeper("fw") == pid
    # an adopted keeper is watched as well
    agent.kill_keeper("fw")
    assert agent.over(awaited(agent, "HEAL"))["state"] == "COMPLETED"
    assert agent.operate("fw", "terminate")["state"] == "COMPLETED"


def test_sigterm_leaves_keepers_running(agent: Agent) -> None:
    running(agent)
    pid = agent.keeper("fw")
    assert agent.stop() == 0
    assert agent.keeper("fw") == pid
    agent.start()
    assert agent.operate("fw", "stop")["state"] == "COMPLETED"


def test_agent_and_keeper_killed(agent: Agent) -> None:
    running(agent)
    agent.kill()
    agent.kill_keeper("fw")
    agent.start()
    assert agent.over(awaited(agent, "HEAL"))["state"] == "COMPLETED"
    assert states(agent) == ("INSTANTIATED", "STARTED")


def test_boot_clears_the_runtime_folder(agent: Agent) -> None:
    running(agent)
    agent.kill()
    agent.kill_keeper("fw")
    import shutil

    shutil.rmtree(agent.state / "run")
    agent.start()
    assert agent.over(awaited(agent, "HEAL"))["state"] == "COMPLETED"
    assert states(agent) == ("INSTANTIATED", "STARTED")


def test_agent_killed_while_instantiating(agent: Agent) -> None:
    created(agent)
    os.mkfifo(agent.state / "run" / "gate")
    body = {"ports": PORTS, "config": {"a": {"mode": "slow"}}}
    _, operation = agent.ask("POST", "/v1/vnfs/fw/instantiate", body)
    while (
        agent.ask("GET", f"/v1/operations/{operation['id']}?wait=1&progress=")[1]["progress"] != "building a"
    ):
        pass
    assert agent.ask("POST", "/v1/vnfs/fw/stop")[0] == 409
    assert agent.ask("DELETE", "/v1/vnfs/fw")[0] == 409
    agent.kill()
    agent.start()
    operation = agent.over(operation)
    assert operation["state"] == "ROLLED_BACK"
    assert "agent ended" in operation["errors"][0]["found"]
    assert agent.keeper("fw") is None
    assert states(agent) == ("NOT_INSTANTIATED", None)


def test_full_disk(tmp_path: Path) -> None:
    agent = Agent(tmp_path / "state", file_limit=300_000).start()
    try:
        noise = os.urandom(400_000).hex()
        status, body = agent.ask("POST", "/v1/packages", data=package(noise=noise))
        assert status == 507 and "space" in body["title"]
        assert not list((agent.state / "packages").iterdir())
        assert agent.ask("POST", "/v1/packages", data=package())[0] == 201
    finally:
        agent.clean()


#: What docs/api.md and clients rely on, method by method; who adds a route adds it here.
OFFERED = {
    "/v1/openapi.json": "GET", "/v1/agent": "GET", "/metrics": "GET",
    "/v1/packages": "GET POST", "/v1/packages/{id}": "GET DELETE",
    "/v1/vnfs": "GET POST", "/v1/vnfs/{name}": "GET DELETE",
    "/v1/vnfs/{name}/instantiate": "POST", "/v1/vnfs/{name}/start": "POST", "/v1/vnfs/{name}/stop": "POST",
    "/v1/vnfs/{name}/terminate": "POST",
    "/v1/vnfs/{name}/upgrade": "POST",
    "/v1/vnfs/{name}/bottleneck": "GET",
    "/v1/vnfs/{name}/trace": "GET", "/v1/vnfs/{name}/capture": "GET",
    "/v1/vnfs/{name}/why": "GET POST",
    "/v1/vnfs/{name}/chain": "GET", "/v1/interfaces": "GET",
    "/v1/vnfs/{name}/stats": "GET", "/v1/vnfs/{name}/metrics": "GET",
    "/v1/vnfs/{name}/health": "GET", "/v1/vnfs/{name}/logs": "GET",
    "/v1/vnfs/{name}/config": "GET PUT PATCH", "/v1/vnfs/{name}/requests": "GET POST",
    "/v1/vnfs/{name}/paths": "GET PUT",
    "/v1/operations": "GET", "/v1/operations/{id}": "GET",
    "/v1/subscriptions": "GET", "/vnfind/v1/subscriptions": "GET POST",
    "/vnfind/v1/subscriptions/{subscriptionId}": "GET DELETE",
    "/lcmcoord/v1/coordinations": "POST", "/lcmcoord/v1/coordinations/{coordinationId}": "GET",
    "/lcmcoord/v1/coordinations/{coordinationId}/cancel": "POST",
    "/v1/tokens": "GET POST", "/v1/tokens/{name}": "DELETE", "/oauth2/token": "POST",
    "/vnfconfig/v1/configuration": "GET PATCH",
    "/vnfind/v1/indicators": "GET", "/vnfind/v1/indicators/{vnfInstanceId}": "GET",
    "/vnfind/v1/indicators/{vnfInstanceId}/{indicatorId}": "GET",
    "/vnflcm/v2/vnf_instances": "GET POST", "/vnflcm/v2/vnf_instances/{vnfInstanceId}": "GET PATCH DELETE",
    **{f"/vnflcm/v2/vnf_instances/{{vnfInstanceId}}/{task}": "POST" for task in (
        "instantiate", "operate", "heal", "terminate", "change_ext_conn", "change_vnfpkg")},
    "/vnflcm/v2/vnf_lcm_op_occs": "GET", "/vnflcm/v2/vnf_lcm_op_occs/{vnfLcmOpOccId}": "GET",
    **{f"/vnflcm/v2/vnf_lcm_op_occs/{{vnfLcmOpOccId}}/{decision}": "POST" for decision in (
        "retry", "rollback", "fail", "cancel")},
    "/vnflcm/v2/subscriptions": "GET POST", "/vnflcm/v2/subscriptions/{subscriptionId}": "GET DELETE",
    "/vnfpm/v2/pm_jobs": "GET POST", "/vnfpm/v2/pm_jobs/{pmJobId}": "GET PATCH DELETE",
    "/vnfpm/v2/pm_jobs/{pmJobId}/reports/{reportId}": "GET",
    "/vnfpm/v2/thresholds": "GET POST", "/vnfpm/v2/thresholds/{thresholdId}": "GET PATCH DELETE",
    "/vnffm/v1/alarms": "GET", "/vnffm/v1/alarms/{alarmId}": "GET PATCH",
    "/vnffm/v1/subscriptions": "GET POST", "/vnffm/v1/subscriptions/{subscriptionId}": "GET DELETE",
    "/{interface}/api_versions": "GET", "/{interface}/{major}/api_versions": "GET",
}  # fmt: skip


def test_the_document_and_the_agent_offer_the_same(agent: Agent) -> None:
    document = agent.ask("GET", "/v1/openapi.json")[1]
    assert document["openapi"].startswith("3.1")
    assert {path: " ".join(map(str.upper, item)) for path, item in document["paths"].items()} == OFFERED
    # the agent itself: a method answers where it should, and nowhere else
    for path, methods in OFFERED.items():
        asked = re.sub(r"\{\w+\}", "none", path)
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            status = agent.raw(method, asked)
            assert (status == 405) == (method not in methods.split()), (method, path, status)
    names = set(document["components"]["schemas"])
    used = set()
    identities = []

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if "$ref" in node:
                used.add(node["$ref"].removeprefix("#/components/schemas/"))
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(document)
    assert used <= names
    from jsonschema import Draft202012Validator

    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    for path, item in document["paths"].items():
        for operation in item.values():
            identities.append(operation["operationId"])
            declared = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
            assert declared == {part[1:-1] for part in path.split("/") if part.startswith("{")}
    assert len(identities) == len(set(identities))


def test_all_mistakes_of_a_request_at_once(agent: Agent) -> None:
    created(agent)
    status, body = agent.ask("POST", "/v1/vnfs", {"nam": "x", "package": 1})
    assert (status, sorted(e["field"] for e in body["errors"])) == (422, ["nam", "name", "package"])
    wrong = {
        "ports": {"in": {"interface": "a/b", "take": "no"}, "ot": "x"}, "start": 1, "latenzy": "low",
        "config": {"a": {"limit": 11, "limt": 1}, "b": 3, "c": {}},
    }  # fmt: skip
    status, body = agent.ask("POST", "/v1/vnfs/fw/instantiate", wrong)
    assert status == 422
    assert sorted(e["field"] for e in body["errors"]) == [
        "config.a.limit", "config.a.limt", "config.b", "config.c", "latenzy", "ports.in.interface", "ports.in.take",
        "ports.ot", "ports.out.interface", "start",
    ]  # fmt: skip
    assert agent.ask("GET", "/v1/vnfs/fw")[1]["ports"] == {} and agent.ask("GET", "/v1/operations")[1] == {
        "operations": []
    }
    for method in ("PUT", "PATCH"):
        status, body = agent.ask(method, "/v1/vnfs/fw/config", {"a": {"limit": 11}, "b": 3})
        assert (status, sorted(e["field"] for e in body["errors"])) == (422, ["config.a.limit", "config.b"])
    assert agent.ask("GET", "/v1/vnfs/fw/config")[1]["a"]["limit"] == 5
    status, body = agent.ask("POST", "/v1/vnfs/fw/requests", {"vnfc": 1, "args": "x"})
    assert (status, sorted(e["field"] for e in body["errors"])) == (422, ["args", "request", "vnfc"])
    status, body = agent.ask("PUT", "/v1/vnfs/fw/paths", {"paths": [{"spi": "1", "chain": "main"}]})
    assert (status, [e["field"] for e in body["errors"]]) == (422, ["paths.0.spi"])


def test_an_interface_alone_is_a_binding(agent: Agent) -> None:
    created(agent)
    ports = {"in": "eth1", "out": {"interface": "eth2", "take": True}}
    assert agent.operate("fw", "instantiate", {"ports": ports})["state"] == "COMPLETED"
    assert agent.ask("GET", "/v1/vnfs/fw")[1]["ports"] == {
        "in": {"interface": "eth1", "backend": "auto", "take": False},
        "out": {"interface": "eth2", "backend": "auto", "take": True},
    }


def test_uploads_are_bytes(agent: Agent) -> None:
    """What curl and browsers call a file that they do not know is one, too."""
    assert agent.ask("POST", "/v1/packages", data=package(), Content_Type="application/octet-stream")[0] == 201
    assert agent.ask("POST", "/v1/packages", data=package(), Content_Type="application/zip; x=y")[0] == 200
    status, body = agent.ask("POST", "/v1/packages", data=package(), Content_Type="text/plain")
    assert (status, body["errors"][0]["expected"]) == (415, "application/zip or application/octet-stream")


def test_delete_waits_for_the_end_of_a_termination(agent: Agent) -> None:
    running(agent)
    status, ending = agent.ask("POST", "/v1/vnfs/fw/terminate")
    assert status == 202
    assert agent.ask("DELETE", "/v1/vnfs/fw")[0] == 204
    assert agent.ask("GET", f"/v1/operations/{ending['id']}")[1]["state"] == "COMPLETED"
    assert agent.ask("GET", "/v1/vnfs/fw")[0] == 404 and agent.keeper("fw") is None


def test_answers_are_as_the_document_says(agent: Agent) -> None:
    from jsonschema import Draft202012Validator

    document = agent.ask("GET", "/v1/openapi.json")[1]
    running(agent)
    for path, schema in (
        ("/v1/vnfs", "Vnfs"),
        ("/v1/packages", "Packages"),
        ("/v1/operations", "Operations"),
        ("/v1/vnfs/fw/stats", "Stats"),
        ("/v1/vnfs/fw/health", "Health"),
        ("/v1/agent", "Agent"),
        ("/v1/vnfs/fw/config", "Config"),
        ("/v1/vnfs/fw/requests", "Requests"),
        ("/v1/vnfs/fw/logs", "Logs"),
        ("/v1/nothing", "Problem"),
    ):
        validator = Draft202012Validator({**document, "$ref": f"#/components/schemas/{schema}"})
        assert list(validator.iter_errors(agent.ask("GET", path)[1])) == [], path


def test_second_agent_and_taken_port(agent: Agent) -> None:
    from coven.serve.server import listen, lock
    from itf.mistakes import Refused

    with pytest.raises(Refused, match="already serving"):
        lock(type("Places", (), {"state": agent.state})())
    port = int(agent.url.rpartition(":")[2])
    with pytest.raises(Refused) as caught:
        listen("127.0.0.1", port)
    assert "something else listens" in str(caught.value)
    with pytest.raises(Refused, match="loopback"):
        listen("0.0.0.0", 0)
