"""VNF Configuration (SOL002 9) over HTTP; keepers are `fake_keeper.py`, in the last test real."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from typing import Any

import pytest

from tests.integration.agent.test_agent import PORTS, created, running
from tests.rigs.agent import Agent

CONFIGURATION = "/vnfconfig/v1/configuration"
MERGE_PATCH = "application/merge-patch+json"


def read(agent: Agent) -> dict[str, Any]:
    status, answer = agent.ask("GET", CONFIGURATION)
    assert status == 200
    return answer["vnfConfigurationData"]["vnfSpecificData"]  # type: ignore[no-any-return]


def change(agent: Agent, body: Any, **headers: str) -> tuple[int, Any]:
    return agent.ask("PATCH", CONFIGURATION, body, **{"Content_Type": MERGE_PATCH, **headers})


def specific(**vnfcs: Any) -> dict[str, Any]:
    return {"vnfConfigurationData": {"vnfSpecificData": vnfcs}}


def test_read(agent: Agent) -> None:
    created(agent)
    status, answer = agent.ask("GET", CONFIGURATION)
    config = {"a": {"mode": "", "limit": 5, "key": "********"}, "b": {"mode": ""}}
    assert status == 200 and answer["vnfConfigurationData"] == {"extCpConfig": [], "vnfSpecificData": config}
    assert [each["vnfcSpecificData"] for each in answer["vnfcConfigurationData"]] == [{n: c} for n, c in config.items()]
    identities = {each["vnfcInstanceId"] for each in answer["vnfcConfigurationData"]}
    assert len(identities) == 2
    assert agent.headers["Version"] == "1.12.0" and agent.headers["ETag"][0] == '"' == agent.headers["ETag"][-1]
    assert agent.operate("fw", "instantiate", {"ports": PORTS})["state"] == "COMPLETED"
    agent.stop()
    agent.start()
    again = agent.ask("GET", CONFIGURATION)[1]["vnfcConfigurationData"]
    assert {each["vnfcInstanceId"] for each in again} == identities, "stable over restarts"


@pytest.mark.parametrize("media", [MERGE_PATCH, "application/json"])
def test_change(agent: Agent, media: str) -> None:
    running(agent)
    body = specific(a={"limit": 7, "key": "new"}, b={"mode": "x"})
    status, answer = change(agent, body, Content_Type=media)
    assert (status, answer) == (200, specific(a={"limit": 7, "key": "********"}, b={"mode": "x"}))
    assert read(agent) == {"a": {"mode": "", "limit": 7, "key": "********"}, "b": {"mode": "x"}}
    tag = agent.headers["ETag"]
    identity = agent.ask("GET", CONFIGURATION)[1]["vnfcConfigurationData"][0]["vnfcInstanceId"]
    own = {"vnfcConfigurationData": [{"vnfcInstanceId": identity, "vnfcSpecificData": {"a": {"limit": 8}}}]}
    assert change(agent, own) == (200, own)
    assert agent.headers["ETag"] != tag
    # what is taken away has its default
    assert change(agent, specific(a={"limit": None}))[0] == 200
    assert read(agent)["a"]["limit"] == 5
    assert change(agent, {"vnfcConfigurationDataDeleteIds": [identity]})[0] == 200
    assert change(agent, specific(b=None))[0] == 200
    assert read(agent) == {"a": {"mode": "", "limit": 5, "key": "********"}, "b": {"mode": ""}}


def test_all_or_nothing(agent: Agent) -> None:
    running(agent)
    before = read(agent)
    status, answer = change(agent, specific(a={"limit": 7}, b={"mode": "refuse-configure"}))
    assert status == 422 and "not that" in answer["detail"]
    assert read(agent) == before == agent.ask("GET", "/v1/vnfs/fw/config")[1]


def test_every_mistake_at_once(agent: Agent) -> None:
    running(agent)
    before = read(agent)
    body = {
        "vnfConfigurationData": {
            "vnfSpecificData": {"a": {"limit": 11}, "c": {}, "b": {"mood": 1}, "d": 1},
            "extCpConfig": {"cpId": "in", "cpdId": "in_ext", "addresses": [{"address": {"macAddress": "x"}}]},
        },
        "vnfcConfigurationData": [{"vnfcInstanceId": "none"}],
        "vnfcConfigurationDataDeleteIds": ["nobody"], "dhcp": "x",
    }  # fmt: skip
    status, answer = change(agent, body)
    assert status == 422
    assert sorted(each["field"] for each in answer["errors"]) == [
        "dhcp", "vnfConfigurationData.extCpConfig", "vnfConfigurationData.vnfSpecificData.a.limit",
        "vnfConfigurationData.vnfSpecificData.b.mood", "vnfConfigurationData.vnfSpecificData.c",
        "vnfConfigurationData.vnfSpecificData.d", "vnfcConfigurationData.0.vnfcInstanceId",
        "vnfcConfigurationDataDeleteIds.0",
    ]  # fmt: skip
    assert read(agent) == before
    for body, status in (({}, 422), ([], 400), ({"vnfcConfigurationData": [1]}, 422)):
        assert change(agent, body)[0] == status
    assert agent.ask("PATCH", CONFIGURATION, data=b"{", Content_Type=MERGE_PATCH)[0] == 400
    assert agent.ask("PATCH", CONFIGURATION, data=b"{}", Content_Type="text/plain")[0] == 415


def test_conditional(agent: Agent) -> None:
    running(agent)
    agent.ask("GET", CONFIGURATION)
    tag = agent.headers["ETag"]
    for given in (tag, tag.strip('"'), f'"x", {tag}', "*", f"W/{tag}"):
        assert change(agent, specific(b={"mode": "x"}), If_Match=given)[0] == 200
        assert change(agent, specific(b={"mode": ""}))[0] == 200
        assert agent.headers["ETag"] == tag
    # a secret is part of what a tag stands for
    assert change(agent, specific(a={"key": "new"}))[0] == 200 and agent.headers["ETag"] != tag
    for given in (tag, tag.strip('"'), '"x"', "x"):
        assert change(agent, specific(a={"limit": 9}), If_Match=given)[0] == 412
    assert read(agent)["a"]["limit"] == 5


def test_one_of_many_that_change_it_at_once(agent: Agent) -> None:
    running(agent)
    agent.ask("GET", CONFIGURATION)
    tag = agent.headers["ETag"]
    statuses = []

    def one(limit: int) -> None:
        statuses.append(change(agent, specific(a={"limit": limit}), If_Match=tag)[0])

    threads = [threading.Thread(target=one, args=(limit,)) for limit in (1, 2, 3, 4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 412, 412, 412]


def test_which_vnf(agent: Agent) -> None:
    status, answer = agent.ask("GET", CONFIGURATION)
    assert status == 409 and "no VNF" in answer["detail"]
    created(agent)
    assert agent.ask("POST", "/v1/vnfs", {"name": "other", "package": "fw"})[0] == 201
    status, answer = agent.ask("GET", CONFIGURATION)
    assert status == 409 and "--vnf" in answer["errors"][0]["remedy"]
    assert change(agent, specific(a={"limit": 1}))[0] == 409
    assert agent.ask("GET", "/vnfind/v1/indicators")[0] == 409
    agent.stop()
    agent.vnf = "other"
    agent.start()
    assert change(agent, specific(a={"limit": 1}))[0] == 200
    limits = [agent.ask("GET", f"/v1/vnfs/{name}/config")[1]["a"]["limit"] for name in ("fw", "other")]
    assert limits == [5, 1]


def test_versions_and_media(agent: Agent) -> None:
    created(agent)
    for given, status, answers in (
        ("1.0.0", 200, "1.0.0"), ("1.12.0-impl:acme:1", 200, "1.12.0"), ("2.0.0", 406, "1.12.0"),
        ("1.13.0", 406, "1.12.0"), ("", 406, "1.12.0"),
    ):  # fmt: skip
        told = agent.ask("GET", CONFIGURATION, Version=given)
        assert (told[0], agent.headers["Version"]) == (status, answers), given
        if status != 200:
            assert "Version" in told[1]["detail"]
    for accept, status in (("text/html", 406), ("text/html, */*;q=0.1", 200), ("application/json;q=0", 406)):
        assert agent.ask("GET", CONFIGURATION, Accept=accept)[0] == status
    for path in ("/vnfconfig/api_versions", "/vnfconfig/v1/api_versions"):
        status, told = agent.ask("GET", path, Version="9.9.9")
        assert status == 200 and told["uriPrefix"] == f"{agent.url}/vnfconfig/v1"
        assert [each["version"] for each in told["apiVersions"]][-1] == "1.12.0"
    assert agent.ask("GET", "/vnfconfig/v2/api_versions")[0] == 404
    assert agent.ask("GET", "/vnflcn/api_versions")[0] == 404
    assert agent.ask("GET", CONFIGURATION + "?x=1")[0] == 400
    assert agent.ask("GET", CONFIGURATION + "?" + "x" * 9000)[0] == 414
    for method in ("POST", "PUT", "DELETE"):
        assert agent.raw(method, CONFIGURATION) == 405
    agent.stop()
    agent.strict = True
    agent.start()
    status, told = agent.ask("GET", CONFIGURATION)
    assert status == 400 and "Version" in told["detail"]
    assert agent.ask("GET", CONFIGURATION, Version="1.1.0")[0] == 200
    assert agent.ask("GET", "/vnfconfig/api_versions")[0] == 200


def test_the_header_is_spelt_as_etsi_spells_it(agent: Agent) -> None:
    created(agent)
    request = urllib.request.Request(agent.url + CONFIGURATION, headers={"Authorization": f"Bearer {agent.token}"})
    with urllib.request.urlopen(request) as answer:
        names = [name for name, _ in answer.getheaders()]
    assert "ETag" in names and "Etag" not in names
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(agent.url + CONFIGURATION)
    assert [value for name, value in caught.value.headers.items() if name == "WWW-Authenticate"] == [
        'Bearer realm="coven"', 'Basic realm="coven"',
    ]  # fmt: skip


def test_headers_that_are_no_utf8(agent: Agent) -> None:
    created(agent)
    for name, status in {"Version": 406, "Accept": 406, "If_Match": 412, "Origin": 403}.items():
        assert change(agent, specific(a={"limit": 7}), **{name: "1.0.0-\xff"})[0] == status, name
