"""VNF Lifecycle Management (SOL002 5) over HTTP; keepers are `fake_keeper.py`."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.integration.agent.test_agent import DESCRIPTOR, package, states
from tests.rigs.agent import OVER, Agent
from tests.rigs.keeper import wait_for

INSTANCES, OCCURRENCES = "/vnflcm/v2/vnf_instances", "/vnflcm/v2/vnf_lcm_op_occs"


def link(port: str, interface: str) -> dict[str, Any]:
    """A virtual link with one port, whose link port names the interface."""
    return {
        "id": f"vl-{port}", "resourceId": f"net-{port}",
        "extCps": [{"cpdId": f"{port}_ext", "cpConfig": {"1": {"linkPortId": f"lp-{port}"}}}],
        "extLinkPorts": [{"id": f"lp-{port}", "resourceHandle": {"vimConnectionId": "vim", "resourceId": interface}}],
    }  # fmt: skip


LINKS = [link("in", "eth1"), link("out", "eth2")]
NOT_OFFERED = ["scale", "scale_to_level", "change_flavour", "create_snapshot", "revert_to_snapshot", "select_depl_mods"]


class Vnf:
    """An instance, by its id."""

    def __init__(self, agent: Agent, name: str | None = "fw", **more: Any):
        self.agent = agent
        status, vnf = agent.ask("POST", "/v1/packages", data=package())
        assert status in (200, 201)
        body = {"vnfdId": vnf["vnfd_id"], **({"vnfInstanceName": name} if name else {}), **more}
        status, made = agent.ask("POST", INSTANCES, body)
        assert status == 201, made
        assert agent.headers["Location"] == made["_links"]["self"]["href"] == f"{agent.url}{INSTANCES}/{made['id']}"
        self.made = made
        self.path = f"{INSTANCES}/{made['id']}"

    def shown(self) -> Any:
        status, found = self.agent.ask("GET", self.path)
        assert status == 200, found
        return found

    def begin(self, task: str, body: Any) -> str:
        """The path of the operation that a task begins."""
        method, path = ("PATCH", self.path) if task == "" else ("POST", f"{self.path}/{task}")
        status, told = self.agent.ask(method, path, body)
        assert (status, told) == (202, None)
        return self.agent.headers["Location"].removeprefix(self.agent.url)

    def until(self, path: str, *wanted: str) -> Any:
        return wait_for(lambda: (found := self.agent.ask("GET", path)[1])["operationState"] in wanted and found)

    def does(self, task: str, body: Any) -> Any:
        """The operation's occurrence when it is over or rests."""
        return self.until(self.begin(task, body), *OVER, "FAILED_TEMP")

    def instantiate(self, **config: Any) -> Any:
        body = {"flavourId": "default", "extVirtualLinks": LINKS}
        return self.does("instantiate", {**body, "vnfConfigurableProperties": config} if config else body)

    def decide(self, occurrence: Any, decision: str, expected: int = 202) -> Any:
        status, told = self.agent.ask("POST", f"{OCCURRENCES}/{occurrence['id']}/{decision}")
        assert status == expected, told
        return told


