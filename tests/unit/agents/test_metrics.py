"""What a scraper reads: it parses, holds what the status document holds, and docs/metrics.md lists it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from agents.metrics import CATALOGUE, CUSTOM, exposition, table

PAGE = Path(__file__).resolve().parents[3] / "docs" / "metrics.md"

SUMS = {"received": 10, "originated": 2, "cloned": 1, "forwarded": 6, "consumed": 3, "in_flight": 1, "unaccounted": 0}
HEALTH = {"state": "ready", "since": "2026-01-02T03:04:05Z", "why": None}
STATUS: dict[str, Any] = {
    **SUMS, "health": HEALTH, "dropped": {"fw.policy": 2, "in.no_room": 1},
    "ports": {
        "in": {"received": 10, "sent": 0, "bytes_in": 640, "bytes_out": 0, "link": "up", "health": HEALTH},
        "out": {"received": 0, "sent": 6, "bytes_in": 0, "bytes_out": 384, "link": None, "health": HEALTH},
    },
    "vnfcs": {"fw": {
        **SUMS, "state": "down", "restarts": 4, "exceptions": 5, "metrics": {"hits": 7, "load": 0.5, "none": None},
        "health": {**HEALTH, "state": "down"}, "requests": {"asked": 3, "timed_out": 1, "seconds": 0.25},
    }},
}  # fmt: skip


def samples(text: bytes) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    found = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            key = sample.name, frozenset(sample.labels.items())
            assert key not in found
            found[key] = sample.value
    return found


def test_the_figures_are_those_of_the_status_document() -> None:
    found = samples(exposition({"a": STATUS, "gone": None}))

    def value(name: str, **labels: str) -> float:
        return found[name, frozenset(labels.items())]

    assert value("coven_vnf_up", vnf="a") == 1 and value("coven_vnf_up", vnf="gone") == 0
    assert value("coven_port_packets_total", vnf="a", port="in", direction="in") == 10
    assert value("coven_port_bytes_total", vnf="a", port="out", direction="out") == 384
    assert value("coven_port_up", vnf="a", port="in") == 1
    assert value("coven_drops_total", vnf="a", place="fw", reason="policy") == 2
    assert value("coven_vnfc_consumed_packets_total", vnf="a", vnfc="fw") == 3
    assert value("coven_vnfc_up", vnf="a", vnfc="fw") == 0
    assert value("coven_vnfc_restarts_total", vnf="a", vnfc="fw") == 4
    assert value(f"{CUSTOM}hits", vnf="a", vnfc="fw") == 7 and value(f"{CUSTOM}load", vnf="a", vnfc="fw") == 0.5
    assert not [name for name, _ in found if name == f"{CUSTOM}none"]
    assert len([name for name, _ in found if name == "coven_port_up"]) == 1
    assert value("coven_health", vnf="a", place="fw", state="down") == 1
    assert value("coven_health", vnf="a", place="", state="ready") == 1
    assert value("coven_health", vnf="a", place="", state="down") == 0
    assert value("coven_vnfc_requests_total", vnf="a", vnfc="fw") == 3
    assert value("coven_vnfc_request_timeouts_total", vnf="a", vnfc="fw") == 1
    assert value("coven_vnfc_request_seconds_total", vnf="a", vnfc="fw") == 0.25
    assert {name for name, _ in found if not name.startswith(CUSTOM)} == {entry.name for entry in CATALOGUE}


def test_no_vnf_no_metric() -> None:
    assert exposition({}) == b""


def test_the_page_lists_them() -> None:
    assert table() in PAGE.read_text()


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs promtool (Debian package prometheus)")
def test_promtool_finds_nothing_wrong() -> None:
    text = exposition({"a": STATUS, "gone": None})
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")
