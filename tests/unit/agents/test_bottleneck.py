"""Which part limits a chain: each kind of limit, by figures as they were seen where it was the limit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agents.bottleneck import Limit, Observation, PortSeen, Process, VnfcSeen, judge

IDLE = Observation(
    received=1000.0,
    forwarder=Process(0.1, 0.05, 0.0, (0,)),
    vnfcs={name: VnfcSeen("python", Process(0.05, 0.01, 0.0, (1,)), 1000.0, 1000.0, seconds=2e-5) for name in "abc"},
    ports={"in": PortSeen({"rx_dropped": 0.0}), "out": PortSeen(sent=1000.0)},
    busy={0: 0.2, 1: 0.3},
)


def behind(name: str, served: float, process: Process, seen: Observation = IDLE) -> Observation:
    slow = replace(seen.vnfcs[name], served=served, backlogged=1.0, process=process, seconds=1 / served)
    return replace(seen, vnfcs={**seen.vnfcs, name: slow})


def test_nothing_limits_one_that_has_time() -> None:
    assert judge(IDLE) is None


@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_one_that_works_all_the_time(name: str) -> None:
    found = judge(behind(name, 400.0, Process(0.97, 0.1, 0.0, (1,))))
    assert found is not None and (found.limit, found.where, found.allows) == (Limit.VNFC, name, 400.0)
    assert "works all the time: 97% of a core" in found.why and "2.5 ms a packet" in found.why
    assert any("handle_burst" in help_ for help_ in found.helps) and any("as C" in help_ for help_ in found.helps)


@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_one_that_waits(name: str) -> None:
    found = judge(behind(name, 90.0, Process(0.02, 0.01, 0.0, (1,))))
    assert found is not None and (found.limit, found.where) == (Limit.VNFC, name)
    assert "mostly waits" in found.why and any("timer" in help_ for help_ in found.helps)


def test_one_that_waits_while_its_core_is_used_up_by_others() -> None:
    found = judge(replace(behind("b", 90.0, Process(0.02, 0.01, 0.1, (1,))), busy={0: 1.0, 1: 1.0}))
    assert found is not None and (found.limit, found.where) == (Limit.VNFC, "b") and "mostly waits" in found.why


def test_of_two_that_are_behind_the_slower_one() -> None:
    busy = Process(0.95, 0.0, 0.0, (1,))
    found = judge(behind("c", 500.0, busy, behind("a", 900.0, busy)))
    assert found is not None and found.where == "c"


def test_a_core_that_is_used_up() -> None:
    seen = replace(behind("b", 500.0, Process(0.4, 0.0, 0.55, (1,))), busy={0: 0.3, 1: 0.99})
    found = judge(seen)
    assert found is not None and (found.limit, found.where) == (Limit.CORE, "1")
    assert "b 40%" in found.why and "the forwarder" not in found.why, "it runs elsewhere"


def test_the_transmit_path() -> None:
    full = judge(replace(IDLE, ports={**IDLE.ports, "out": PortSeen(lost_out=5.0, sent=800.0)}))
    assert full is not None and (full.limit, full.where, full.allows) == (Limit.TRANSMIT, "out", 800.0)
    lost = {**IDLE.ports, "in": PortSeen({"rx_dropped": 300.0})}
    found = judge(replace(IDLE, ports=lost, forwarder=Process(0.98, 0.7, 0.0, (0,))))
    assert found is not None and found.limit == Limit.TRANSMIT and "the kernel's transmit path" in found.why
    assert "in.rx_dropped 300" in found.why


def test_the_forwarder_and_the_port() -> None:
    lost = {**IDLE.ports, "in": PortSeen({"rx_dropped": 300.0})}
    found = judge(replace(IDLE, ports=lost, forwarder=Process(0.98, 0.2, 0.0, (0,))))
    assert found is not None and found.limit == Limit.FORWARDER
    found = judge(replace(IDLE, ports=lost))
    assert found is not None and (found.limit, found.where) == (Limit.PORT, "in")
    waits = Process(0.1, 0.0, 0.85, (0,))
    found = judge(replace(IDLE, ports=lost, busy={0: 1.0, 1: 0.2}, forwarder=waits))
    assert found is not None and (found.limit, found.where) == (Limit.CORE, "0") and "the forwarder 10%" in found.why