def test_whole_life(agent: Agent) -> None:
    vnf = Vnf(agent, vnfInstanceDescription="a firewall", metadata={"site": 7})
    assert vnf.made["instantiationState"] == "NOT_INSTANTIATED" and "instantiatedVnfInfo" not in vnf.made
    assert vnf.made["vnfProductName"] == "fw" and vnf.made["metadata"] == {"site": 7}
    assert set(vnf.made["_links"]) == {"self", "indicators", "instantiate"}
    assert agent.ask("GET", "/v1/vnfs/fw")[1]["id"] == vnf.made["id"], "it is the same VNF"
    occurrence = vnf.instantiate()
    assert occurrence["operationState"] == "COMPLETED", occurrence
    assert occurrence["operation"] == "INSTANTIATE" and occurrence["isAutomaticInvocation"] is False
    assert [each["changeType"] for each in occurrence["resourceChanges"]["affectedVnfcs"]] == ["ADDED", "ADDED"]
    assert states(agent) == ("INSTANTIATED", "STARTED")
    info = vnf.shown()["instantiatedVnfInfo"]
    assert (info["flavourId"], info["vnfState"]) == ("default", "STARTED")
    assert [(each["id"], each["cpdId"], each["extLinkPortId"]) for each in info["extCpInfo"]] == [
        ("in", "in_ext", "lp-in"), ("out", "out_ext", "lp-out")]  # fmt: skip
    assert [each["extLinkPorts"][0]["cpInstanceId"] for each in info["extVirtualLinkInfo"]] == ["in", "out"]
    handle = info["extVirtualLinkInfo"][0]["extLinkPorts"][0]["resourceHandle"]
    assert handle == {"vimConnectionId": "vim", "resourceId": "eth1"}, "as it was stated"
    configured = agent.ask("GET", "/vnfconfig/v1/configuration")[1]["vnfcConfigurationData"]
    ids = [each["vnfcInstanceId"] for each in configured]
    assert [each["id"] for each in info["vnfcResourceInfo"]] == ids, "as vnfconfig calls them"
    assert vnf.does("operate", {"changeStateTo": "STOPPED"})["operationState"] == "COMPLETED"
    assert agent.ask("POST", f"{vnf.path}/operate", {"changeStateTo": "STOPPED"})[0] == 409
    before = agent.keeper("fw")
    assert vnf.does("heal", {"cause": "to see", "vnfcInstanceId": ids[:1]})["operationState"] == "COMPLETED"
    assert agent.keeper("fw") != before and states(agent) == ("INSTANTIATED", "STOPPED")
    assert agent.operate("fw", "start")["state"] == "COMPLETED"
    assert agent.ask("DELETE", vnf.path)[0] == 409
    assert vnf.does("terminate", {"terminationType": "FORCEFUL"})["operationState"] == "COMPLETED"
    listed = agent.ask("GET", f"{OCCURRENCES}?filter=(eq,vnfInstanceId,{vnf.made['id']})&all_fields")[1]
    assert sorted(each["operation"] for each in listed) == ["HEAL", "INSTANTIATE", "OPERATE", "OPERATE", "TERMINATE"]
    assert {each["id"] for each in listed} == {
        each["id"] for each in agent.ask("GET", "/v1/operations")[1]["operations"]}, "the same operations"  # fmt: skip
    [by_us] = [each for each in listed if each["operationParams"] == {"changeStateTo": "STARTED"}]
    assert by_us["operation"] == "OPERATE"
    assert agent.ask("DELETE", vnf.path)[0] == 204
    assert agent.ask("GET", vnf.path)[0] == 404 and agent.ask("GET", INSTANCES) == (200, [])


def test_lists_leave_out_what_is_long(agent: Agent) -> None:
    vnf = Vnf(agent)
    assert vnf.instantiate()["operationState"] == "COMPLETED"
    [short] = agent.ask("GET", INSTANCES)[1]
    assert "instantiatedVnfInfo" not in short and short["instantiationState"] == "INSTANTIATED"
    [whole] = agent.ask("GET", f"{INSTANCES}?all_fields")[1]
    assert whole == vnf.shown() and whole["vnfConfigurableProperties"]["a"]["key"] == "********"
    [some] = agent.ask("GET", f"{INSTANCES}?fields=instantiatedVnfInfo/vnfState")[1]
    assert some["instantiatedVnfInfo"]["vnfState"] == "STARTED"
    assert agent.ask("GET", f"{INSTANCES}?filter=(eq,instantiatedVnfInfo/vnfState,STOPPED)")[1] == []
    assert len(agent.ask("GET", f"{INSTANCES}?filter=(eq,vnfInstanceName,fw)")[1]) == 1
    [occurrence] = agent.ask("GET", f"{OCCURRENCES}?filter=(eq,operation,INSTANTIATE)")[1]
    assert "operationParams" not in occurrence


def test_names(agent: Agent) -> None:
    odd = Vnf(agent, "The Firewall, first")
    assert odd.shown()["vnfInstanceName"] == "The Firewall, first"
    plain, twice, none = Vnf(agent, "fw"), Vnf(agent, "fw"), Vnf(agent, None)
    assert plain.shown()["vnfInstanceName"] == twice.shown()["vnfInstanceName"] == "fw"
    names = {vnf["id"]: vnf["name"] for vnf in agent.ask("GET", "/v1/vnfs")[1]["vnfs"]}
    assert names[plain.made["id"]] == "fw" and len(set(names.values())) == 4
    assert none.shown()["vnfInstanceName"] == names[none.made["id"]]
    assert all(name.startswith("fw") for name in names.values())


