"""Click VNFCs in real chains over captures: built in the confinement, every packet accounted for."""

from __future__ import annotations

from pathlib import Path

import pytest
from scapy.utils import rdpcap

from coven.run.foreground import run_captures
from itf.mistakes import Refused
from tests.rigs.packages import FORWARD_C, capture, datagram, package

CHAIN = "vnfcs: {one: {source: one.click}, two: {source: two.c}}\nchain: in -> one -> two -> out\n"


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVEN_STATE", str(tmp_path / "state"))


def test_queues_shapers_and_copies_in_a_chain(tmp_path: Path) -> None:
    config = """
        FromDevice(in) -> Strip(14) -> CheckIPHeader -> f :: IPFilter(deny src port < 5, allow udp)
            -> Unstrip(14) -> Queue(50) -> RatedUnqueue(1000) -> t :: Tee -> ToDevice(next);
        t[1] -> Print(copy) -> Discard(REASON copied);
    """
    pkg = package(tmp_path / "p", CHAIN, one_click=config, two_c=FORWARD_C)
    source = capture(tmp_path / "in.pcap", [datagram(i, 20) for i in range(14)], spacing=0.02)
    out = tmp_path / "out.pcap"
    ports = {"in": {"read": str(source)}, "out": {"write": str(out)}}
    status = run_captures(pkg / "vnf.yaml", ports, {}, 1)
    assert status["received"] == 14 and status["forwarded"] == 9 and status["cloned"] == 9
    assert status["dropped"] == {"one.filtered": 5, "one.copied": 9}
    assert status["unaccounted"] == status["in_flight"] == 0
    assert [p.sport for p in rdpcap(str(out))] == list(range(5, 14))


def test_mistakes_reach_the_user_with_their_places(tmp_path: Path) -> None:
    config = "FromDevice(in) -> Nul ->\n  Paint(999) -> ToDevice(next);\n"
    descriptor = CHAIN.replace("source: one.click", "source: one.click, engine: compiled")
    pkg = package(tmp_path / "p", descriptor, one_click=config, two_c=FORWARD_C)
    source = capture(tmp_path / "in.pcap", [datagram(1, 1)])
    with pytest.raises(Refused) as refused:
        run_captures(pkg / "vnf.yaml", {"in": {"read": str(source)}, "out": {}}, {}, 1)
    said = str(refused.value)
    assert "one.click:1:19" in said and "Nul" in said and "one.click:2:9" in said and "999" in said


def test_a_click_process_is_refused_without_click(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pps.click.router.find", lambda: None)
    descriptor = CHAIN.replace("source: one.click", "source: one.click, engine: click")
    pkg = package(tmp_path / "p", descriptor, one_click="FromDevice(in) -> ToDevice(next);", two_c=FORWARD_C)
    source = capture(tmp_path / "in.pcap", [datagram(1, 1)])
    with pytest.raises(Refused, match=r"vnfcs\.one\.engine") as refused:
        run_captures(pkg / "vnf.yaml", {"in": {"read": str(source)}, "out": {}}, {}, 1)
    assert "Modular Router's click on PATH" in str(refused.value)


def test_a_configuration_without_end_is_ended(tmp_path: Path) -> None:
    looping = "FromDevice(in) -> a :: Null -> b :: Null -> a; Idle -> ToDevice(next);"
    pkg = package(tmp_path / "p", CHAIN, one_click=looping, two_c=FORWARD_C)
    source = capture(tmp_path / "in.pcap", [datagram(1, 1)])
    status = run_captures(pkg / "vnf.yaml", {"in": {"read": str(source)}, "out": {}}, {}, 1)
    assert status["unaccounted"] == 0 and status["forwarded"] == 0
    assert set(status["dropped"]) <= {"one.hung", "one.died", "one.shutdown"} and sum(status["dropped"].values()) == 1
