"""What the agent counts of itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from agents.catalogue import AGENT
from coven.agent.measured import Measured
from coven.agent.states import State
from coven.agent.store import Store
from itf.mistakes import Refused


def values(measured: Measured) -> dict[tuple[str, ...], float]:
    """Samples by name and labels' values in the order of their names."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(measured.text()) for sample in family.samples
    }  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Any:
    store = Store(tmp_path / "agent.db")
    yield store
    store.close()


def test_requests_are_counted_by_route_and_not_by_address() -> None:
    measured = Measured()
    measured.request("GET", "/v1/vnfs/{name}", 200, 0.004)
    measured.request("GET", "/v1/vnfs/{name}", 404, 0.3)
    found = values(measured)
    assert found["coven_agent_requests_total", "GET", "/v1/vnfs/{name}", "200"] == 1
    assert found["coven_agent_request_seconds_count", "GET", "/v1/vnfs/{name}"] == 2
    assert found["coven_agent_request_seconds_bucket", "0.005", "GET", "/v1/vnfs/{name}"] == 1
    assert not [key for key in found if key[0].endswith("_created")]


def test_operations_are_counted_once_when_they_are_over(store: Store) -> None:
    measured = Measured()
    store.observers.append(measured)
    texts = ("name", "version", "provider", "description", "vnfd_id", "sha256", "folder", "created")
    store.add_package({"id": "p:1", "size": 1, **dict.fromkeys(texts, "x")})
    vnf = store.add_vnf("fw", "p:1")
    operation = store.begin(vnf, "INSTANTIATE", None, {})
    store.set_operation(operation["id"], state=State.PROCESSING)
    assert ("coven_operations_total", "INSTANTIATE", "COMPLETED") not in values(measured)
    store.set_operation(operation["id"], state=State.COMPLETED)
    with pytest.raises(Refused):
        store.set_operation(operation["id"], state=State.PROCESSING)
    row = store.operation(operation["id"])
    assert row is not None
    measured.operation_entered(row)  # as on a full disk, again and again
    found = values(measured)
    assert found["coven_operations_total", "INSTANTIATE", "COMPLETED"] == 1
    assert found["coven_operation_seconds_count", "INSTANTIATE"] == 1


def test_everything_that_the_catalogue_lists_is_there() -> None:
    measured = Measured()
    measured.request("GET", "/metrics", 200, 0.1)
    measured.certificate("a.pem", 5.0)
    told = {family.name for family in text_string_to_metric_families(measured.text())}
    listed = {each.name.removesuffix("_total") for each in AGENT}
    assert told == listed
    found = values(measured)
    assert found["coven_certificate_expiry_time_seconds", "a.pem"] == 5
    assert found["coven_vm_memory_bytes", "all"] > found["coven_vm_memory_bytes", "available"] > 0
    assert found["coven_vm_network_packets_total", "in", "lo"] == found["coven_vm_network_packets_total", "out", "lo"]
    measured.certificate("b.pem", None)
    assert not [key for key in values(measured) if key[0] == "coven_certificate_expiry_time_seconds"]
