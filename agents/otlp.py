"""The catalogue's figures as OpenTelemetry's metrics, for a collector that takes OTLP over HTTP
(opentelemetry.io/docs/specs/otlp, 1.3: ExportMetricsServiceRequest, in protobuf).

Names, units and labels are those of `/metrics`; temporality is cumulative. Needs the package `opentelemetry-proto`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client.core import Metric

from agents.catalogue import BY_NAME, KINDS
from agents.metrics import is_up
from agents.statistics import Distribution, Figure, Reader
from itf.segment import C

try:
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
    from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE as CUMULATIVE
except ImportError:  # who names no collector needs none of it
    AVAILABLE = False
else:
    AVAILABLE = True

PACKAGE = "opentelemetry-proto"
MEDIA = "application/x-protobuf"


class Export:
    """What is sent at one moment: `add` all there is, then `encoded`. `resource`: attributes of who tells it."""

    def __init__(self, resource: Mapping[str, str]):
        self._request = ExportMetricsServiceRequest()
        told = self._request.resource_metrics.add()
        _attributes(told.resource.attributes, resource)
        self._scope = told.scope_metrics.add()
        self._scope.scope.name = "coven"
        self._now = time.time_ns()
        self._metrics: dict[tuple[str, str], Any] = {}

    def encoded(self) -> bytes:
        return bytes(self._request.SerializeToString())

    def vnf(self, name: str, reader: Reader | None) -> None:
        """What a VNF's statistics object holds. Raises TimeoutError."""
        up = reader is not None and is_up(reader)
        self._point("coven_vnf_up", "gauge", "", BY_NAME["coven_vnf_up"].why, {"vnf": name}, int(up), 0)
        if reader is None:
            return
        snapshot, figures = reader.take()
        began = int(reader.head.start_wall_ns)
        for figure in figures:
            if figure.kind in KINDS:
                self._figure(figure, {"vnf": name, **figure.pairs}, snapshot.value(figure), began)

    def families(self, families: Iterable[Metric], began: float) -> None:
        """Metrics of prometheus-client. `began`: seconds since 1970."""
        for family in families:
            name = f"{family.name}_total" if family.type == "counter" else family.name
            entry = BY_NAME[name]
            if family.type == "histogram":
                for labels, value in _histograms(family):
                    self._histogram(name, entry.unit, entry.why, labels, value, int(began * 1e9))
                continue
            for sample in family.samples:
                self._point(name, entry.kind, entry.unit, entry.why, sample.labels, sample.value, int(began * 1e9))

    def _figure(self, figure: Figure, labels: dict[str, str], value: Any, began: int) -> None:
        if isinstance(value, Distribution):
            scale = 1e9 if figure.kind == C.FIGURE_TIMES else 1
            bounds = [bound / scale for bound in value.bounds]
            scaled = Distribution(value.count, value.total / scale, value.counts, bounds)
            self._histogram(figure.name, figure.unit, figure.why, labels, scaled, began)
        else:
            self._point(figure.name, KINDS[figure.kind], figure.unit, figure.why, labels, value, began)

    def _metric(self, name: str, kind: str, unit: str, why: str) -> Any:
        metric = self._metrics.get((name, kind))
        if metric is None:
            metric = self._metrics[name, kind] = self._scope.metrics.add(name=name, unit=unit, description=why)
            if kind == "counter":
                metric.sum.is_monotonic = True
                metric.sum.aggregation_temporality = CUMULATIVE
            elif kind == "histogram":
                metric.histogram.aggregation_temporality = CUMULATIVE
        return metric

    def _point(
        self, name: str, kind: str, unit: str, why: str, labels: Mapping[str, str], value: float, began: int
    ) -> None:
        metric = self._metric(name, kind, unit, why)
        points = metric.sum.data_points if kind == "counter" else metric.gauge.data_points
        point = points.add(time_unix_nano=self._now, start_time_unix_nano=began if kind == "counter" else 0)
        _attributes(point.attributes, labels)
        if isinstance(value, int) and -(2**63) <= value < 2**63:
            point.as_int = value
        else:
            point.as_double = value

    def _histogram(
        self, name: str, unit: str, why: str, labels: Mapping[str, str], value: Distribution, began: int
    ) -> None:
        point = self._metric(name, "histogram", unit, why).histogram.data_points.add(
            time_unix_nano=self._now, start_time_unix_nano=began, count=_fitting(value.count), sum=value.total
        )
        _attributes(point.attributes, labels)
        # cells that are empty on both sides of a bound need no bound between them
        counts, bounds = value.counts, value.bounds
        kept = [i for i in range(len(counts) - 1) if counts[i] or counts[i + 1]]
        at = 0
        for i in kept:
            point.explicit_bounds.append(bounds[i])
            point.bucket_counts.append(_fitting(sum(counts[at : i + 1])))
            at = i + 1
        point.bucket_counts.append(_fitting(sum(counts[at:])))


def _fitting(count: int) -> int:
    """A VNFC writes what it likes into its own histograms: 64 bits hold no more."""
    return min(count, 2**64 - 1)


def _histograms(family: Metric) -> list[tuple[dict[str, str], Distribution]]:
    found: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = {}
    sums: dict[tuple[tuple[str, str], ...], float] = {}
    for sample in family.samples:
        labels = {name: value for name, value in sample.labels.items() if name != "le"}
        key = tuple(labels.items())
        if sample.name.endswith("_bucket"):
            found.setdefault(key, []).append((float(sample.labels["le"]), sample.value))
        elif sample.name.endswith("_sum"):
            sums[key] = sample.value
    made = []
    for key, reached in found.items():
        reached.sort()
        counts = [int(n - before) for (_, n), before in zip(reached, [0.0, *(n for _, n in reached)], strict=False)]
        bounds = [bound for bound, _ in reached]
        assert math.isinf(bounds[-1])
        made.append((dict(key), Distribution(sum(counts), sums.get(key, 0.0), counts, bounds)))
    return made


def _attributes(attributes: Any, pairs: Mapping[str, str]) -> None:
    for name, value in pairs.items():
        attributes.add(key=name).value.string_value = value
