"""What a scraper reads: it parses, holds what the statistics object holds, and docs/metrics.md lists it."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from agents.catalogue import CATALOGUE, CUSTOM, custom, table
from agents.metrics import Exposition, calls, document
from agents.statistics import Reader
from itf.segment import C
from itf.statistics import Statistics
from tests.rigs.prometheus import PROMTOOL
from tests.rigs.statistics import filled, own

PAGE = Path(__file__).resolve().parents[3] / "docs" / "metrics.md"

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(text: str) -> Samples:
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = sample.name, frozenset(sample.labels.items())
            assert key not in found
            found[key] = sample.value
    return found


@pytest.fixture
def objects() -> Iterator[list[Statistics]]:
    made: list[Statistics] = []
    yield made
    for each in made:
        each.close()


def read(objects: list[Statistics], *made: Statistics) -> list[Reader]:
    objects += made
    return [Reader.open(Path(f"/proc/self/fd/{each.fd}")) for each in made]


def test_the_figures_are_those_of_the_object(objects: list[Statistics]) -> None:
    exposition = Exposition()
    [reader] = read(objects, filled())
    text = exposition.text({"fw": reader, "lost": None})
    assert exposition.text({"fw": reader, "lost": None}) == text
    found = samples(text)

    def value(name: str, /, **labels: str) -> float:
        return found[name, frozenset({"vnf": "fw", **labels}.items())]

    assert value("coven_vnf_up") == 1 and value("coven_vnf_up", vnf="lost") == 0
    assert value("coven_port_packets_total", port="in", direction="in") == 100
    assert value("coven_port_bytes_total", port="out", direction="out") == 5120
    assert value("coven_vnf_received_packets_total") == 100
    assert value("coven_drops_total", place="a", reason="policy") == 20
    assert value("coven_vnfc_packets_total", vnfc="a", output="next") == 70
    assert value("coven_vnfc_restarts_total", vnfc="a") == 4
    assert value("coven_ring_occupancy_ratio", vnfc="a") == 0.25
    assert value("coven_vnfc_burst_packets_bucket", vnfc="a", le="1") == 2
    assert value("coven_vnfc_burst_packets_bucket", vnfc="a", le="63") == 3
    assert value("coven_vnfc_burst_packets_sum", vnfc="a") == 34
    assert value("coven_vnfc_seconds_count", vnfc="a") == 5
    assert value("coven_vnfc_seconds_sum", vnfc="a") == pytest.approx(0.101)
    assert value("coven_vnfc_seconds_bucket", vnfc="a", le="0.016777216") == 0
    assert value("coven_vnfc_seconds_bucket", vnfc="a", le="0.033554432") == 5
    assert value("coven_chain_seconds_bucket", port="in", le="17.179869184") == 0
    assert value("coven_chain_seconds_bucket", port="in", le="+Inf") == 1
    # names that differ in punctuation only, and kinds
    assert value(f"{CUSTOM}hits_bad_total", vnfc="a", name="hits.bad") == 7
    assert value(f"{CUSTOM}hits_bad", vnfc="a", name="hits-bad") == 0.5
    assert value(f"{CUSTOM}sizes_count", vnfc="a") == 3 and value(f"{CUSTOM}sizes_sum", vnfc="a") == 9.5
    reader.close()


def test_a_histogram_of_times_is_as_fine_in_json(objects: list[Statistics]) -> None:
    [reader] = read(objects, filled())
    told = document(reader)
    by_key = {(each["name"], *each["labels"].values()): each for each in told["metrics"]}
    vnfc, chain = by_key["coven_vnfc_seconds", "a"], by_key["coven_chain_seconds", "in"]
    [cell] = [bucket for bucket in vnfc["buckets"] if bucket["count"]]
    assert (vnfc["count"], vnfc["sum"], vnfc["unit"]) == (5, pytest.approx(0.101), "seconds")
    assert cell["from"] <= 0.02 < 0.0205 < cell["below"] and cell["below"] - cell["from"] <= 0.125 * cell["from"]
    assert chain["buckets"] == [{"from": 2**36 / 1e9, "below": None, "count": 1}]
    assert {each["name"] for each in told["metrics"] if not each["name"].startswith(CUSTOM)} <= {
        entry.name for entry in CATALOGUE
    }
    reader.close()


def test_no_vnf_no_metric() -> None:
    assert Exposition().text({}) == ""


def test_whether_a_vnf_is_up_is_told_while_its_figures_are_half_written(objects: list[Statistics]) -> None:
    made = filled()
    made.published.sequence |= 1
    [reader] = read(objects, made)
    assert samples(Exposition().text({"fw": reader})) == {("coven_vnf_up", frozenset({("vnf", "fw")})): 1}
    reader.close()


def test_several_vnfs_share_a_family(objects: list[Statistics]) -> None:
    """Each has one HELP and one TYPE, also where authors' metrics of one name are of two kinds."""
    one, two = Statistics.make("one", 1), Statistics.make("two", 1)
    name, gauge = f"{CUSTOM}load", C.FIGURE_REAL
    one.write(*own(one, (name, {"vnfc": "a"}, gauge, math.inf)))
    two.write(*own(two, (name, {"vnfc": "a"}, gauge, 2.5), (name, {"vnfc": "b"}, C.FIGURE_COUNTER, 4)))
    first, second = read(objects, one, two)
    text = Exposition().text({"one": first, "two": second})
    assert text.count(f"# TYPE {name}_gauge gauge\n") == 1 and text.count("# TYPE coven_vnf_up gauge\n") == 1
    assert f'{name}_gauge{{vnf="one",vnfc="a"}} +Inf\n{name}_gauge{{vnf="two",vnfc="a"}} 2.5\n' in text
    assert f'# TYPE {name} counter\n{name}{{vnf="two",vnfc="b"}} 4\n' in text
    assert f"# HELP {name}_gauge said\\\\so\n" in text
    for each in first, second:
        each.close()


