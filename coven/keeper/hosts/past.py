"""What earlier processes of a VNFC counted, and what goes on counting."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from coven.keeper.hosts.says import Metric, together
from itf.segment import C


@dataclass
class Past:
    """What earlier processes of this VNFC counted."""

    metrics: dict[str, Metric] = field(default_factory=dict)  #: counters and histograms, by name
    exceptions: int = 0

    def count(self, metric: Metric) -> None:
        """Add one's value; a gauge has none any more. What was of another kind before is forgotten."""
        if metric.kind != C.METRIC_GAUGE:
            before = self.metrics.get(metric.name)
            if before is not None and before.kind == metric.kind:
                one, other = before.value, metric.value
                both = together(one, other) if metric.kind == C.METRIC_COUNTER else one + other
                metric = replace(metric, value=both)
            self.metrics[metric.name] = metric

    def __iadd__(self, other: Past) -> Past:
        for metric in other.metrics.values():
            self.count(metric)
        self.exceptions = together(self.exceptions, other.exceptions)
        return self