def test_what_fails_rests_until_somebody_decides(agent: Agent) -> None:
    vnf = Vnf(agent)
    failed = vnf.instantiate(a={"mode": "die"})
    assert failed["operationState"] == "FAILED_TEMP" and "Segmentation fault" in failed["error"]["detail"]
    assert {"retry", "rollback", "fail"} <= set(failed["_links"]) and "cancel" not in failed["_links"]
    assert agent.keeper("fw") is None and not (agent.state / "run" / "fw").exists(), "nothing is left half done"
    path = f"{OCCURRENCES}/{failed['id']}"

    def blocked() -> None:
        for task, body in (("instantiate", {"flavourId": "default", "extVirtualLinks": LINKS}),
                           ("terminate", {"terminationType": "GRACEFUL"}), ("heal", {})):  # fmt: skip
            status, told = agent.ask("POST", f"{vnf.path}/{task}", body)
            assert status == 409 and failed["id"] in told["detail"] and "rollback" in told["detail"], told
        assert agent.ask("POST", "/v1/vnfs/fw/terminate")[0] == agent.ask("DELETE", "/v1/vnfs/fw")[0] == 409
        assert agent.ask("PATCH", "/v1/vnfs/fw/config", {"a": {"limit": 3}})[0] == 409
        assert agent.ask("PATCH", vnf.path, {"metadata": {}})[0] == agent.ask("DELETE", vnf.path)[0] == 409

    blocked()
    other = Vnf(agent, "other")
    status, told = agent.ask("POST", f"{other.path}/instantiate", {"flavourId": "default", "extVirtualLinks": LINKS})
    assert status == 409 and "fw has it" in told["detail"], "its interfaces are still spoken for"
    assert agent.ask("GET", f"/v1/operations/{failed['id']}?wait=20")[1]["resting"] is True
    agent.kill()
    agent.start()
    assert agent.ask("GET", path)[1]["operationState"] == "FAILED_TEMP"
    blocked()
    agent.stop()
    agent.start()
    vnf.decide(failed, "retry")
    again = vnf.until(path, "FAILED_TEMP")
    assert agent.ask("POST", f"{path}/cancel", {"cancelMode": "FORCEFUL"})[0] == 409, "it rests again"
    assert again["stateEnteredTime"] > failed["stateEnteredTime"] and again["startTime"] == failed["startTime"]
    vnf.decide(failed, "rollback")
    assert "Segmentation fault" in vnf.until(path, "ROLLED_BACK")["error"]["detail"]
    for decision in ("retry", "rollback", "fail"):
        vnf.decide(failed, decision, 409)
    assert vnf.shown()["instantiationState"] == "NOT_INSTANTIATED"
    failed = vnf.instantiate(a={"mode": "refuse"})
    told = vnf.decide(failed, "fail", 200)
    assert (told["operationState"], told["id"]) == ("FAILED", failed["id"])
    assert vnf.instantiate(a={"mode": ""})["operationState"] == "COMPLETED"


def test_a_retry_may_succeed(agent: Agent) -> None:
    vnf = Vnf(agent)
    assert vnf.instantiate(a={"mode": "refuse-stop"})["operationState"] == "COMPLETED"
    failed = vnf.does("operate", {"changeStateTo": "STOPPED"})
    assert failed["operationState"] == "FAILED_TEMP" and states(agent) == ("INSTANTIATED", "STARTED")
    assert agent.ask("POST", "/v1/vnfs/fw/stop")[0] == 409
    (agent.state / "run" / "mode").write_text("")
    vnf.decide(failed, "retry")
    assert vnf.until(f"{OCCURRENCES}/{failed['id']}", *OVER)["operationState"] == "COMPLETED"
    assert states(agent) == ("INSTANTIATED", "STOPPED")


