"""Metrics of prometheus-client by the catalogue: for what is not in a statistics object."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import Metric

from agents.catalogue import BY_NAME

disable_created_metrics()  # a series beside each counter: the start time says it once


def family(name: str) -> Metric:
    """A family without samples."""
    entry = BY_NAME[name]
    return Metric(name.removesuffix("_total") if entry.kind == "counter" else name, entry.why, entry.kind)


def counter(name: str, registry: CollectorRegistry) -> Counter:
    entry = BY_NAME[name]
    assert entry.kind == "counter"
    return Counter(name, entry.why, entry.labels, registry=registry)


def gauge(name: str, registry: CollectorRegistry) -> Gauge:
    entry = BY_NAME[name]
    assert entry.kind == "gauge"
    return Gauge(name, entry.why, entry.labels, registry=registry)


def histogram(name: str, registry: CollectorRegistry, bounds: Sequence[float]) -> Histogram:
    entry = BY_NAME[name]
    assert entry.kind == "histogram"
    return Histogram(name, entry.why, entry.labels, registry=registry, buckets=bounds)
