"""The case study's arithmetic, table, picture and place in the documentation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench import case_study, figure, page

RTT = [
    {"study": "rtt", "dut": name, "rep": rep, "value": base + rep % 3, "p99": base * 3 + rep}
    for rep in range(30)
    for name, base in (("Python + C", 100.0), ("Python + Java", 150.0))
]
RATES: list[dict[str, Any]] = [
    {"study": "forwarders", "dut": "C", "value": 2.0},
    {"study": "forwarders", "dut": "Click", "value": 1.6},
    {"study": "forwarders", "dut": "Java", "error": "no JDK"},
    {"study": "throughput", "dut": "Python + C", "value": 0.5},
]


def test_the_interval_holds_the_mean_and_narrows() -> None:
    low, high = figure.interval([1.0, 2.0, 3.0] * 10)
    assert low < 2.0 < high and high - low < 0.7
    assert figure.interval([5.0]) == (5.0, 5.0)
    assert figure.interval([1.0, 2.0]) == figure.interval([1.0, 2.0]), "the same rows give the same page"


def test_tables() -> None:
    text = figure.rtt_table(RTT + RATES)
    [line] = [line for line in text.splitlines() if line.startswith("| Python + C |")]
    assert line.startswith("| Python + C | 101 (100.") and line.endswith("| 30 | 0.5 |")
    assert "| Python + Java | 151 (" in text
    text = figure.forwarder_table(RATES)
    assert "| Click | 1.6 | 1.6..1.6 | 0.80 | +125 | >= 0.95 |" in text
    assert "| Java | no JDK |" in text


def test_the_page_keeps_everything_else(tmp_path: Path) -> None:
    text = figure.section(RTT + RATES, True)
    once = page.put("# Performance\n\ntext\n", figure.SECTION, text)
    assert once.startswith("# Performance\n\ntext\n") and figure.PICTURE in once
    assert page.put(once, figure.SECTION, text) == once
    assert page.put(once + "\nafter\n", figure.SECTION, "new").endswith("\nafter\n")
    both = page.put(once, "comparisons", "rates")
    assert page.put(both, figure.SECTION, text) == both, "sections do not touch each other"
    figure.publish(RTT, tmp_path, False)
    assert (tmp_path / "case-study.md").read_text() == figure.section(RTT, figure.draw(RTT, tmp_path / "x")) + "\n"


def test_the_picture_is_the_same_for_the_same_rows(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert figure.draw(RTT, tmp_path / "a.svg") and figure.draw(RTT, tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert (tmp_path / "a.svg").read_bytes().lstrip().startswith(b"<?xml")
    assert not figure.draw([], tmp_path / "c.svg")


def test_every_device_is_a_package() -> None:
    found = list(case_study.trials(1, 0, 1))
    assert {t.study for t in found} == set(figure.STUDIES)
    assert [t.name for t in found if t.study == "rtt"] == list(case_study.FILTERS)
    assert [t.name for t in found if t.study == "forwarders"] == list(case_study.FORWARDERS)
    assert {t.study for t in case_study.trials(1, 5, 5)} == {"rtt"}