def test_a_keeper_that_dies_while_an_operation_rests_comes_back_when_it_is_decided(agent: Agent) -> None:
    vnf = Vnf(agent)
    assert vnf.instantiate(a={"mode": "refuse-stop"})["operationState"] == "COMPLETED"
    failed = vnf.does("operate", {"changeStateTo": "STOPPED"})
    assert failed["operationState"] == "FAILED_TEMP"
    agent.kill_keeper("fw")
    agent.kill()
    agent.start()
    assert agent.keeper("fw") is None
    vnf.decide(failed, "fail", 200)
    wait_for(lambda: agent.keeper("fw"))
    healed = f"{OCCURRENCES}?filter=(eq,operation,HEAL);(eq,operationState,COMPLETED)"
    occurrences = wait_for(lambda: agent.ask("GET", healed)[1])
    assert [each["isAutomaticInvocation"] for each in occurrences] == [True]
    assert states(agent) == ("INSTANTIATED", "STARTED")


def test_a_failed_heal(agent: Agent) -> None:
    vnf = Vnf(agent)
    assert vnf.instantiate()["operationState"] == "COMPLETED"
    assert agent.ask("PATCH", "/v1/vnfs/fw/config", {"a": {"mode": "die"}})[0] == 200
    failed = vnf.does("heal", {})
    assert failed["operationState"] == "FAILED_TEMP" and states(agent) == ("INSTANTIATED", "STARTED")
    (agent.state / "run" / "mode").write_text("")
    vnf.decide(failed, "rollback")
    assert vnf.until(f"{OCCURRENCES}/{failed['id']}", *OVER)["operationState"] == "ROLLED_BACK"
    wait_for(lambda: agent.keeper("fw"))  # as whenever it has lost its keeper


def test_cancel(agent: Agent) -> None:
    vnf = Vnf(agent)
    os.mkfifo(agent.state / "run" / "gate")
    body = {"flavourId": "default", "extVirtualLinks": LINKS, "additionalParams": {"config": {"a": {"mode": "slow"}}}}
    path = vnf.begin("instantiate", body)
    shown = vnf.until(path, "PROCESSING")
    assert "cancel" in shown["_links"] and "retry" not in shown["_links"]
    status, told = agent.ask("POST", f"{path}/cancel", {"cancelMode": "FORCEFUL"})
    assert (status, told) == (202, None) and agent.headers["Location"] == agent.url + path
    rests = vnf.until(path, "FAILED_TEMP")
    assert rests["isCancelPending"] is False and "cancelled" in rests["error"]["detail"]
    assert agent.ask("POST", f"{path}/cancel", {"cancelMode": "GRACEFUL"})[0] == 409
    assert agent.ask("POST", f"{path}/cancel", {})[0] == 422
    vnf.decide(rests, "rollback")
    assert vnf.until(path, *OVER)["operationState"] == "ROLLED_BACK"


def test_a_termination_under_v1_cuts_short(agent: Agent) -> None:
    vnf = Vnf(agent)
    os.mkfifo(agent.state / "run" / "gate")
    path = vnf.begin("instantiate", {"flavourId": "default", "extVirtualLinks": LINKS,
                                     "vnfConfigurableProperties": {"a": {"mode": "slow"}}})  # fmt: skip
    vnf.until(path, "PROCESSING")
    assert agent.ask("POST", f"{vnf.path}/terminate", {"terminationType": "FORCEFUL"})[0] == 409
    assert agent.operate("fw", "terminate")["state"] == "COMPLETED"
    assert agent.ask("GET", path)[1]["operationState"] == "ROLLED_BACK"


