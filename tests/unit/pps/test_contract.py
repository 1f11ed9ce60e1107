"""What every language promises its components, each tried with the same components in its own words."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether

from itf import segment
from itf.segment import C
from pps.mistakes import BuildError
from tests.rigs.contract import LANGUAGES, Language
from tests.rigs.fake_forwarder import FakeForwarder
from tests.rigs.python_host import ETHER, REASON, complete, tcp, verdicts

FORWARD, EXCEPTION = (C.VERDICT_FORWARD, 0), (C.VERDICT_DROP, REASON["exception"])
SECOND = 1_000_000_000


def every(what: str = "") -> pytest.MarkDecorator:
    """All languages, those that have such a component."""
    cases = [
        pytest.param(each, id=each.name, marks=pytest.mark.skipif(bool(each.why), reason=each.why))
        for each in LANGUAGES
        if not what or what in each.texts
    ]
    return pytest.mark.parametrize("language", cases)


@every("verdicts")
def test_verdicts(language: Language, tmp_path: Path) -> None:
    drop = (C.VERDICT_DROP, C.REASON_DECLARED)
    flow = C.VERDICT_FLOW
    expected = [
        FORWARD, (C.VERDICT_FORWARD, 1), (C.VERDICT_FORWARD, 1), (C.VERDICT_FORWARD | flow, 0),
        (C.VERDICT_FORWARD, C.OUTPUT_BACK), (C.VERDICT_CONSUME, 0), drop, (drop[0] | flow, drop[1]),
        (C.VERDICT_NONE, 0), EXCEPTION, EXCEPTION, EXCEPTION,
    ]  # fmt: skip
    with language.host(tmp_path, "verdicts", outputs=("next", "other")) as running:
        assert running.reasons() == {C.REASON_DECLARED: "r"}
        running.send(*(tcp(dport) for dport in range(12)))
        assert verdicts(running.collect(12)) == expected
        assert running.head.exceptions == 3
        log = running.finish()
    assert all(words in log for words in language.says["verdicts"]), log


@every("looking")
def test_looking(language: Language, tmp_path: Path) -> None:
    tagged = ETHER / Dot1Q(vlan=42) / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(dport=53) / b"ab"
    six = ETHER / IPv6(src="2001:db8::1", dst="::") / UDP(dport=5)
    arp = ETHER / ARP(op=1, psrc="192.0.2.1", pdst="192.0.2.2")
    mac = ETHER.dst
    with language.host(tmp_path, "looking") as running:
        packets = (
            (tcp(), [59, f"{mac} 2048", None, f"10.0.0.1 64 {10 << 24 | 1}", None, "1000 2", None, None, 5, 40]),
            (bytes(tagged), [48, f"{mac} 33024", 42, f"10.0.0.1 64 {10 << 24 | 1}", None, None, 53, None, 2, 40]),
            (bytes(six), [62, f"{mac} 34525", None, None, "2001:db8::1 ::", None, 5, None, 0, 40]),
            (bytes(arp), [42, f"{mac} 2054", None, None, None, None, None, "1 192.0.2.2", None, None]),
        )
        for data, expected in packets:
            running.send(data, port=1, mark=2, context=b"\0\0\0\3")
            [back] = running.collect(1)
            assert running.ask("request", name="last", args=[])["value"] == [*expected, True, 6]
            assert (back.mark, back.context[:4]) == (2**32 - 1, b"\7\0\0\3")
        assert running.metrics()["seen"].value == 8
        assert running.finish() == ""


@every("changing")
def test_changing(language: Language, tmp_path: Path) -> None:
    with language.host(tmp_path, "changing") as running:
        running.send(*(tcp(dport) for dport in range(1, 9)))
        back = running.collect(8)
        changed = Ether(tcp(1))
        changed[IP].src, changed.dport = "192.0.2.9", 99
        assert back[0].data == complete(bytes(changed))
        assert back[1].data == complete(tcp(2, ttl=63))
        assert back[2].data == tcp(3)[:58]
        assert back[3].data == b"\5\6"
        assert back[4].data == complete(tcp(5, b"Jello"))
        assert verdicts(back[5:]) == [EXCEPTION] * 3
        log = running.finish()
        assert all(words in log for words in language.says.get("changing", ())), log


@every("making")
def test_making_in_order_and_nothing_lost(language: Language, tmp_path: Path) -> None:
    with language.host(tmp_path, "making", outputs=("next", "other")) as running:
        running.send(tcp(1), tcp(2), tcp(3))
        back = running.collect(6)
        assert [b.flags & (C.FRAME_ORIGINATED | C.FRAME_CLONED) for b in back] == [
            0, C.FRAME_CLONED, C.FRAME_CLONED, C.FRAME_ORIGINATED, 0, 0,
        ]  # fmt: skip
        assert (back[1].data, back[1].arg, back[2].data) == (complete(tcp(2, ttl=3)), 1, tcp(2))
        assert (back[3].data, back[3].port) == (bytes(60), 1)
        assert [b.verdict for b in back[4:]] == [C.VERDICT_CONSUME, C.VERDICT_DROP]
        assert "can be emitted" in running.finish()
    with language.host(tmp_path, "making", spares=0) as running:
        running.send(tcp(2))
        assert verdicts(running.collect(1)) == [EXCEPTION]
        assert "no frame is free" in running.finish()


@every("holding")
def test_hold_release_and_timers_in_capture_time(language: Language, tmp_path: Path) -> None:
    with language.host(tmp_path, "holding", clock_mode=C.CLOCK_CAPTURE) as running:
        running.send(tcp(), time_ns=10 * SECOND)
        running.send(tcp(), time_ns=11 * SECOND)
        running.settle()
        assert running.head.held == 2
        running.advance(12 * SECOND)
        [first] = running.collect(1)
        assert (first.verdict, first.arg, first.data) == (*FORWARD, complete(tcp(ttl=9)))
        running.advance(13 * SECOND)
        assert verdicts(running.collect(1)) == [(C.VERDICT_DROP, C.REASON_DECLARED)]
        assert running.head.held == 0
        assert running.ask("request", name="times", args=[])["value"] == [10.5, 11, 11.5, 12, 12.5, 13]
        assert running.finish() == ""


@every("too many held")
def test_more_than_hold_max_are_dropped_by_name(language: Language, tmp_path: Path) -> None:
    with language.host(tmp_path, "too many held", hold_max=2) as running:
        running.send(tcp(), tcp(), tcp())
        assert verdicts(running.collect(1)) == [(C.VERDICT_DROP, REASON["hold_full"])]
        assert running.head.held == 2
        running.tell(op="exit")
        assert verdicts(running.collect(2)) == [FORWARD] * 2
        running.process.wait(60)
        assert running.close() == "gone\n"


@every("configuration")
def test_configuration_requests_and_state(language: Language, tmp_path: Path) -> None:
    command = language.command(tmp_path, language.texts["configuration"])
    with FakeForwarder(command) as running:
        ready = running.init({"limit": 5})
        arguments = [
            {"name": "more", "type": "int"},
            {"name": "times", "type": "float", "default": 2.0},
            {"name": "text", "type": "str", "default": 'a"b'},
        ]
        seen = {"name": "seen", "why": "so far", "unit": "packets", "args": arguments, "changes": False}
        where = {"name": "where", "why": "", "unit": "", "args": [], "changes": True}
        well = {"name": "health", "why": ready["requests"][-1]["why"], "unit": "", "args": [], "changes": False}
        assert ready["requests"] == [seen, where, well] and "ok" in well["why"]
        assert running.ask("request", name="health", args=[])["value"] is None
        refused = running.ask("configure", config={"limit": -1})
        assert (refused["ok"], refused["errors"][0]["found"]) == (False, "limit: at least 0")
        assert (refused["errors"][0]["file"], refused["errors"][0]["line"]) == (language.file, language.configure_line)
        assert running.ask("configure", config={"limit": 7})["ok"] is True
        running.send(tcp(), tcp())
        running.collect(2)
        assert running.ask("request", name="seen", args=[1])["value"] == 6
        assert running.ask("request", name="seen", args={"more": "0x10", "times": 1})["value"] == 18
        for bad in ([], ["x"], [1, 2, 3, 4], {"les": 1}, [-1]):
            assert running.ask("request", name="seen", args=bad)["ok"] is False
        found = running.ask("request", name="where", args=[])
        assert found["value"]["ports"] == ["in", "out"] and "mac" in found["value"]
        assert 0 <= found["seconds"] < 10
        assert running.ask("request", name="health", args=[])["value"] == "2 seen"
        assert running.metrics()["sizes"].count == 2
        assert running.end() == 0
        kept = running.state()
    with FakeForwarder(command, state=kept) as running:
        assert running.init({"limit": 5})["op"] == "ready"
        assert running.ask("request", name="seen", args=[0, 1])["value"] == 2


@every("bursts")
def test_bursts(language: Language, tmp_path: Path) -> None:
    drop = (C.VERDICT_DROP, C.REASON_DECLARED)
    with language.host(tmp_path, "bursts") as running:
        running.send(*(tcp(dport) for dport in (1, 2, 3, 4)))
        assert verdicts(running.collect(3)) == [drop, FORWARD, drop]
        running.send(tcp(66))
        assert verdicts(running.collect(1)) == [EXCEPTION]
        running.tell(op="exit")
        assert verdicts(running.collect(1)) == [(C.VERDICT_FORWARD, 1)]


@every("many")
def test_many_packets_and_slow_ones(language: Language, tmp_path: Path) -> None:
    with language.host(tmp_path, "many", frames=1024, quota=900) as running:
        for _ in range(20):
            frames = running.send(*[tcp()] * 400)
            assert [b.frame for b in running.collect(400)] == frames
        running.send(*[tcp(payload=b"slowly")] * 20)
        assert len(running.collect(20)) == 20
        assert running.finish() == ""


@every("many")
def test_packets_that_are_timed_have_both_stamps(language: Language, tmp_path: Path) -> None:
    """When it was taken and when its verdict was given, on the clock's low bits; others are not looked at."""
    with language.host(tmp_path, "many") as running:
        before = time.monotonic_ns()
        running.send(tcp(), timed=True)
        [timed] = running.collect(1)
        after = time.monotonic_ns()
        running.send(tcp())
        [plain] = running.collect(1)
        assert (plain.taken, plain.given) == (0, 0)
        # a stamp may be one unit late, since its last bit is set
        since = [((stamp - (before >> C.STAMP_SHIFT)) % 2**32) << C.STAMP_SHIFT for stamp in (timed.taken, timed.given)]
        assert 0 <= since[0] <= since[1] <= after - before + 2 * (1 << C.STAMP_SHIFT)


