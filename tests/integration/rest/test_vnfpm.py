"""VNF Performance Management (SOL002 6): jobs, reports, thresholds; keepers are `fake_keeper.py`."""

from __future__ import annotations

from typing import Any

import pytest

from coven.rest.sol.vnfconfig import vnfc_instance
from tests.integration.agent.test_agent import DESCRIPTOR, PORTS, package
from tests.integration.rest.test_notifications import Subscriber, notifying, other, subscriber  # noqa: F401
from tests.rigs.agent import Agent
from tests.rigs.keeper import wait_for

JOBS, THRESHOLDS = "/vnfpm/v2/pm_jobs", "/vnfpm/v2/thresholds"
REPORTED = "PerformanceInformationAvailableNotification"


@pytest.fixture
def vnf(notifying: Agent) -> dict[str, Any]:  # noqa: F811
    assert notifying.operate("fw", "instantiate", {"ports": PORTS, "start": True})["state"] == "COMPLETED"
    found: dict[str, Any] = notifying.ask("GET", "/v1/vnfs/fw")[1]
    return found


def job(vnf: dict[str, Any], uri: str, **more: Any) -> dict[str, Any]:
    criteria = {"performanceMetric": [f"VCpuUsageMeanVnf.{vnf['id']}"], "collectionPeriod": 1, "reportingPeriod": 2}
    return {"objectType": "Vnf", "objectInstanceIds": [vnf["id"]], "criteria": criteria, "callbackUri": uri, **more}


def threshold(vnf: dict[str, Any], uri: str, **more: Any) -> dict[str, Any]:
    criteria = {"performanceMetric": "ByteIncomingVnfExtCp", "thresholdType": "SIMPLE",
                "simpleThresholdDetails": {"thresholdValue": 1000, "hysteresis": 10.5}}  # fmt: skip
    return {"objectType": "VnfExtCp", "objectInstanceId": vnf["id"], "subObjectInstanceIds": ["in"],
            "criteria": criteria, "callbackUri": uri, **more}  # fmt: skip


def test_a_job_and_its_reports(notifying: Agent, subscriber: Subscriber, vnf: dict[str, Any]) -> None:  # noqa: F811
    agent = notifying
    status, made = agent.ask("POST", JOBS, job(vnf, subscriber.uri))
    assert status == 201 and subscriber.tests == 1, made
    assert agent.headers["Version"] == "2.12.0"
    where = f"{JOBS}/{made['id']}"
    assert agent.headers["Location"] == f"{agent.url}{where}" == made["_links"]["self"]["href"]
    assert made["_links"]["objects"] == [{"href": f"{agent.url}/vnflcm/v2/vnf_instances/{vnf['id']}"}]
    wait_for(lambda: len(subscriber.got) >= 2)
    told = subscriber.got[0]
    assert (told["notificationType"], told["pmJobId"]) == (REPORTED, made["id"])
    assert (told["objectType"], told["objectInstanceId"]) == ("Vnf", vnf["id"])
    got = list(subscriber.got)
    shown = agent.ask("GET", where)[1]
    assert [each["href"] for each in shown["reports"]][: len(got)] == [
        each["_links"]["performanceReport"]["href"] for each in got
    ]
    report = agent.ask("GET", shown["reports"][0]["href"].removeprefix(agent.url))[1]
    [entry] = report["entries"]
    assert all(0 <= each["value"] <= 100 for each in entry.pop("performanceValues"))
    assert entry == {"objectType": "Vnf", "objectInstanceId": vnf["id"],
                     "performanceMetric": f"VCpuUsageMeanVnf.{vnf['id']}"}  # fmt: skip
    # reports are left out of lists unless somebody asks for them
    assert "reports" not in agent.ask("GET", JOBS)[1][0]
    assert "reports" in agent.ask("GET", f"{JOBS}?all_fields")[1][0]
    assert agent.ask("GET", f"{JOBS}?filter=(eq,objectType,Vnfc)")[1] == []
    assert agent.ask("GET", f"{where}/reports/none")[0] == agent.ask("GET", f"{JOBS}/none")[0] == 404
    # over a kill of the agent it goes on
    agent.kill()
    subscriber.got.clear()
    agent.start()
    wait_for(lambda: subscriber.got)
    assert agent.ask("DELETE", where, If_Match='"other"')[0] == 412
    assert agent.ask("GET", where)[0] == 200
    tag = agent.headers["ETag"]
    # a report may have come since
    wait_for(lambda: agent.ask("GET", where)[0] == 200 and agent.ask(
        "DELETE", where, If_Match=agent.headers["ETag"])[0] in (204, 404))  # fmt: skip
    assert tag and agent.ask("GET", where)[0] == 404
    assert agent.ask("GET", "/v1/subscriptions")[1] == {"subscriptions": []}


