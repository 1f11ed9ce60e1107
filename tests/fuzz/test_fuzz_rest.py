"""Schemathesis over the whole OpenAPI document: no answer but such as it describes, none with 5xx but what is meant."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from coven.rest.api import ROUTES
from coven.rest.openapi import document
from coven.rest.sol.versions import SERVED
from tests.integration.agent.test_agent import PORTS, package
from tests.integration.rest.test_notifications import Subscriber
from tests.rigs.agent import Agent
from tests.rigs.keeper import wait_for

CHECKS = [content_type_conformance, response_headers_conformance, response_schema_conformance, status_code_conformance]
UNAVAILABLE = 503, 504
#: after which the others would find nothing
ENDING = ("POST /v1/vnfs/{name}/terminate", "DELETE /v1/vnfs/{name}",
          "POST /vnflcm/v2/vnf_instances/{vnfInstanceId}/terminate",
          "DELETE /vnflcm/v2/vnf_instances/{vnfInstanceId}",
          "DELETE /vnfpm/v2/pm_jobs/{pmJobId}", "DELETE /vnfpm/v2/thresholds/{thresholdId}")  # fmt: skip
OPERATIONS = {f"{route.method} {route.path}": route for route in ROUTES}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    agent = Agent(Path(tmp_path_factory.mktemp("fuzz")) / "state")
    agent.vnf, agent.notify = "fw", ["127.0.0.0/8"]
    agent.start()
    subscriber = Subscriber()
    try:
        assert agent.ask("POST", "/v1/packages", data=package())[0] == 201
        assert agent.ask("POST", "/v1/vnfs", {"name": "fw", "package": "fw"})[0] == 201
        (agent.state / "run" / "unwell").write_text('{"figures": {"unaccounted": 1}}')
        assert agent.operate("fw", "instantiate", {"ports": PORTS, "start": True})["state"] == "COMPLETED"
        vnf = agent.ask("GET", "/v1/vnfs/fw")[1]["id"]
        for path, body in measuring(vnf, subscriber.uri).items():
            status, made = agent.ask("POST", path, body)
            assert status == 201, made
        wait_for(lambda: agent.ask("GET", "/vnffm/v1/alarms")[1])
        yield agent
    finally:
        agent.clean()
        subscriber.close()


def measuring(vnf: str, uri: str) -> dict[str, Any]:
    """A PM job and a threshold."""
    criteria = {"performanceMetric": ["VCpuUsageMeanVnf"], "collectionPeriod": 1, "reportingPeriod": 1}
    limit = {"performanceMetric": "VCpuUsageMeanVnf", "thresholdType": "SIMPLE",
             "simpleThresholdDetails": {"thresholdValue": 100}}  # fmt: skip
    return {
        "/vnfpm/v2/pm_jobs": {"objectType": "Vnf", "objectInstanceIds": [vnf], "criteria": criteria,
                              "callbackUri": uri},
        "/vnfpm/v2/thresholds": {"objectType": "Vnf", "objectInstanceId": vnf, "criteria": limit,
                                 "callbackUri": uri},
    }  # fmt: skip


@pytest.mark.parametrize("name", OPERATIONS)
def test_operation(served: Agent, name: str, long_run: bool) -> None:
    schema = schemathesis.openapi.from_dict(document(ROUTES, "", True))
    route = OPERATIONS[name]
    operation = schema[route.path][route.method]
    there = {"vnfInstanceId": served.ask("GET", "/v1/vnfs/fw")[1]["id"], "interface": "vnfind", "major": "v1",
             "indicatorId": "received"}  # fmt: skip
    occurrences = served.ask("GET", "/vnflcm/v2/vnf_lcm_op_occs")[1]
    there["vnfLcmOpOccId"] = occurrences[0]["id"]
    [job], [limit] = (served.ask("GET", f"/vnfpm/v2/{kind}?all_fields")[1] for kind in ("pm_jobs", "thresholds"))
    there |= {"pmJobId": job["id"], "thresholdId": limit["id"]}
    if job.get("reports"):
        there["reportId"] = job["reports"][-1]["href"].rpartition("/")[2]
    there["alarmId"] = served.ask("GET", "/vnffm/v1/alarms")[1][0]["id"]
    if name not in ENDING:
        there["name"] = "fw"
    else:
        for known in ("vnfInstanceId", "pmJobId", "thresholdId"):
            del there[known]

    @settings(max_examples=200 if long_run else 12, suppress_health_check=list(HealthCheck), database=None)
    @given(operation.as_strategy(), st.booleans())
    def tried(case: schemathesis.Case, real: bool) -> None:
        headers = {"Authorization": f"Bearer {served.token}"}
        if real:  # what there is; else mostly nothing is there
            case.path_parameters = {**case.path_parameters, **{
                key: value for key, value in there.items() if key in case.path_parameters}}  # fmt: skip
            if route.etsi:
                headers["Version"] = str(SERVED[route.interface])
        # some answers are held back, for MAX_WAIT if the case says so
        response = case.call(base_url=served.url, headers=headers, timeout=60)
        checks = CHECKS if response.status_code in UNAVAILABLE else [not_a_server_error, *CHECKS]
        case.validate_response(response, checks=checks)

    tried()
