"""VNF Fault Management (SOL002 7) over HTTP; keepers are `fake_keeper.py`, which say how well they are told to be."""

from __future__ import annotations

import json
from typing import Any

from tests.integration.agent.test_agent import running
from tests.integration.rest.test_notifications import Subscriber
from tests.rigs.agent import Agent
from tests.rigs.keeper import wait_for

ALARMS, SUBSCRIPTIONS = "/vnffm/v1/alarms", "/vnffm/v1/subscriptions"


def unwell(agent: Agent, **how: Any) -> None:
    part = agent.state / "run" / "unwell.new"
    part.write_text(json.dumps(how))
    part.rename(part.with_name("unwell"))


def standing(agent: Agent) -> dict[str, Any]:
    """The alarms that stand, by what they are about."""
    status, found = agent.ask("GET", f"{ALARMS}?filter=(neq,perceivedSeverity,CLEARED)")
    assert status == 200
    return {each["faultType"]: each for each in found}


def test_alarms(agent: Agent) -> None:
    agent.stop()
    agent.notify = ["127.0.0.0/8"]
    agent.start()
    running(agent)
    vnf = agent.ask("GET", "/v1/vnfs/fw")[1]
    every, some = Subscriber(), Subscriber()
    try:
        few = {"faultyResourceTypes": ["NETWORK"], "notificationTypes": ["AlarmClearedNotification"],
               "vnfInstanceSubscriptionFilter": {"vnfInstanceIds": [vnf["id"]]}}  # fmt: skip
        for subscriber, filter in ((every, {}), (some, few)):
            status, made = agent.ask("POST", SUBSCRIPTIONS, {"callbackUri": subscriber.uri, "filter": filter})
            assert status == 201, made
            assert agent.ask("GET", f"{SUBSCRIPTIONS}/{made['id']}") == (200, made)
        assert agent.ask("GET", ALARMS) == (200, [])
        down = {"state": "down", "why": "its process has ended (signal 11)"}
        unwell(agent, vnfcs={"a": down}, ports={"in": {"state": "down", "why": "its link is down"}},
               figures={"unaccounted": 3})  # fmt: skip
        found = wait_for(lambda: len(alarms := standing(agent)) == 3 and alarms)
        assert found.keys() == {"vnfc_down", "port_down", "packets_unaccounted"}
        alarm = found["vnfc_down"]
        ids = {next(iter(each["vnfcSpecificData"])): each["vnfcInstanceId"]
               for each in agent.ask("GET", "/vnfconfig/v1/configuration")[1]["vnfcConfigurationData"]}  # fmt: skip
        assert alarm["managedObjectId"] == vnf["id"] and alarm["vnfcInstanceIds"] == [ids["a"]]
        assert alarm["faultDetails"] == [down["why"]] and alarm["ackState"] == "UNACKNOWLEDGED"
        assert alarm["rootCauseFaultyResource"]["faultyResource"]["resourceId"] == "fw/a"
        assert agent.ask("GET", alarm["_links"]["objectInstance"]["href"].removeprefix(agent.url))[0] == 200
        wait_for(lambda: len(every.got) == 3)
        assert {each["alarm"]["id"] for each in every.got} == {each["id"] for each in found.values()}
        assert all(each["notificationType"] == "AlarmNotification" for each in every.got) and some.got == []
        path = f"{ALARMS}/{alarm['id']}"
        assert agent.ask("GET", path) == (200, alarm)
        tag = agent.headers["ETag"]
        acknowledged = {"ackState": "ACKNOWLEDGED"}
        merge = "application/merge-patch+json"
        assert agent.ask("PATCH", path, acknowledged, If_Match='"x"')[0] == 412
        assert agent.ask("PATCH", path, acknowledged, If_Match=tag, Content_Type=merge) == (200, acknowledged)
        assert agent.ask("PATCH", path, acknowledged)[0] == 409 and agent.ask("PATCH", path, {})[0] == 422
        shown = agent.ask("GET", path)[1]
        assert shown["ackState"] == "ACKNOWLEDGED" and shown["alarmAcknowledgedTime"]
        assert agent.ask("PATCH", path, {"ackState": "UNACKNOWLEDGED"})[0] == 200
        assert agent.ask("GET", path) == (200, alarm)
        agent.kill()
        agent.start()
        assert {each["id"] for each in standing(agent).values()} == {each["id"] for each in found.values()}
        unwell(agent)
        wait_for(lambda: not standing(agent))
        wait_for(lambda: len(every.got) >= 6 and some.got)
        assert {each["id"] for each in agent.ask("GET", ALARMS)[1]} == {each["id"] for each in found.values()}
        cleared = agent.ask("GET", path)[1]
        assert cleared["perceivedSeverity"] == "CLEARED" and cleared["alarmClearedTime"] > cleared["alarmRaisedTime"]
        told = {each["alarmId"]: each for each in every.got if each["notificationType"] == "AlarmClearedNotification"}
        assert told.keys() == {each["id"] for each in found.values()}
        assert told[alarm["id"]]["alarmClearedTime"] == cleared["alarmClearedTime"]
        assert {each["alarmId"] for each in some.got} == {found["port_down"]["id"]}
        assert agent.ask("GET", f"{ALARMS}/none")[0] == agent.ask("PATCH", f"{ALARMS}/none", acknowledged)[0] == 404
    finally:
        every.close()
        some.close()


def test_a_vnf_that_is_lost(agent: Agent) -> None:
    running(agent)
    assert agent.ask("PATCH", "/v1/vnfs/fw/config", {"a": {"mode": "die"}})[0] == 200
    agent.kill_keeper("fw")
    found = wait_for(lambda: standing(agent).get("vnf_down"))
    assert "Segmentation fault" in found["faultDetails"][0] and found["perceivedSeverity"] == "CRITICAL"
    assert agent.ask("DELETE", "/v1/vnfs/fw")[0] == 204
    wait_for(lambda: not standing(agent))
