"""Prometheus' metrics of VNFs, made from status documents: the catalogue of their names, and the text that is scraped.

Counters are those of the status document, so that a VNFC's, the forwarder's or the agent's restart does not set them
back. Text format 0.0.4 of Prometheus, by prometheus-client.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import Metric

MEDIA = CONTENT_TYPE_LATEST.partition(";")[0]
CUSTOM = "coven_custom_"  #: before the name of a metric that an author declares
STATES = ("down", "stuck", "overloaded", "alive", "degraded", "ready", "progressing")  #: of health
_WHOLE = ("received", "originated", "cloned", "forwarded", "consumed")


@dataclass(frozen=True)
class Entry:
    """A metric. `name`: as it is scraped."""

    name: str
    kind: str  #: counter or gauge
    labels: tuple[str, ...]
    why: str


CATALOGUE = (
    Entry("coven_vnf_up", "gauge", ("vnf",), "1: the VNF's keeper tells its figures; 0: it does not answer"),
    *(Entry(f"coven_vnf_{name}_packets_total", "counter", ("vnf",), f"packets {name}, in the whole VNF")
      for name in _WHOLE),
    Entry("coven_in_flight_packets", "gauge", ("vnf",), "packets that are in the VNF"),
    Entry("coven_unaccounted_packets", "gauge", ("vnf",), "packets whose fate is not known: 0, or a fault of Coven"),
    Entry("coven_drops_total", "counter", ("vnf", "place", "reason"), "packets dropped, where and why"),
    Entry("coven_port_packets_total", "counter", ("vnf", "port", "direction"), "packets at a port: in or out"),
    Entry("coven_port_bytes_total", "counter", ("vnf", "port", "direction"), "bytes at a port: in or out"),
    Entry("coven_port_up", "gauge", ("vnf", "port"), "1: the link is up; absent where a port has no link"),
    *(Entry(f"coven_vnfc_{name}_packets_total", "counter", ("vnf", "vnfc"), f"packets {name}, of a VNFC")
      for name in _WHOLE),
    Entry("coven_vnfc_up", "gauge", ("vnf", "vnfc"), "1: the VNFC is running"),
    Entry("coven_vnfc_restarts_total", "counter", ("vnf", "vnfc"), "restarts of a VNFC after it ended by itself"),
    Entry("coven_vnfc_requests_total", "counter", ("vnf", "vnfc"), "agent requests that a VNFC was asked"),
    Entry("coven_vnfc_request_timeouts_total", "counter", ("vnf", "vnfc"), "agent requests without an answer in time"),
    Entry("coven_vnfc_request_seconds_total", "counter", ("vnf", "vnfc"), "time that a VNFC was busy with requests"),
    Entry("coven_health", "gauge", ("vnf", "place", "state"), "1: the VNFC, port or VNF (place: nothing) is so"),
    Entry("coven_vnfc_exceptions_total", "counter", ("vnf", "vnfc"), "exceptions that a VNFC did not catch"),
)  # fmt: skip


class _Families:
    """Samples by metric; what has none is not told."""

    def __init__(self) -> None:
        self._made: dict[str, Metric] = {}

    def add(self, name: str, value: float, **labels: str) -> None:
        entry = _BY_NAME[name]
        assert tuple(labels) == entry.labels, name
        self._family(name, entry.kind, entry.why).add_sample(name, labels, value)

    def custom(self, name: str, value: float, **labels: str) -> None:
        """An author's: the status document does not say which of them count up."""
        whole = CUSTOM + re.sub(r"\W", "_", name, flags=re.ASCII)
        self._family(whole, "unknown", f"{name}, as the VNFC's author declares it").add_sample(whole, labels, value)

    def _family(self, name: str, kind: str, why: str) -> Metric:
        if name not in self._made:
            self._made[name] = Metric(name.removesuffix("_total") if kind == "counter" else name, why, kind)
        return self._made[name]

    def collect(self) -> Iterator[Metric]:
        yield from self._made.values()


_BY_NAME = {entry.name: entry for entry in CATALOGUE}


def exposition(statuses: Mapping[str, Mapping[str, Any] | None]) -> bytes:
    """The text for a scraper. `statuses`: of each VNF its status document, None when it could not be had."""
    families = _Families()
    for vnf, status in statuses.items():
        families.add("coven_vnf_up", 0 if status is None else 1, vnf=vnf)
        if status is not None:
            _vnf(families, vnf, status)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(families)  # type: ignore[arg-type]
    return bytes(generate_latest(registry))


def _vnf(families: _Families, vnf: str, status: Mapping[str, Any]) -> None:
    for name in _WHOLE:
        families.add(f"coven_vnf_{name}_packets_total", status[name], vnf=vnf)
    families.add("coven_in_flight_packets", status["in_flight"], vnf=vnf)
    families.add("coven_unaccounted_packets", status["unaccounted"], vnf=vnf)
    for place, part in (("", status), *status["ports"].items(), *status["vnfcs"].items()):
        for state in STATES:
            families.add("coven_health", state == part["health"]["state"], vnf=vnf, place=place, state=state)
    for name, count in status["dropped"].items():
        place, _, reason = name.partition(".")
        families.add("coven_drops_total", count, vnf=vnf, place=place, reason=reason)
    for name, port in status["ports"].items():
        for direction, packets, size in (("in", "received", "bytes_in"), ("out", "sent", "bytes_out")):
            families.add("coven_port_packets_total", port[packets], vnf=vnf, port=name, direction=direction)
            families.add("coven_port_bytes_total", port[size], vnf=vnf, port=name, direction=direction)
        if port["link"] is not None:
            families.add("coven_port_up", port["link"] == "up", vnf=vnf, port=name)
    for name, vnfc in status["vnfcs"].items():
        for figure in _WHOLE:
            families.add(f"coven_vnfc_{figure}_packets_total", vnfc[figure], vnf=vnf, vnfc=name)
        families.add("coven_vnfc_up", vnfc["state"] == "running", vnf=vnf, vnfc=name)
        families.add("coven_vnfc_restarts_total", vnfc["restarts"], vnf=vnf, vnfc=name)
        requests = vnfc["requests"]
        families.add("coven_vnfc_requests_total", requests["asked"], vnf=vnf, vnfc=name)
        families.add("coven_vnfc_request_timeouts_total", requests["timed_out"], vnf=vnf, vnfc=name)
        families.add("coven_vnfc_request_seconds_total", requests["seconds"], vnf=vnf, vnfc=name)
        families.add("coven_vnfc_exceptions_total", vnfc["exceptions"], vnf=vnf, vnfc=name)
        for metric, value in vnfc["metrics"].items():
            if isinstance(value, int | float):
                families.custom(metric, value, vnf=vnf, vnfc=name)


def table() -> str:
    """The catalogue as it stands in docs/metrics.md."""
    rows = [f"| `{each.name}` | {each.kind} | {', '.join(each.labels)} | {each.why} |" for each in CATALOGUE]
    return "\n".join(["| Metric | Kind | Labels | What |", "|---|---|---|---|", *rows])
