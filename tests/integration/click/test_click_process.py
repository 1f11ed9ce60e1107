"""`engine: click`: configurations in a process of the Modular Router's own `click`, where there is one on PATH."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path

import pytest
from scapy.utils import rdpcap

from coven.run.foreground import run_captures
from itf.segment import C
from pps.click.router import find
from tests.rigs.click import Running
from tests.rigs.packages import FORWARD_C, capture, datagram, package

needs_click = pytest.mark.skipif(find() is None, reason="no click of the Click Modular Router on PATH")
CHAIN = "vnfcs: {one: {source: one.click, engine: ENGINE}, two: {source: two.c}}\nchain: in -> one -> two -> out\n"
FILTER = """
    FromDevice(in) -> Strip(14) -> CheckIPHeader -> f :: IPFilter(deny src port < 5, allow udp)
        -> Unstrip(14) -> n :: Counter -> Queue(50) -> %s ToDevice(next);
"""


def packets(count: int) -> list[bytes]:
    return [bytes(datagram(i, 20 + i)) for i in range(count)]


@needs_click
@pytest.mark.parametrize(("engine", "element"), [("click", ""), ("auto", "Truncate(1500) ->")])
def test_a_process_in_a_chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: str, element: str) -> None:
    monkeypatch.setenv("COVEN_STATE", str(tmp_path / "state"))
    descriptor = CHAIN.replace("ENGINE", engine)
    pkg = package(tmp_path / "p", descriptor, one_click=FILTER % element, two_c=FORWARD_C)
    source, out = capture(tmp_path / "in.pcap", [datagram(i, 20) for i in range(12)]), tmp_path / "out.pcap"
    ports = {"in": {"read": str(source)}, "out": {"write": str(out)}}
    status = run_captures(pkg / "vnf.yaml", ports, {}, 1)
    assert status["forwarded"] == 7 and status["dropped"] == {"one.not_sent_on": 5}
    assert status["unaccounted"] == status["in_flight"] == 0
    assert status["vnfcs"]["one"]["engine"] == "click" and status["vnfcs"]["two"]["engine"] is None
    assert [bytes(p) for p in rdpcap(str(out))] == [bytes(datagram(i, 20)) for i in range(5, 12)]


@needs_click
def test_context_and_origin_cross(tmp_path: Path) -> None:
    text = """
        FromDevice(in) -> t :: Tee -> VLANEncap(VLAN_ID 5) -> ToDevice(next); t[1] -> Queue -> ToDevice(other);
        FromDevice(out) -> Discard; RatedSource(LIMIT 1, RATE 1, LENGTH 60, ACTIVE false) -> ToDevice(in);
        b :: Null -> ToDevice(in); Idle -> b;
    """
    with Running(tmp_path, text, engine="click", outputs=("next", "other"), hold_max=64) as click:
        back = click.send(*packets(3), context=bytes(range(16)))
        assert Counter(click.fate(b) for b in back) == {"to 0": 3, "to 1": 3}
        assert {b.context for b in back} == {bytes(range(16))} and {b.port for b in back} == {0}
        assert [len(b.data) for b in back if b.arg == 0] == [len(p) + 4 for p in packets(3)]
        assert sum(bool(b.flags & C.FRAME_CLONED) for b in back) == 3
        assert not click.forwarder.at_host
        (dropped,) = click.send(packets(1)[0], port=1)
        assert click.fate(dropped) == "not_sent_on"
        (nowhere,) = click.send(packets(1)[0], port=2)
        assert click.fate(nowhere) == "no_device"


@needs_click
def test_what_click_keeps_comes_late_with_its_context(tmp_path: Path) -> None:
    text = "FromDevice(in) -> q :: Queue -> u :: Unqueue(ACTIVE false) -> ToDevice(next);"
    options = {"clock_mode": C.CLOCK_LIVE, "hold_max": 64}
    with Running(tmp_path, text, {"patience_ms": 5}, engine="click", **options) as click:
        click.forwarder.send(*packets(3), context=b"\x05" * 16)
        back = click.forwarder.collect(3)
        assert {click.fate(b) for b in back} == {"not_sent_on"}
        assert click.read("q.length") == 3
        assert click.write("u.active", "true")["ok"]
        late = click.forwarder.collect(3)
        assert [b.data for b in late] == packets(3) and {b.context for b in late} == {b"\x05" * 16}
        assert all(b.flags & C.FRAME_ORIGINATED for b in late) and not click.forwarder.at_host


@needs_click
def test_more_than_the_sockets_hold_is_not_lost(tmp_path: Path) -> None:
    text = "FromDevice(in) -> c :: Counter -> Queue(2000) -> ToDevice(next);"
    options = {"clock_mode": C.CLOCK_LIVE, "hold_max": 600, "quota": 700, "frames": 2048}
    with Running(tmp_path, text, engine="click", **options) as click:
        sent = [bytes(datagram(i, i)) for i in range(500)]
        click.forwarder.send(*sent)
        assert [b.data for b in click.forwarder.collect(500)] == sent
        assert click.read("c.count") == 500


@needs_click
def test_handlers_and_settings(tmp_path: Path) -> None:
    text = "FromDevice(in) -> s :: Switch(0); s[0] -> n :: Counter -> ToDevice(next); s[1] -> Discard;"
    with Running(tmp_path, text, {"s": {"switch": 1}}, engine="click") as click:
        assert click.read("s.switch") == 1 and click.fates(packets(1)[0]) == ["not_sent_on"]
        assert click.write("s.switch", "0")["ok"] and click.fates(packets(1)[0]) == ["to 0"]
        assert click.read("n.count") == 1 and click.read("n.class") == "Counter"
        names = [request["name"] for request in click.ready["requests"]]
        assert {"handler", "n.count", "n.reset", "s.switch"} <= set(names) and "Coven" not in str(names)
        any_handler = {(n, m): click.forwarder.ask("request", name="handler", args=[n, "", m])
                       for n in ("n.count", "n.reset", "x.y") for m in ("check", "read")}  # fmt: skip
        assert [any_handler[n, "check"]["value"] for n in ("n.count", "n.reset", "x.y")] == ["r", "w", ""]
        assert any_handler["n.count", "read"]["value"] == "1" and not any_handler["x.y", "read"]["ok"]
        assert not click.write("s.switch", "nonsense")["ok"]
        refused = click.forwarder.ask("configure", config={"s": {"swatch": 1}})
        assert not refused["ok"] and refused["errors"][0]["field"] == "config.s.swatch"
        assert click.forwarder.end() == 0


def _click_of(host: int) -> int:
    """The pid of the Click process that a bridge has started."""
    return int(Path(f"/proc/{host}/task/{host}/children").read_text().split()[0])


@needs_click
@pytest.mark.parametrize("way", [signal.SIGKILL, signal.SIGSTOP])
def test_a_process_that_ends_or_hangs(tmp_path: Path, way: signal.Signals) -> None:
    text = "FromDevice(in) -> ToDevice(next);"
    with Running(tmp_path, text, engine="click", clock_mode=C.CLOCK_LIVE, hold_max=64) as click:
        click.forwarder.send(*packets(2))
        assert len(click.forwarder.collect(2)) == 2
        os.kill(_click_of(click.forwarder.process.pid), way)
        click.forwarder.send(*packets(3))
        if way == signal.SIGSTOP:
            assert {click.fate(b) for b in click.forwarder.collect(3)} == {"unanswered"}
        assert click.forwarder.process.wait(60) == 3
        log = click.forwarder.close()
    assert "Click has read nothing" in log if way == signal.SIGSTOP else "has ended" in log


@needs_click
def test_a_configuration_that_click_refuses(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"x\.click:2:1: .*Strip.*LENGTH"):
        Running(tmp_path, "FromDevice(in) -> Truncate(9) ->\n Strip(x) -> ToDevice(next);", engine="click")
    with Running(tmp_path, "FromDevice(in) -> ToDevice(nowhere);", engine="click") as click:
        assert click.ready["op"] == "failed" and click.ready["errors"][0]["found"] == "nowhere"
