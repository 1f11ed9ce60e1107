"""Alarms: one a standing fault, from the third second of its condition to the tenth without it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from coven.agent.alarms import standing
from coven.agent.alarms.faults import SOON_SECONDS, Condition, Fault, Severity, conditions, expiring
from coven.agent.alarms.standing import Alarms
from coven.agent.store import Store
from itf.mistakes import Kind, Mistake, Refused

WELL: dict[str, Any] = {"state": "ready", "since": "2026-01-02T03:04:05Z", "why": None}


def status(unaccounted: int = 0, forwarder: str = "running", **unwell: str) -> dict[str, Any]:
    """A status document; `unwell`: the health of the VNFCs a and b and of the ports in and out_."""

    def part(name: str) -> dict[str, Any]:
        state = unwell.get(name, "ready")
        # a moment in the future: it has just begun
        return {"health": {**WELL, "state": state, "why": f"is {state}", "since": "2100-01-01T00:00:00Z"},
                "unaccounted": 0}  # fmt: skip

    return {"forwarder": {"state": forwarder, "why": None}, "vnfcs": {name: part(name) for name in "ab"},
            "ports": {name: part(name) for name in ("in_", "out")}, "unaccounted": unaccounted,
            "classifier": {"unaccounted": 0}, "nsh": {"unaccounted": 0}}  # fmt: skip


class Clock:
    def __init__(self) -> None:
        self.at = 1000.0

    def monotonic(self) -> float:
        return self.at

    def time(self) -> float:
        return 1.7e9 + self.at


class Played:
    """An agent with one VNF."""

    def __init__(self, file: Path):
        self.store = Store(file)
        self.status: dict[str, Any] | None = status()
        self.ends: tuple[str, float] | None = None

    def ask(self, name: str, op: str) -> dict[str, Any]:
        if self.status is None:
            raise Refused(Mistake(found="its keeper hangs"), kind=Kind.UNAVAILABLE)
        return self.status

    def certificate(self) -> tuple[str, float] | None:
        return self.ends


class Bench:
    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch):
        self.agent, self.clock = Played(folder / "agent.db"), Clock()
        monkeypatch.setattr(standing, "time", self.clock)
        package = {"id": "p:1", "name": "p", "version": "1", "provider": "x", "description": "", "vnfd_id": "i",
                   "sha256": "", "size": 0, "folder": "", "created": ""}  # fmt: skip
        self.agent.store.add_package(package)
        self.vnf = self.agent.store.add_vnf("fw", "p:1", instantiation_state="INSTANTIATED")
        self.told: list[tuple[str, str]] = []
        self.again()

    def again(self) -> None:
        """Another agent."""
        self.alarms = Alarms(self.agent)  # type: ignore[arg-type]
        self.alarms.observers.append(self)

    def alarm_changed(self, alarm: dict[str, Any]) -> None:
        self.told.append(("raised", alarm["id"]))

    def alarm_cleared(self, alarm: dict[str, Any]) -> None:
        assert alarm["cleared"]
        self.told.append(("cleared", alarm["id"]))

    def passes(self, seconds: int, **unwell: Any) -> list[tuple[str, str]]:
        """The faults that stand after so many seconds with that health, looked at each second."""
        for _ in range(seconds):
            self.agent.status = status(**unwell)
            self.clock.at += 1.0
            self.alarms.look()
        return self.stand()

    def stand(self) -> list[tuple[str, str]]:
        return sorted((row["fault"], row["place"]) for row in self.alarms.all() if row["cleared"] is None)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    made = Bench(tmp_path, monkeypatch)
    yield made
    made.agent.store.close()


def test_raised_after_three_seconds_and_cleared_after_ten(bench: Bench) -> None:
    assert bench.passes(1) == []
    assert bench.passes(3, a="down") == [], "seen first at the end of the first of them"
    assert bench.passes(1, a="down") == [("vnfc_down", "a")]
    [first] = bench.alarms.all()
    assert bench.passes(30, a="down") == [("vnfc_down", "a")] and bench.alarms.all() == [first], "one id"
    assert bench.passes(9) == [("vnfc_down", "a")]
    assert bench.passes(1, a="down") == [("vnfc_down", "a")], "the same fault is back"
    assert bench.passes(9) == [("vnfc_down", "a")]
    assert bench.passes(1) == []
    assert bench.told == [("raised", first["id"]), ("cleared", first["id"])]
    assert bench.passes(4, a="down") == [("vnfc_down", "a")]
    assert len({row["id"] for row in bench.alarms.all()}) == 2, "another time, another alarm"


def test_what_is_short_is_none_and_what_comes_again_and_again_is_one(bench: Bench) -> None:
    bench.passes(1)
    for _ in range(3):
        assert bench.passes(2, b="overloaded") == []
        assert bench.passes(11) == []
    for _ in range(3):
        bench.passes(2, b="overloaded")
        bench.passes(5)
    assert bench.stand() == [("vnfc_overloaded", "b")]


def test_it_survives_the_agent(bench: Bench) -> None:
    bench.passes(1)
    bench.passes(4, in_="down")
    [alarm] = bench.alarms.all()
    bench.again()
    assert bench.passes(5, in_="down") == [("port_down", "in_")]
    bench.again()
    assert bench.passes(10) == [("port_down", "in_")], "ten seconds from the first look on"
    assert bench.passes(1) == [] and bench.told == [("raised", alarm["id"]), ("cleared", alarm["id"])]


def test_a_keeper_that_is_silent(bench: Bench) -> None:
    bench.passes(1)
    bench.passes(4, a="stuck")
    for _ in range(15):
        bench.agent.status = None
        bench.clock.at += 1.0
        bench.alarms.look()
    assert bench.stand() == [("vnf_down", ""), ("vnfc_stuck", "a")], "nobody knows better"
    assert bench.passes(9) == [("vnf_down", ""), ("vnfc_stuck", "a")]
    assert bench.passes(1) == []


def test_an_operation_says_nothing_and_an_end_is_the_end(bench: Bench) -> None:
    bench.passes(1)
    bench.passes(2, a="down")
    operation = bench.agent.store.begin(bench.vnf, "HEAL", None, {})
    assert bench.passes(20, a="down") == []
    bench.agent.store.set_operation(operation["id"], state="COMPLETED")
    assert bench.passes(4, a="down") == [("vnfc_down", "a")]
    bench.agent.store.set_vnf("fw", instantiation_state="NOT_INSTANTIATED")
    assert bench.passes(1, a="down") == []
    bench.agent.store.set_vnf("fw", instantiation_state="NOT_INSTANTIATED", errors=[{"found": "no interface"}])
    assert bench.passes(4) == [("vnf_down", "")], "its healing failed"
    assert "no interface" in bench.alarms.all()[-1]["details"][0]
    bench.agent.store.remove_vnf("fw")
    assert bench.passes(1) == []


def test_a_certificate(bench: Bench) -> None:
    ends = time.time() + SOON_SECONDS + 5.0
    assert list(expiring("c.pem", ends)) == []
    [soon] = expiring("c.pem", ends - 10.0)
    [over] = expiring("c.pem", time.time() - 5.0)
    assert (soon.how_bad, over.how_bad) == (Severity.WARNING, Severity.MAJOR) and "has expired" in over.why
    bench.clock.at = time.time() - 1.7e9
    bench.agent.ends = ("c.pem", time.time() + 3600.0)
    assert bench.passes(1) == [("certificate_expiring", "")], "it has been so for long"
    bench.agent.ends = ("c.pem", time.time() - 3600.0)
    bench.passes(1)
    [alarm] = bench.alarms.all()
    assert alarm["severity"] == "MAJOR" and alarm["changed"] and bench.told == [("raised", alarm["id"])] * 2
    bench.agent.ends = ("c.pem", time.time() + 10 * SOON_SECONDS)
    assert bench.passes(10) == []


def test_what_a_status_document_tells() -> None:
    assert list(conditions(status())) == []
    found = list(conditions(status(-2, "failed", a="stuck", b="degraded", in_="overloaded", out="down")))
    assert {(each.fault, each.place) for each in found} == {
        (Fault.VNF_DOWN, ""), (Fault.VNFC_STUCK, "a"), (Fault.PORT_OVERLOADED, "in_"), (Fault.PORT_DOWN, "out"),
        (Fault.UNACCOUNTED, ""),
    }  # fmt: skip
    assert "the VNF -2" in found[-1].why and all(isinstance(each, Condition) and each.why for each in found)