def test_customs_are_told_apart() -> None:
    """No two names of one VNFC and kind are told as one series."""
    names = ["a.b", "a-b", "a_b", "a_b_total", "a b", "ä_b", "a_b_"]
    for kind in C.FIGURE_COUNTER, C.FIGURE_REAL, C.FIGURE_VALUES:
        told = [(whole, *labels.items()) for whole, labels in (custom(name, kind) for name in names)]
        assert len(set(told)) == len(names)
    assert custom("hits", C.FIGURE_COUNTER) == (f"{CUSTOM}hits_total", {})
    assert custom("hits_total", C.FIGURE_COUNTER) == (f"{CUSTOM}hits_total", {"name": "hits_total"})


def test_no_metric_is_called_as_a_sample_of_another() -> None:
    """By whatever order they are found in."""
    found = [("size", "histogram"), ("size_count", "gauge"), ("size", "gauge"), ("x_total", "counter"),
             ("x_total", "gauge"), ("size_histogram_bucket", "gauge"), ("alone", "histogram")]  # fmt: skip
    for order in found, found[::-1]:
        assert calls(order) == {
            ("x_total", "counter"): "x_total", ("size", "gauge"): "size", ("size_count", "gauge"): "size_count",
            ("size_histogram_bucket", "gauge"): "size_histogram_bucket", ("x_total", "gauge"): "x_total_gauge",
            ("alone", "histogram"): "alone", ("size", "histogram"): "size_histogram_histogram",
        }  # fmt: skip


def test_explanations_fit_the_object() -> None:
    assert [entry.name for entry in CATALOGUE if len(entry.why) >= C.SEG_WHY] == []


def test_the_page_lists_them() -> None:
    assert table() in PAGE.read_text()


def test_promtool_finds_nothing_wrong(objects: list[Statistics]) -> None:
    [reader] = read(objects, filled())
    text = Exposition().text({"a": reader, "gone": None})
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=text.encode(), capture_output=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")
    reader.close()