def test_another_endpoint(notifying: Agent, subscriber: Subscriber, other: Subscriber, vnf: dict[str, Any]) -> None:  # noqa: F811
    agent = notifying
    secret = {"authType": ["BASIC"], "paramsBasic": {"userName": "me", "password": "s3cret"}}
    for path, body in ((JOBS, job(vnf, subscriber.uri)), (THRESHOLDS, threshold(vnf, subscriber.uri))):
        status, made = agent.ask("POST", path, body)
        assert status == 201, made
        where, wanted = f"{path}/{made['id']}", {"callbackUri": other.uri, "authentication": secret}
        assert agent.ask("PATCH", where, wanted, If_Match="no")[0] == 412
        assert agent.ask("PATCH", where, wanted)[:2] == (200, {"callbackUri": other.uri})
        shown = agent.ask("GET", where)[1]
        assert shown["callbackUri"] == other.uri and "s3cret" not in str(shown)
        assert agent.ask("PATCH", where, {})[0] == 422
        assert agent.ask("PATCH", where, {"callbackUri": "http://127.0.0.1:1/"})[0] == 422
        assert agent.ask("PATCH", where, {"criteria": {}})[0] == 422
    told = len(subscriber.got)
    wait_for(lambda: other.got)
    assert other.headers[-1] and len(subscriber.got) <= told + 1


def wrong(answer: tuple[int, Any]) -> list[str]:
    status, problem = answer
    assert status == 422, problem
    return sorted(each["field"] for each in problem["errors"])


def test_everything_that_is_wrong_with_a_request(notifying: Agent, subscriber: Subscriber, vnf: dict[str, Any]) -> None:  # noqa: F811
    agent, uri = notifying, subscriber.uri

    def fields(path: str, body: dict[str, Any]) -> list[str]:
        return wrong(agent.ask("POST", path, body))

    good = job(vnf, uri)
    assert fields(JOBS, {**good, "objectInstanceIds": ["no"], "subObjectInstanceIds": ["x"]}) == [
        "criteria.performanceMetric.0", "objectInstanceIds.0"]  # fmt: skip
    assert fields(JOBS, {**good, "objectType": "VnfIntCp"}) == ["criteria.performanceMetric.0"]
    assert fields(JOBS, {**good, "objectType": "Vnfc", "subObjectInstanceIds": ["no"]}) == ["subObjectInstanceIds.0"]
    assert fields(JOBS, {**good, "objectType": "VM", "more": 1}) == ["more", "objectType"]
    period = {"collectionPeriod": 10, "reportingPeriod": 5, "reportingBoundary": "2001-01-01T00:00:00Z",
              "performanceMetricGroup": ["VnfExternalCp"]}  # fmt: skip
    assert fields(JOBS, {**good, "criteria": period}) == [
        "criteria.performanceMetricGroup.0", "criteria.reportingBoundary", "criteria.reportingPeriod"]  # fmt: skip
    none = {"collectionPeriod": 1, "reportingPeriod": 5000, "reportingBoundary": "soon"}
    assert fields(JOBS, {**good, "criteria": none}) == [
        "criteria.performanceMetric", "criteria.reportingBoundary", "criteria.reportingPeriod"]  # fmt: skip
    assert fields(JOBS, {**good, "callbackUri": "http://127.0.0.1:1/"}) == ["callbackUri"]
    assert fields(JOBS, {**good, "criteria": {**good["criteria"], "collectionPeriod": 0}}) == [
        "criteria.collectionPeriod"]  # fmt: skip
    much = {"performanceMetricGroup": ["VnfExternalCp"], "collectionPeriod": 1, "reportingPeriod": 1000}
    many = {**good, "objectType": "VnfExtCp", "objectInstanceIds": [vnf["id"]] * 3, "criteria": much}
    assert fields(JOBS, many) == ["criteria"]
    other_vnf = {**good, "objectInstanceIds": [vnf["id"], vnf["id"]], "subObjectInstanceIds": ["in"]}
    assert fields(JOBS, other_vnf) == ["subObjectInstanceIds"]
    limit = threshold(vnf, uri)
    criteria = {**limit["criteria"], "performanceMetric": "VDiskUsageMeanVnf"}
    assert fields(THRESHOLDS, {**limit, "objectInstanceId": "no", "criteria": criteria}) == [
        "criteria.performanceMetric", "objectInstanceId"]  # fmt: skip
    del criteria["simpleThresholdDetails"]
    assert fields(THRESHOLDS, {**limit, "criteria": criteria}) == [
        "criteria.performanceMetric", "criteria.simpleThresholdDetails"]  # fmt: skip
    assert agent.ask("GET", JOBS)[1] == agent.ask("GET", THRESHOLDS)[1] == []


