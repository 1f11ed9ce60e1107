"""`GET /metrics` of a running VNF: its sums are those of `coven stats`, and an upgrade sets no counter back."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from agents.catalogue import BY_NAME
from tests.integration.agent.test_trace import SEND, package
from tests.rigs.agent import ROOT, Agent
from tests.rigs.appliance import Appliance
from tests.rigs.keeper import wait_for

Samples = dict[tuple[str, tuple[str, ...]], float]
LABELS = {name: entry.labels for name, entry in BY_NAME.items()}

_SCRAPE = """
import sys
from pathlib import Path
from urllib.request import Request, urlopen
from coven.cli.client import find
token = (Path(sys.argv[1]) / "token").read_text().strip()
with urlopen(Request(find(sys.argv[1]).url + "/metrics", headers={"Authorization": "Bearer " + token})) as answer:
    assert answer.headers["Content-Type"].startswith("text/plain"), answer.headers["Content-Type"]
    sys.stdout.buffer.write(answer.read())
"""


def scrape(appliance: Appliance) -> tuple[Samples, set[str]]:
    """Samples by name and labels' values (as in the catalogue), and the names of the counters."""
    words = appliance.inside("-c", _SCRAPE, str(appliance.state))
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: Samples = {}
    counters = set()
    for family in text_string_to_metric_families(done.stdout):
        for sample in family.samples:
            labels = (*LABELS.get(sample.name, LABELS.get(family.name, ("vnf", "vnfc"))), "le")
            key = sample.name, tuple(sample.labels[label] for label in labels if label in sample.labels)
            assert key not in found, key
            found[key] = sample.value
            if family.type == "counter" or (family.type == "histogram" and not sample.name.endswith("_sum")):
                counters.add(sample.name)
    return found, counters


def quiet(appliance: Appliance) -> tuple[dict[str, Any], Samples, set[str]]:
    """Figures and samples between which no packet came."""
    while True:
        before = appliance.get("/v1/vnfs/fw/stats")
        samples, counters = scrape(appliance)
        after = appliance.get("/v1/vnfs/fw/stats")
        if before["received"] == after["received"] and before["in_flight"] == after["in_flight"] == 0:
            return after, samples, counters


@pytest.mark.root
def test_sums_agree_and_go_on_over_an_upgrade(appliance: Appliance, tmp_path: Path) -> None:
    one = package(tmp_path / "one", "1", "in -> a -> b -> out")
    status, said = appliance.coven("deploy", str(one), "--in", "in0", "--out", "out0")
    assert status == 0, said
    subprocess.run(appliance.inside("-c", SEND, "8", "9", "9", "10"), check=True)
    wait_for(lambda: appliance.get("/v1/vnfs/fw/stats")["dropped"].get("a.nine") == 2)
    stats, old, counters = quiet(appliance)
    assert old["coven_drops_total", ("fw", "a", "nine")] == 2
    assert old["coven_vnfc_consumed_packets_total", ("fw", "a")] == 1
    assert old["coven_unaccounted_packets", ("fw",)] == 0
    assert old["coven_vnf_received_packets_total", ("fw",)] == stats["received"] >= 4
    drops = {f"{labels[1]}.{labels[2]}": value
             for (name, labels), value in old.items() if name == "coven_drops_total" and value}
    assert drops == stats["dropped"]
    for name, port in stats["ports"].items():
        assert old["coven_port_packets_total", ("fw", name, "in")] == port["received"]
        assert old["coven_port_packets_total", ("fw", name, "out")] == port["sent"]
        assert old["coven_port_bytes_total", ("fw", name, "in")] == port["bytes_in"]
        assert old["coven_port_bytes_total", ("fw", name, "out")] == port["bytes_out"]
    # a goes, c comes, b stays
    two = package(tmp_path / "two", "2", "in -> c -> b -> out")
    status, said = appliance.coven("upgrade", "fw", str(two))
    assert status == 0, said
    subprocess.run(appliance.inside("-c", SEND, "8", "9"), check=True)
    wait_for(lambda: appliance.get("/v1/vnfs/fw/stats")["dropped"].get("c.nine") == 1)
    _, new, _ = quiet(appliance)
    assert new["coven_drops_total", ("fw", "a", "nine")] == 2 and new["coven_drops_total", ("fw", "c", "nine")] == 1
    gone = {key for key in old if key not in new}
    assert all(labels[1] == "a" or labels[1:] == ("vnfc", "a") for _, labels in gone), gone
    assert [key for key in old if key[0] in counters and key not in gone and new[key] < old[key]] == []


def test_a_scraper_needs_a_token(agent: Agent) -> None:
    assert agent.raw("GET", "/metrics") == 200
    token = agent.token
    (agent.state / "token").write_text("0" * len(token))
    assert agent.ask("GET", "/metrics")[0] == 401
    (agent.state / "token").write_text(token)
    created = agent.ask("POST", "/v1/tokens", {"name": "scraper", "scopes": ["read"]})
    assert created[0] == 201
    (agent.state / "token").write_text(created[1]["token"])
    assert agent.raw("GET", "/metrics") == 200
    (agent.state / "token").write_text(token)
