"""What is measured of a VNF that passes packets, reported and held against a threshold."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coven.rest.sol.vnfconfig import vnfc_instance
from tests.integration.rest.test_notifications import Subscriber
from tests.rigs.appliance import Appliance
from tests.rigs.keeper import wait_for
from tests.rigs.packages import datagram, package
from tests.rigs.spaces import within

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes a network namespace: needs root")

FRAME = bytes(datagram(7, 100))
#: it works for a while over each packet
BUSY = """
import time
from vnfc import forward
def handle(packet):
    end = time.monotonic() + 0.002
    while time.monotonic() < end:
        pass
    return forward()
"""


@pytest.fixture
def measured(tmp_path: Path) -> Iterator[tuple[Appliance, Subscriber, dict[str, Any]]]:
    appliance = Appliance(tmp_path / "state")
    with within(appliance.space):
        subscriber = Subscriber()
    try:
        appliance.serve("--notify", "127.0.0.0/8")
        source = package(tmp_path / "p", "vnfcs: {busy: {source: busy.py}}\nchain: in -> busy -> out\n", busy_py=BUSY)
        assert appliance.coven("deploy", str(source), "--name", "fw", "--in", "in0", "--out", "out0")[0] == 0
        yield appliance, subscriber, appliance.get("/v1/vnfs/fw")
    finally:
        subscriber.close()
        appliance.clean()


def send(appliance: Appliance, count: int) -> None:
    with within(appliance.space):
        out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        out.bind(("in1", 0))
    with out:
        for _ in range(count):
            out.send(FRAME)
            time.sleep(0.004)


def reported(appliance: Appliance, where: str) -> dict[tuple[str | None, str], list[float]]:
    """All values of all reports of a job, by part and measurement."""
    found: dict[tuple[str | None, str], list[float]] = {}
    for each in appliance.get(where).get("reports", []):
        report = appliance.get(each["href"].partition("/vnfpm")[1] + each["href"].partition("/vnfpm")[2])
        for entry in report["entries"]:
            values = [value["value"] for value in entry["performanceValues"]]
            found.setdefault((entry.get("subObjectInstanceId"), entry["performanceMetric"]), []).extend(values)
    return found


def test_what_is_measured(measured: tuple[Appliance, Subscriber, dict[str, Any]]) -> None:
    appliance, subscriber, vnf = measured
    periods = {"collectionPeriod": 1, "reportingPeriod": 2}

    def job(kind: str, group: str) -> str:
        criteria = {"performanceMetricGroup": [group], **periods}
        body = {"objectType": kind, "objectInstanceIds": [vnf["id"]], "criteria": criteria,
                "callbackUri": subscriber.uri}  # fmt: skip
        return f"/vnfpm/v2/pm_jobs/{appliance.ask('POST', '/vnfpm/v2/pm_jobs', body)['id']}"

    ports = job("VnfExtCp", "VnfExternalCp")
    whole, parts = job("Vnf", "VirtualisedComputeResource"), job("Vnfc", "VirtualisedComputeResource")
    limit = appliance.ask("POST", "/vnfpm/v2/thresholds", {
        "objectType": "VnfExtCp", "objectInstanceId": vnf["id"], "subObjectInstanceIds": ["in"],
        "criteria": {"performanceMetric": "PacketIncomingVnfExtCp", "thresholdType": "SIMPLE",
                     "simpleThresholdDetails": {"thresholdValue": 50, "hysteresis": 10}},
        "callbackUri": subscriber.uri,
    })  # fmt: skip
    wait_for(lambda: reported(appliance, ports))
    before = appliance.get("/v1/vnfs/fw/stats")["ports"]["in"]

    def crossings() -> list[dict[str, Any]]:
        return [told for told in subscriber.got if told["notificationType"] == "ThresholdCrossedNotification"]

    sent = 0
    while not crossings():
        send(appliance, 200)
        sent += 200
    wait_for(lambda: appliance.get("/v1/vnfs/fw/stats")["ports"]["in"]["received"] - before["received"] == sent)

    # every packet and byte is in one of the collections
    def total(port: str, metric: str) -> float:
        return sum(reported(appliance, ports).get((port, metric), []))

    wait_for(lambda: total("out", "PacketOutgoingVnfExtCp") >= sent)
    assert total("in", "PacketIncomingVnfExtCp") == total("out", "PacketOutgoingVnfExtCp") == sent
    assert total("in", "ByteIncomingVnfExtCp") == sent * len(FRAME)
    assert total("in", "PacketOutgoingVnfExtCp") == 0
    crossed = crossings()[0]
    assert (crossed["crossingDirection"], crossed["subObjectInstanceId"]) == ("UP", "in")
    assert crossed["thresholdId"] == limit["id"] and crossed["performanceValue"] >= 60
    # the VNFC worked 2 ms for each packet; the VNF's share is its, the forwarder's and the keeper's
    busy = vnfc_instance({"instance": vnf["id"]}, "busy")
    of_vnfc, of_vnf = reported(appliance, parts), reported(appliance, whole)
    mean, peak = max(of_vnfc[busy, "VCpuUsageMeanVnf"]), max(of_vnfc[busy, "VCpuUsagePeakVnf"])
    assert 0 < mean <= 100 and 0 < peak <= 100
    assert max(of_vnf[None, "VCpuUsageMeanVnf"]) > 0
    assert all(0 < value < 100 for value in of_vnf[None, "VMemoryUsageMeanVnf"])
    assert max(of_vnf[None, "VMemoryUsagePeakVnf"]) >= max(of_vnfc[busy, "VMemoryUsageMeanVnf"])
    wait_for(lambda: len(crossings()) == 2)  # and then nothing comes any more
    assert crossings()[1]["crossingDirection"] == "DOWN" and crossings()[1]["performanceValue"] <= 40