def test_modify(agent: Agent) -> None:
    vnf = Vnf(agent, metadata={"a": 1, "b": 2})
    assert vnf.instantiate()["operationState"] == "COMPLETED"
    ids = {each["metadata"]["name"]: each["id"] for each in vnf.shown()["instantiatedVnfInfo"]["vnfcResourceInfo"]}
    body = {
        "vnfInstanceName": "Edge", "vnfInstanceDescription": "d", "metadata": {"a": None, "c": {"x": 1}},
        "extensions": {"e": 1}, "vnfConfigurableProperties": {"a": {"limit": 6, "key": "other"}},
        "vnfcInfoModifications": [{"id": ids["b"], "vnfcConfigurableProperties": {"mode": "quiet"}}],
    }  # fmt: skip
    done = vnf.does("", body)
    assert (done["operation"], done["operationState"]) == ("MODIFY_INFO", "COMPLETED")
    assert done["changedInfo"]["vnfConfigurableProperties"] == {"a": {"limit": 6, "key": "********"}}, "no secrets"
    shown = vnf.shown()
    assert (shown["vnfInstanceName"], shown["vnfInstanceDescription"]) == ("Edge", "d")
    assert shown["metadata"] == {"b": 2, "c": {"x": 1}} and shown["extensions"] == {"e": 1}
    config = agent.ask("GET", "/v1/vnfs/fw/config")[1]
    assert (config["a"]["limit"], config["b"]["mode"]) == (6, "quiet")
    tag = agent.ask("GET", vnf.path) and agent.headers["ETag"]
    assert agent.ask("PATCH", vnf.path, {"metadata": None}, If_Match='"x"')[0] == 412
    assert agent.ask("PATCH", vnf.path, {"metadata": None}, If_Match=tag)[0] == 202
    vnf.until(agent.headers["Location"].removeprefix(agent.url), "COMPLETED")
    assert "metadata" not in vnf.shown()
    wrong = {"vnfdId": "x", "vnfConfigurableProperties": {"a": {"limit": 11}, "c": {}},
             "vnfcInfoModifications": [{"id": "x", "vnfcConfigurableProperties": {}}]}  # fmt: skip
    status, told = agent.ask("PATCH", vnf.path, wrong)
    assert status == 422 and sorted(each["field"] for each in told["errors"]) == [
        "vnfConfigurableProperties.a.limit", "vnfConfigurableProperties.c", "vnfcInfoModifications.0.id", "vnfdId",
    ]  # fmt: skip
    failed = vnf.does("", {"vnfInstanceName": "no", "vnfConfigurableProperties": {"a": {"mode": "refuse-configure"}}})
    assert failed["operationState"] == "FAILED_TEMP" and vnf.shown()["vnfInstanceName"] == "Edge", "all or nothing"
    vnf.decide(failed, "fail", 200)


def test_other_interfaces(agent: Agent) -> None:
    vnf = Vnf(agent)
    assert agent.ask("POST", f"{vnf.path}/change_ext_conn", {"extVirtualLinks": [link("in", "eth3")]})[0] == 409
    assert vnf.instantiate()["operationState"] == "COMPLETED"
    done = vnf.does("change_ext_conn", {"extVirtualLinks": [link("in", "eth3")]})
    assert (done["operation"], done["operationState"]) == ("CHANGE_EXT_CONN", "COMPLETED")
    assert [each["id"] for each in done["changedExtConnectivity"]] == ["vl-in"]
    ports = agent.ask("GET", "/v1/vnfs/fw")[1]["ports"]
    assert {name: each["interface"] for name, each in ports.items()} == {"in": "eth3", "out": "eth2"}
    assert states(agent) == ("INSTANTIATED", "STARTED")
    on = {each["id"]: each["extLinkPorts"][0]["resourceHandle"]["resourceId"]
          for each in vnf.shown()["instantiatedVnfInfo"]["extVirtualLinkInfo"]}  # fmt: skip
    assert on == {"vl-in": "eth3", "vl-out": "eth2"}
    (agent.state / "run" / "unusable").write_text("eth9")
    failed = vnf.does("change_ext_conn", {"extVirtualLinks": [link("out", "eth9")]})
    assert failed["operationState"] == "FAILED_TEMP" and "eth9" in failed["error"]["detail"]
    ports = agent.ask("GET", "/v1/vnfs/fw")[1]["ports"]
    assert ports["out"]["interface"] == "eth2" and agent.keeper("fw"), "it runs as it did"
    pid = agent.keeper("fw")
    vnf.decide(failed, "rollback")
    assert vnf.until(f"{OCCURRENCES}/{failed['id']}", *OVER)["operationState"] == "ROLLED_BACK"
    assert agent.keeper("fw") == pid and states(agent) == ("INSTANTIATED", "STARTED")


