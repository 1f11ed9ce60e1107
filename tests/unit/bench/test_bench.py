"""The arithmetic of bench: percentiles, the table, the suite's shape."""

from __future__ import annotations

import pytest

from bench import curves, suite, table
from bench.rig import RigError, Traffic, percentile
from bench.suite import Comparison
from bench.trial import FIGURES, Kind


def test_percentile_is_of_frames_not_of_buckets() -> None:
    histogram = {"1000": 98, "5000": 1, "900000": 1}
    assert percentile(histogram, 0.5) == 1
    assert percentile(histogram, 0.99) == 5
    assert percentile(histogram, 1.0) == 900
    with pytest.raises(RigError):
        percentile({}, 0.5)


def test_rates_are_compared_as_ratios_and_times_as_differences() -> None:
    assert table.compare(1.0, 2.0, "Mpps") == "0.50 (+500 ns a packet)"
    assert table.compare(44.0, 30.0, "us") == "+14.0 us"
    assert table.compare(0.3, 0.2, "MB") == ""


def test_table_has_medians_and_errors() -> None:
    kind = Kind("rate", Traffic(), "Mpps")
    comparison = Comparison("r", kind, {"bare": "b", "c-c": "c", "bad": "x"}, "bare", {"c-c": ">= 0.75"})
    rows = [{"comparison": "r", "dut": "bare", "value": v} for v in (1.0, 2.0, 9.0)]
    rows += [{"comparison": "r", "dut": "c-c", "value": v} for v in (1.6, 1.5, 1.7)]
    rows += [{"comparison": "r", "dut": "bad", "error": "no frame came through"}]
    text = table.markdown(rows, [comparison])
    assert "| r | bare | 2 Mpps | 1..9 |  |  |" in text
    assert "| r | c-c | 1.6 Mpps | 1.5..1.7 | 0.80 (+125 ns a packet) | >= 0.75 |" in text
    assert "| r | bad | no frame came through |" in text


def test_curves_take_medians_by_length_and_by_flows() -> None:
    rows = [
        {"comparison": "chain length", "dut": "bare AF_XDP", "value": 2.0},
        {"comparison": "chain length", "dut": "2 C VNFCs", "value": 1.5},
        {"comparison": "chain length", "dut": "2 C VNFCs", "value": 1.7},
        {"comparison": "chain length", "dut": "3 C VNFCs", "error": "no frame came through"},
        {"comparison": "100 flows", "dut": "c-c", "value": 1.4},
        {"comparison": "rate 64 B, AF_XDP", "dut": "c-c", "value": 9.0},
    ]
    assert curves.over_length(rows) == {0: 2.0, 2: 1.6}
    assert curves.over_flows(rows) == {"c-c": {100: 1.4}}


def test_suite_names_are_unique_and_references_exist() -> None:
    comparisons = suite.rates(1) + suite.latencies(1) + suite.appliance(1)
    assert len({c.name for c in comparisons}) == len(comparisons)
    for comparison in comparisons:
        assert comparison.kind.figure in FIGURES
        assert comparison.reference is None or comparison.reference in comparison.duts
        assert set(comparison.aims) <= set(comparison.duts)
