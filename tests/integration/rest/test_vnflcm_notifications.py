"""What subscribers of vnflcm are told, and when (SOL002 5.4.18 to 5.4.20); keepers are `fake_keeper.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.rest.test_notifications import Subscriber
from tests.integration.rest.test_vnflcm import OCCURRENCES, Vnf
from tests.rigs.agent import Agent
from tests.rigs.keeper import wait_for

SUBSCRIPTIONS = "/vnflcm/v2/subscriptions"
OCCURRENCE, CREATION, DELETION = (
    "VnfLcmOperationOccurrenceNotification", "VnfIdentifierCreationNotification", "VnfIdentifierDeletionNotification",
)  # fmt: skip


@pytest.fixture
def subscribers() -> Iterator[list[Subscriber]]:
    made = [Subscriber(), Subscriber()]
    yield made
    for each in made:
        each.close()


@pytest.fixture
def notifying(agent: Agent) -> Agent:
    agent.stop()
    agent.notify = ["127.0.0.0/8"]
    return agent.start()


def subscribe(agent: Agent, subscriber: Subscriber, **more: Any) -> dict[str, Any]:
    status, told = agent.ask("POST", SUBSCRIPTIONS, {"callbackUri": subscriber.uri, **more})
    assert status == 201, told
    assert agent.headers["Location"] == f"{agent.url}{SUBSCRIPTIONS}/{told['id']}" == told["_links"]["self"]["href"]
    return told  # type: ignore[no-any-return]


def steps(subscriber: Subscriber) -> list[Any]:
    return [(each["operation"], each["operationState"], each["notificationStatus"]) if "operation" in each else
            each["notificationType"] for each in subscriber.got]  # fmt: skip


def test_a_life_is_told(notifying: Agent, subscribers: list[Subscriber]) -> None:
    agent, (every, some) = notifying, subscribers
    whole = subscribe(agent, every)
    assert whole["verbosity"] == "FULL"
    names = {"vnfInstanceNames": ["fw"]}
    short = subscribe(agent, some, verbosity="SHORT", filter={
        "operationTypes": ["INSTANTIATE"], "operationStates": ["COMPLETED"], "notificationTypes": [OCCURRENCE],
        "vnfInstanceSubscriptionFilter": names})  # fmt: skip
    vnf = Vnf(agent)
    assert vnf.instantiate()["operationState"] == "COMPLETED"
    assert agent.operate("fw", "stop")["state"] == "COMPLETED", "begun elsewhere"
    assert vnf.does("terminate", {"terminationType": "FORCEFUL"})["operationState"] == "COMPLETED"
    assert agent.ask("DELETE", vnf.path)[0] == 204

    def through(kind: str) -> list[Any]:
        return [(kind, "STARTING", "START"), (kind, "PROCESSING", "START"), (kind, "COMPLETED", "RESULT")]

    expected = [CREATION, *through("INSTANTIATE"), *through("OPERATE"), *through("TERMINATE"), DELETION]
    wait_for(lambda: len(every.got) == len(expected))
    assert steps(every) == expected, "in order, each once"
    assert all(each["vnfInstanceId"] == vnf.made["id"] and each["subscriptionId"] == whole["id"] for each in every.got)
    assert len({each["id"] for each in every.got}) == len(expected)
    done = every.got[3]
    assert done["_links"]["vnfLcmOpOcc"]["href"].endswith(f"{OCCURRENCES}/{done['vnfLcmOpOccId']}")
    assert done["_links"]["vnfInstance"] == vnf.made["_links"]["self"]
    assert [each["changeType"] for each in done["affectedVnfcs"]] == ["ADDED", "ADDED"]
    assert [each["id"] for each in done["changedExtConnectivity"]] == ["vl-in", "vl-out"]
    wait_for(lambda: len(some.got) == 1)
    [told] = some.got
    assert told["id"] == done["id"] and told["verbosity"] == "SHORT" and "affectedVnfcs" not in told
    assert told["subscriptionId"] == short["id"]
    path = f"{SUBSCRIPTIONS}/{short['id']}"
    assert agent.ask("GET", path) == (200, short)
    assert [each["id"] for each in agent.ask("GET", f"{SUBSCRIPTIONS}?filter=(eq,verbosity,SHORT)")[1]] == [short["id"]]
    assert agent.ask("DELETE", path)[0] == 204 and agent.ask("GET", path)[0] == 404


def test_decisions_are_told_also_of_an_agent_that_died(notifying: Agent, subscribers: list[Subscriber]) -> None:
    agent, (every, _) = notifying, subscribers
    vnf = Vnf(agent)
    subscribe(agent, every)
    every.status = 500
    failed = vnf.instantiate(a={"mode": "die"})
    agent.kill()
    every.status = 204
    agent.start()
    kind = "INSTANTIATE"
    began = [(kind, "STARTING", "START"), (kind, "PROCESSING", "START"), (kind, "FAILED_TEMP", "RESULT")]
    wait_for(lambda: len(every.got) == 3)
    assert steps(every) == began and "Segmentation fault" in every.got[2]["error"]["detail"]
    vnf.decide(failed, "rollback")
    wait_for(lambda: len(every.got) == 5)
    assert steps(every)[3:] == [(kind, "ROLLING_BACK", "START"), (kind, "ROLLED_BACK", "RESULT")]
