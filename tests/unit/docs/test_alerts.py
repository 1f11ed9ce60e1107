"""The alerts under docs/monitoring: each comes when it should, and not otherwise. By `promtool test rules`."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.rigs.prometheus import PROMTOOL

RULES = Path(__file__).resolve().parents[3] / "docs" / "monitoring" / "alerts.yaml"
DAY = 86400

#: by alert: the series, with values as promtool writes them, a minute apart; the minute; the labels that it then has
CASES: dict[str, tuple[dict[str, str], int, dict[str, str] | None]] = {
    "CovenUnaccountedPackets": ({'coven_unaccounted_packets{vnf="fw"}': "0x3 2x10"}, 8, {"vnf": "fw"}),
    "CovenVnfSilent": ({'coven_vnf_up{vnf="fw"}': "1x3 0x10"}, 8, {"vnf": "fw"}),
    "CovenVnfcDown": ({'coven_vnfc_up{vnf="fw",vnfc="a"}': "1x3 0x10"}, 8, {"vnf": "fw", "vnfc": "a"}),
    "CovenDropsRising": (
        {'coven_drops_total{vnf="fw",place="a",reason="full"}': "0+6x60 360+1200x20"}, 70,
        {"vnf": "fw", "place": "a", "reason": "full"},
    ),
    "CovenRingFull": ({'coven_ring_occupancy_ratio{vnf="fw",vnfc="a"}': "0.1x3 1x10"}, 8, {"vnf": "fw", "vnfc": "a"}),
    "CovenPortDown": ({'coven_port_up{vnf="fw",port="in"}': "1x3 0x10"}, 8, {"vnf": "fw", "port": "in"}),
    "CovenCertificateExpiring": (
        {'coven_certificate_expiry_time_seconds{file="a.pem"}': f"{10 * DAY}x10"}, 3, {"file": "a.pem"},
    ),
}  # fmt: skip
#: what brings none of them
QUIET = {
    'coven_unaccounted_packets{vnf="fw"}': "0x90",
    'coven_vnf_up{vnf="fw"}': "1x90",
    'coven_vnfc_up{vnf="fw",vnfc="a"}': "1x40 0 1x49",  # a restart
    'coven_drops_total{vnf="fw",place="a",reason="policy"}': "0+6000x90",  # much, as always
    'coven_drops_total{vnf="fw",place="b",reason="policy"}': "0+1x90",  # next to nothing
    'coven_ring_occupancy_ratio{vnf="fw",vnfc="a"}': "0.5x90",
    'coven_port_up{vnf="fw",port="in"}': "1x90",
    'coven_certificate_expiry_time_seconds{file="a.pem"}': f"{30 * DAY}x90",
}


def rules() -> dict[str, dict[str, Any]]:
    [group] = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for rule in group["rules"]}


def promtool(folder: Path, series: dict[str, str], minute: int, expected: dict[str, list[dict[str, Any]]]) -> None:
    test = {
        "rule_files": [str(RULES)], "evaluation_interval": "1m",
        "tests": [{
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "alert_rule_test": [
                {"eval_time": f"{minute}m", "alertname": name, "exp_alerts": alerts}
                for name, alerts in expected.items()
            ],
        }],
    }  # fmt: skip
    file = folder / "test.yaml"
    file.write_text(json.dumps(test))
    done = subprocess.run([PROMTOOL, "test", "rules", str(file)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_has_a_case() -> None:
    assert list(rules()) == list(CASES)


@pytest.mark.parametrize("alert", CASES)
def test_it_comes(alert: str, tmp_path: Path) -> None:
    series, minute, labels = CASES[alert]
    rule = rules()[alert]
    found = {**rule["labels"], **(labels or {})}
    test = {
        "rule_files": [str(RULES)], "evaluation_interval": "1m",
        "tests": [{
            "interval": "1m",
            "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "promql_expr_test": [{
                "expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) by ({", ".join(found)})',
                "eval_time": f"{minute}m",
                "exp_samples": [{"labels": "{" + ", ".join(f'{k}="{v}"' for k, v in found.items()) + "}", "value": 1}],
            }],
        }],
    }  # fmt: skip
    (tmp_path / "test.yaml").write_text(json.dumps(test))
    done = subprocess.run([PROMTOOL, "test", "rules", str(tmp_path / "test.yaml")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_none_comes_of_what_is_well(tmp_path: Path) -> None:
    for minute in (5, 17, 21, 41, 80):
        promtool(tmp_path, QUIET, minute, {alert: [] for alert in CASES})


def test_the_rules_are_well_written() -> None:
    done = subprocess.run([PROMTOOL, "check", "rules", str(RULES)], capture_output=True, text=True)
    assert done.returncode == 0 and f"{len(CASES)} rules found" in done.stdout, done.stdout + done.stderr