def test_parts_and_groups(notifying: Agent, subscriber: Subscriber, vnf: dict[str, Any]) -> None:  # noqa: F811
    agent = notifying
    ids = {name: vnfc_instance({"instance": vnf["id"]}, name) for name in ("a", "b")}
    criteria = {"performanceMetricGroup": ["VirtualisedComputeResource"], "collectionPeriod": 1, "reportingPeriod": 1}
    for stated in (None, [ids["b"]]):
        more = {"subObjectInstanceIds": stated} if stated else {}
        status, made = agent.ask("POST", JOBS, job(vnf, subscriber.uri, objectType="Vnfc", criteria=criteria, **more))
        assert status == 201, made
        where = f"{JOBS}/{made['id']}"
        wait_for(lambda where=where: "reports" in agent.ask("GET", where)[1])
        report = agent.ask("GET", agent.ask("GET", where)[1]["reports"][0]["href"].removeprefix(agent.url))[1]
        found = {(each["subObjectInstanceId"], each["performanceMetric"]) for each in report["entries"]}
        metrics = ("VCpuUsageMeanVnf", "VCpuUsagePeakVnf", "VMemoryUsageMeanVnf", "VMemoryUsagePeakVnf")
        assert found == {(part, metric) for part in stated or ids.values() for metric in metrics}


def test_a_boundary_ends_it(notifying: Agent, subscriber: Subscriber, vnf: dict[str, Any]) -> None:  # noqa: F811
    import datetime

    end = (datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=3)).isoformat()
    criteria = {"performanceMetric": ["VCpuUsageMeanVnf"], "collectionPeriod": 1, "reportingPeriod": 600,
                "reportingBoundary": end}  # fmt: skip
    status, made = notifying.ask("POST", JOBS, job(vnf, subscriber.uri, criteria=criteria))
    assert status == 201, made
    wait_for(lambda: subscriber.got)
    assert len(notifying.ask("GET", f"{JOBS}/{made['id']}")[1]["reports"]) == 1


def test_versions_and_descriptor(notifying: Agent) -> None:  # noqa: F811
    assert DESCRIPTOR and package
    assert notifying.ask("GET", "/vnfpm/api_versions")[1]["uriPrefix"] == f"{notifying.url}/vnfpm/v2"
    assert notifying.ask("GET", JOBS, Version="1.0.0")[0] == 406
    assert notifying.ask("GET", JOBS, Version="2.1.0")[0] == 200
