"""VNF Indicators (SOL002 8) over HTTP; keepers are `fake_keeper.py`."""

from __future__ import annotations

from urllib.parse import quote

from coven.rest.sol import paging
from coven.rest.sol.vnfind import STANDARD
from tests.integration.agent.test_agent import DESCRIPTOR, PORTS, package
from tests.rigs.agent import Agent

INDICATORS = "/vnfind/v1/indicators"
WITH_INDICATORS = DESCRIPTOR + "indicators: [a.hits, b.sleep]\n"


def instance(agent: Agent) -> str:
    assert agent.ask("POST", "/v1/packages", data=package(WITH_INDICATORS))[0] == 201
    assert agent.ask("POST", "/v1/vnfs", {"name": "fw", "package": "fw"})[0] == 201
    return str(agent.ask("GET", "/v1/vnfs/fw")[1]["id"])


def names(agent: Agent, query: str = "") -> list[str]:
    status, told = agent.ask("GET", INDICATORS + query)
    assert status == 200, told
    return [each["id"] for each in told]


def test_indicators(agent: Agent) -> None:
    identity = instance(agent)
    assert names(agent) == [], "none before there is anything that could tell"
    assert agent.ask("GET", f"{INDICATORS}/{identity}/received")[0] == 404
    assert agent.operate("fw", "instantiate", {"ports": PORTS, "start": True})["state"] == "COMPLETED"
    assert names(agent) == sorted([*STANDARD, "a.hits", "b.sleep"])
    told = {each["id"]: each for each in agent.ask("GET", f"{INDICATORS}/{identity}")[1]}
    assert told["a.hits"]["value"] == {"value": 42, "unit": "packets"}
    assert told["b.sleep"]["value"] == {"value": None, "unit": ""}, "it does not answer"
    assert told["received"]["value"] == {"value": 0, "unit": "packets"}
    for name, each in told.items():
        assert each["vnfInstanceId"] == identity and each["_links"]["self"]["href"].startswith(agent.url)
        path = each["_links"]["self"]["href"].removeprefix(agent.url)
        assert path == f"{INDICATORS}/{identity}/{quote(name)}"
        assert agent.ask("GET", path) == (200, each)
        of = each["_links"]["vnfInstance"]["href"].removeprefix(agent.url)
        assert agent.ask("GET", of)[1]["vnfInstanceName"] == "fw"
    assert agent.ask("GET", f"{INDICATORS}/{identity}/none")[0] == 404
    assert agent.ask("GET", f"{INDICATORS}/none")[0] == 404
    assert agent.ask("GET", f"{INDICATORS}/none/received")[0] == 404
    assert agent.raw("POST", INDICATORS) == 405


def test_what_lists_are_asked(agent: Agent) -> None:
    identity = instance(agent)
    assert agent.operate("fw", "instantiate", {"ports": PORTS})["state"] == "COMPLETED"
    assert names(agent, "?filter=(eq,id,received)") == ["received"]
    assert names(agent, "?filter=(gte,value/value,42)") == ["a.hits"]
    down = ["ports_down", "vnfcs_down"]
    assert names(agent, f"?filter=(cont,id,down,hits);(eq,vnfInstanceId,{identity})") == ["a.hits", *down]
    assert names(agent, "?filter=" + quote("(in,value/unit,VNFCs,ports)")) == down
    assert names(agent, "?filter=(eq,id,received)&filter=(eq,id,received)") == ["received"], "as some clients say it"
    assert names(agent, "?fields=value&filter=(eq,id,received)") == ["received"]
    for query in (
        "wrongName=1", "filter=(eq,value)", "filter=(eq,nothing,1)", "filter=(eq,id,a)&filter=(eq,id,b)",
        "fields=nothing", "all_fields&fields=value", "nextpage_opaque_marker=x%21", "filter=%ff",
    ):  # fmt: skip
        status, problem = agent.ask("GET", f"{INDICATORS}?{query}")
        assert status == 400 and problem["detail"], query


def test_pages(agent: Agent) -> None:
    many = ", ".join(f"a.r{number}" for number in range(paging.PAGE))
    assert agent.ask("POST", "/v1/packages", data=package(DESCRIPTOR + f"indicators: [{many}]\n"))[0] == 201
    assert agent.ask("POST", "/v1/vnfs", {"name": "fw", "package": "fw"})[0] == 201
    assert agent.operate("fw", "instantiate", {"ports": PORTS})["state"] == "COMPLETED"
    seen = names(agent)
    assert len(seen) == paging.PAGE
    uri, _, relation = agent.headers["Link"].partition(">; ")
    assert relation == 'rel="next"' and uri.startswith(f"<{agent.url}{INDICATORS}?")
    seen += names(agent, uri.removeprefix(f"<{agent.url}{INDICATORS}"))
    assert "Link" not in agent.headers
    assert seen == sorted([*STANDARD, *(f"a.r{number}" for number in range(paging.PAGE))])