def test_another_version(agent: Agent) -> None:
    vnf = Vnf(agent)
    newer = agent.ask("POST", "/v1/packages", data=package(DESCRIPTOR.replace('"1.0"', '"1.1"')))[1]
    body = {"vnfdId": newer["vnfd_id"]}
    assert agent.ask("POST", f"{vnf.path}/change_vnfpkg", body)[0] == 409
    assert vnf.instantiate()["operationState"] == "COMPLETED"
    done = vnf.does("change_vnfpkg", body)
    assert done["operation"] == "CHANGE_VNFPKG", done
    assert done["operationState"] == "FAILED_TEMP" and "upgrade" in done["error"]["detail"], "a played keeper cannot"
    vnf.decide(done, "fail", 200)
    assert vnf.shown()["vnfdVersion"] == "1.0"


@pytest.mark.parametrize("task", NOT_OFFERED)
def test_what_there_is_not(agent: Agent, task: str) -> None:
    assert agent.raw("POST", f"{Vnf(agent).path}/{task}") == 404


def test_mistakes(agent: Agent) -> None:
    vnf = Vnf(agent)
    two = {"id": "vl", "resourceId": "net", "extCps": [{"cpdId": "in_ext"}, {"cpdId": "ot_ext"}, {"cpdId": "in"}]}
    body = {"flavourId": "big", "extVirtualLinks": [two], "vnfConfigurableProperties": {"a": {"limit": 11}}}
    status, told = agent.ask("POST", f"{vnf.path}/instantiate", body)
    assert status == 422
    assert sorted((each["field"], each["found"]) for each in told["errors"]) == [
        ("config.a.limit", "11 is greater than the maximum of 10"),
        ("extVirtualLinks", "nothing"),
        ("extVirtualLinks.0.extCps.0", "no interface"),
        ("extVirtualLinks.0.extCps.1.cpdId", "ot_ext"),
        ("extVirtualLinks.0.extCps.2.cpdId", "in twice"),
        ("flavourId", "big"),
    ]  # fmt: skip
    mac = {"layerProtocol": "IP_OVER_ETHERNET", "ipOverEthernet": {"macAddress": "02:00:00:00:00:99"}}
    point = {"cpdId": "in_ext", "cpConfig": {"1": {"cpProtocolData": [mac]}}}
    by_mac = {"id": "vl", "resourceId": "net", "extCps": [point]}
    odd = link("out", "a/b")
    body = {"flavourId": "default", "extVirtualLinks": [by_mac, odd]}
    status, told = agent.ask("POST", f"{vnf.path}/instantiate", body)
    assert status == 422 and [(each["field"], each["found"]) for each in told["errors"]] == [
        ("extVirtualLinks.1.extCps.0", "a/b")]  # fmt: skip
    body = {"flavourId": "default", "extVirtualLinks": [by_mac, link("out", "02:00:00:00:00:98")]}
    assert vnf.does("instantiate", body)["operationState"] == "COMPLETED"
    ports = agent.ask("GET", "/v1/vnfs/fw")[1]["ports"]
    assert {port["interface"] for port in ports.values()} == {"02:00:00:00:00:98", "02:00:00:00:00:99"}
    assert vnf.does("terminate", {"terminationType": "GRACEFUL"})["operationState"] == "COMPLETED"
    assert agent.ask("POST", INSTANCES, {"vnfdId": "none"})[0] == 422
    assert agent.ask("POST", f"{vnf.path}/heal", {})[0] == 409
    assert agent.ask("POST", f"{INSTANCES}/none/heal", {})[0] == 404
    assert agent.ask("GET", f"{OCCURRENCES}/none")[0] == 404
    assert agent.ask("POST", f"{OCCURRENCES}/none/retry")[0] == 404


def test_a_link_of_one_port_is_its_interface(agent: Agent) -> None:
    vnf = Vnf(agent)
    links = [{"id": port, "resourceId": interface, "extCps": [{"cpdId": f"{port}_ext"}]}
             for port, interface in (("in", "eth5"), ("out", "eth6"))]  # fmt: skip
    assert vnf.does("instantiate", {"flavourId": "default", "extVirtualLinks": links})["operationState"] == "COMPLETED"
    ports = agent.ask("GET", "/v1/vnfs/fw")[1]["ports"]
    assert {name: each["interface"] for name, each in ports.items()} == {"in": "eth5", "out": "eth6"}
