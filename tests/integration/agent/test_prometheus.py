"""A real Prometheus scrapes an agent with a VNF: the sums are those of everybody else who counts, its rules can be
evaluated, and every query of the dashboard is answered."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agents.statistics import Reader
from coven.keeper.client import STATISTICS
from tests.integration.agent.test_trace import SEND, package
from tests.rigs.agent import ROOT
from tests.rigs.appliance import Appliance
from tests.rigs.collector import Collector, points
from tests.rigs.keeper import wait_for
from tests.rigs.prometheus import MONITORING, Server

#: panels that show what is only there when something is wrong, or has to be there for minutes
MAY_BE_EMPTY: set[str] = set()


def far_end(appliance: Appliance) -> int:
    """Packets that the kernel counted at the other end of the wire of `out`."""
    done = subprocess.run(["ip", "-n", appliance.space, "-s", "-j", "link", "show", "out1"], capture_output=True)
    return int(json.loads(done.stdout)[0]["stats64"]["rx"]["packets"])


def queries() -> list[tuple[str, str]]:
    """(panel, expression) of the dashboard, its variables filled in."""
    dashboard = json.loads((MONITORING / "dashboard.json").read_text())
    found = [(panel["title"], target["expr"]) for panel in dashboard["panels"] for target in panel["targets"]]
    return [(title, text.replace("$vnf", ".*").replace("$__rate_interval", "1m")) for title, text in found]


@pytest.mark.root
def test_it_scrapes_what_everybody_counts(appliance: Appliance, tmp_path: Path) -> None:
    before = far_end(appliance)
    status, said = appliance.coven("deploy", str(package(tmp_path / "fw", "1", "in -> a -> b -> out")),
                                   "--in", "in0", "--out", "out0")  # fmt: skip
    assert status == 0, said
    address = json.loads((appliance.state / "run" / "agent.json").read_text())
    inside = ["ip", "netns", "exec", appliance.space]
    target = address["url"].removeprefix("http://")
    with Server(tmp_path / "prometheus", target, appliance.state / "token", inside) as server:
        wait_for(lambda: server.query('up{job="coven"}') == {frozenset(): 1.0})
        for _ in range(3):  # rates need several scrapes
            subprocess.run(appliance.inside("-c", SEND, *["8"] * 30, "9", "9"), check=True)
        wait_for(lambda: appliance.get("/v1/vnfs/fw/stats")["dropped"].get("a.nine") == 6)

        def agree() -> bool:
            """Everybody says the same of a moment at which nothing moves; a scrape and the keeper's look may be due."""
            stats = appliance.get("/v1/vnfs/fw/stats")
            told = appliance.get("/v1/vnfs/fw/metrics")["metrics"]
            as_json = {(each["name"], *each["labels"].values()): each.get("value") for each in told}
            with Reader.open(appliance.state / "run" / "fw" / STATISTICS) as reader:
                read = {(figure.name, *figure.pairs.values()): value for figure, value in reader.read()}
            status, said = appliance.coven("stats", "fw", "--json")
            assert status == 0, said
            on_screen: dict[str, Any] = json.loads(said)
            sums = []
            for name, port in stats["ports"].items():
                for way, field in (("in", "received"), ("out", "sent")):
                    labels = f'vnf="fw",port="{name}",direction="{way}"'
                    [scraped] = server.query(f"coven_port_packets_total{{{labels}}}").values()
                    key = "coven_port_packets_total", name, way
                    sums.append({port[field], scraped, as_json[key], read[key], on_screen["ports"][name][field]})
            scraped_drops = server.query('coven_drops_total{place="a",reason="nine"}').values()
            key = "coven_drops_total", "a", "nine"
            sums.append({*scraped_drops, as_json[key], read[key], stats["dropped"]["a.nine"]})
            sums.append({stats["ports"]["out"]["sent"], far_end(appliance) - before})
            return all(len(each) == 1 for each in sums) and stats["ports"]["out"]["sent"] >= 80

        wait_for(agree)
        lint = server.query('scrape_samples_scraped{job="coven"}')
        assert min(lint.values()) > 200
        rules = server.ask("rules")["groups"][0]["rules"]
        assert rules and {rule["health"] for rule in rules} <= {"ok"}
        unanswered = {title for title, text in queries() if not wait_or_none(server, text)}
        assert unanswered <= MAY_BE_EMPTY, unanswered
        assert {state["labels"]["alertname"] for state in server.ask("alerts")["alerts"]} == set()
    assert "error" not in re.sub(r"level=warn.*\n", "", server.log()), server.log()


def wait_or_none(server: Server, text: str) -> bool:
    """Whether a query is answered with at least one sample, now or after some more scrapes."""
    try:
        return bool(wait_for(lambda: server.query(text)))
    except AssertionError:
        return False


def test_one_line_of_configuration_sends_it_to_a_collector(tmp_path: Path) -> None:
    """OTLP over HTTP, from an agent in a process of its own."""
    with Collector() as collector:
        (tmp_path / "coven.yaml").write_text(f"otlp: {collector.url}\n")
        words = [sys.executable, "-m", "coven", "serve", "--state", str(tmp_path / "state"), "--listen", "127.0.0.1:0"]
        environment = {**os.environ, "COVEN_CONFIG": str(tmp_path / "coven.yaml")}
        agent = subprocess.Popen(words, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        try:
            wait_for(lambda: collector.requests)
        finally:
            agent.terminate()
            assert agent.wait(60) == 0
        told = {name for name, _ in points(collector.requests[0])}
        assert told >= {"coven_agent_start_time_seconds", "coven_vm_cpus"}