@every("many")
def test_a_pool_that_others_spoilt_keeps_no_host_from_starting(
    language: Language, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = segment.Pool.make

    def spoilt(frames: int, frame_size: int) -> segment.Pool:
        pool = make(frames, frame_size)
        segment.ffi.memmove(pool.base, b"\xff" * pool.size, pool.size)
        return pool

    monkeypatch.setattr(segment.Pool, "make", spoilt)
    with language.host(tmp_path, "many") as running:
        running.send(tcp(), tcp())
        assert verdicts(running.collect(2)) == [FORWARD] * 2
        assert running.finish() == ""


@every("throwing")
def test_a_thousand_exceptions_end_it_and_its_packets_are_back(language: Language, tmp_path: Path) -> None:
    with language.host(tmp_path, "throwing") as running:
        for _ in range(10):
            running.send(*[tcp()] * 100)
            assert verdicts(running.collect(100)) == [EXCEPTION] * 100
        running.send(tcp())
        assert running.process.wait(60) == 1
        assert "more than 1000 exceptions in 10 s" in running.close()


@every()
def test_libs_are_refused_and_a_missing_run_time_is_said(
    language: Language, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BuildError, match="vendor") as refused:
        language.framework.build_command([], tmp_path, tmp_path / "x", ["zlib"])
    assert [mistake.field for mistake in refused.value.mistakes] == ["libs"]
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert language.framework.needs == bool(language.nothing)
    if language.nothing:
        with pytest.raises(BuildError) as absent:
            language.framework.build_command([], tmp_path, tmp_path / "x", [])
        assert absent.value.mistakes[0].found == language.nothing


@every("notes")
def test_notes_are_for_packets_that_are_watched(language: Language, tmp_path: Path) -> None:
    """A text, or what makes one, of a verdict made now, at the beginning, or of what was held; cut to what there is
    room for; also after the packet was changed. Nobody watches: no note, and none is made."""
    notes = ["rule 7", "made for whoever watches", "\u00fc" * 63, "said at the beginning", "of one that was held", ""]
    with language.host(tmp_path, "notes") as running:
        for watched in False, True:
            running.send(*(tcp(dport) for dport in range(6)), watched=watched)
            back = {each.data[37]: each for each in running.collect(6)}
            assert [back[dport].note.rstrip("\ufffd") for dport in range(6)] == [note * watched for note in notes]
            assert [back[dport].verdict for dport in range(6)] == [C.VERDICT_DROP] * 5 + [C.VERDICT_FORWARD]
        assert running.metrics()["made"].value == 1
        running.finish()


@every("notes of a burst")
def test_notes_of_a_burst(language: Language, tmp_path: Path) -> None:
    with language.host(tmp_path, "notes of a burst") as running:
        for watched in False, True:
            running.send(tcp(1), tcp(2), tcp(1), watched=watched)
            assert sorted(each.note for each in running.collect(3)) == ["", "one" * watched, "one" * watched]
        running.finish()
