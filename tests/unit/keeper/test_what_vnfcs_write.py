"""What a VNFC writes into its own cells is its own: the keeper that counts it on goes by none of it."""

from __future__ import annotations

import json
import math

import pytest

from coven.keeper.figures.keeping import PACKED
from coven.keeper.hosts.past import Past
from coven.keeper.hosts.says import Metric, Values
from coven.package.filters import ASKED_MOST, compile_asked
from itf.segment import C

MOST = 2**64 - 1


def counted(metric: Metric) -> Metric:
    """After a process that wrote it, and another that wrote the same."""
    past = Past()
    past.count(metric)
    past.count(metric)
    return past.metrics[metric.name]


def test_counters_and_buckets_fit_whatever_they_are() -> None:
    found = counted(Metric(C.METRIC_COUNTER, "hits", "", "", MOST)).value
    assert found == MOST and PACKED[C.FIGURE_COUNTER].pack(found)
    values = counted(Metric(C.METRIC_HISTOGRAM, "sizes", "", "", Values(MOST, 1e308, (MOST,) * C.HOP_BUCKETS))).value
    assert values.count == MOST and set(values.buckets) == {MOST} and math.isfinite(values.total)
    assert PACKED[C.FIGURE_VALUES].pack(values.count, values.total, *values.buckets)
    json.dumps(values.total, allow_nan=False)
    past, more = Past(exceptions=MOST), Past(exceptions=5)
    past += more
    assert past.exceptions == MOST


def test_filters_of_running_vnfs_are_short() -> None:
    """libpcap would be at work for half a minute, and the keeper with it."""
    asked = " and ".join(f"not port {number}" for number in range(1, 500))
    with pytest.raises(ValueError, match=f"{len(asked)} characters, at most {ASKED_MOST}"):
        compile_asked(asked)
    assert compile_asked("tcp port 80").ethernet
