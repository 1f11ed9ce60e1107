"""Figures as a collector of OpenTelemetry gets them: what it decodes is what /metrics tells."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from agents import otlp
from coven.agent.exporting import Exporter
from coven.agent.figures import Readers
from coven.agent.measured import Measured
from itf.mistakes import Refused
from tests.rigs.collector import Collector, points
from tests.rigs.keeper import wait_for
from tests.rigs.statistics import filled
from tests.unit.agent.test_figures import link


def test_what_is_decoded_is_what_there_is(tmp_path: Path) -> None:
    made = filled()
    link(tmp_path, "fw", made)
    readers, measured = Readers(tmp_path), Measured()
    measured.request("GET", "/metrics", 200, 0.02)
    measured.request("GET", "/metrics", 200, 30.0)
    with Collector() as collector:
        exporter = Exporter(collector.url, lambda: ["fw", "lost"], readers, measured)
        assert exporter.send(exporter.collected()) is None
        exporter.close()
    assert collector.paths == ["/v1/metrics"]
    [request] = collector.requests
    resource = {each.key: each.value.string_value for each in request.resource_metrics[0].resource.attributes}
    assert resource["service.name"] == "coven"
    found = points(request)

    def point(name: str, /, **labels: str) -> otlp.Any:
        return found[name, frozenset(labels.items())]

    packets = point("coven_port_packets_total", vnf="fw", port="in", direction="in")
    assert packets.as_int == 100 and packets.start_time_unix_nano == made.head.start_wall_ns < packets.time_unix_nano
    assert point("coven_vnfc_packets_total", vnf="fw", vnfc="a", output="next").as_int == 70
    assert point("coven_ring_occupancy_ratio", vnf="fw", vnfc="a").as_double == 0.25
    assert point("coven_vnf_up", vnf="fw").as_int == 1 and point("coven_vnf_up", vnf="lost").as_int == 0
    times = point("coven_vnfc_seconds", vnf="fw", vnfc="a")
    assert (times.count, times.sum) == (5, pytest.approx(0.101))
    assert sum(times.bucket_counts) == 5 and len(times.bucket_counts) == len(times.explicit_bounds) + 1
    [full] = [i for i, n in enumerate(times.bucket_counts) if n]
    assert times.explicit_bounds[full - 1] <= 0.02 < 0.0205 < times.explicit_bounds[full]
    bursts = point("coven_vnfc_burst_packets", vnf="fw", vnfc="a")
    assert (bursts.count, bursts.sum, sum(bursts.bucket_counts)) == (3, 34, 3)
    own = point("coven_agent_request_seconds", method="GET", route="/metrics")
    assert (own.count, own.sum) == (2, pytest.approx(30.02))
    assert own.bucket_counts[-1] == 1 and own.explicit_bounds[-1] == 25.0, "one lasted longer than any bound"
    assert point("coven_agent_requests_total", method="GET", route="/metrics", status="200").as_double == 2
    kinds = {metric.name: metric for metric in request.resource_metrics[0].scope_metrics[0].metrics}
    assert kinds["coven_drops_total"].sum.is_monotonic
    assert kinds["coven_drops_total"].sum.aggregation_temporality == otlp.CUMULATIVE
    assert kinds["coven_vnfc_seconds"].unit == "seconds" and kinds["coven_vnfc_seconds"].description
    readers.close()
    made.close()


def test_a_collector_that_refuses_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture,
                                               monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setattr("coven.agent.exporting.SECONDS", 0.05)
    caplog.set_level(logging.INFO, "coven.agent")
    readers = Readers(tmp_path)
    with Collector(503) as collector:
        exporter = Exporter(f"{collector.url}/elsewhere", list, readers, Measured())
        exporter.start()
        wait_for(lambda: len(collector.requests) >= 3)
        collector.status = 200
        wait_for(lambda: "taken" in caplog.text)
        exporter.close()
    assert set(collector.paths) == {"/elsewhere"}
    assert caplog.text.count("status 503") == 1
    gone = Exporter(collector.url, list, readers, Measured())
    assert gone.send(b"") == "ConnectionError"
    gone.close()
    readers.close()


def test_without_its_package_it_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(otlp, "AVAILABLE", False)
    with pytest.raises(Refused) as caught:
        Exporter("http://127.0.0.1:1", list, Readers(tmp_path), Measured())
    assert "pip install opentelemetry-proto" in str(caught.value.mistakes[0])
