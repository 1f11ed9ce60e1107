"""The plan: one record from the agent's request to the keeper, which asks nobody else."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path

import pytest

from coven.keeper.plan import Plan, PortPlan
from itf.mistakes import Refused

ROOT = Path(__file__).resolve().parents[3]
PLAN = Plan(
    name="fw", package=Path("/p"), build=Path("/b"), instance="i", descriptor="x.yaml", latency="low", frames=2048,
    ports={"in": PortPlan("af_packet", "eth1", take=True), "out": PortPlan("pcap", None, None, "y.pcap")},
    config={"a": {"k": [1, "x"]}}, debug="a", seed=5, missing=True, paths=[{"spi": 1, "chain": "main"}],
    libs=["zlib"],
)  # fmt: skip


def test_a_plan_goes_through_its_record() -> None:
    plain = Plan(name="fw", package=Path("/p"), build=Path("/b"), ports={})
    for field in fields(Plan):
        assert field.name in ("name", "package", "build") or getattr(PLAN, field.name) != getattr(plain, field.name)
    for plan in (PLAN, plain):
        assert Plan.from_record(json.loads(json.dumps(plan.as_record()))) == plan


def test_no_libs_are_not_the_usual_ones() -> None:
    assert Plan.from_record({**PLAN.as_record(), "libs": []}).libs == []
    assert Plan.from_record({**PLAN.as_record(), "libs": None}).libs is None


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"name": "x", "package": "/p", "build": "/b", "ports": {"in": {"backend": "tun"}}}']
)
def test_what_is_no_plan_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(Refused, match="wrong plan"):
        Plan.read(tmp_path / "plan.json")


def test_the_keeper_reads_no_settings_of_its_own() -> None:
    for file in (ROOT / "coven" / "keeper").rglob("*.py"):
        assert "coven.base.operator" not in file.read_text(), file
