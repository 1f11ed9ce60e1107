"""The bridge to executables, engine framed: the real bridge and real components at a played forwarder."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from itf.segment import C
from tests.rigs.executables import command, framed
from tests.rigs.fake_forwarder import FakeForwarder
from tests.rigs.python_host import REASON, tcp

PACKET = tcp()
READY = """
ready = {"reasons": [{"name": "odd", "why": "an odd port"}],
         "metrics": [{"name": "seen", "kind": "counter", "why": "packets", "unit": "packets"},
                     {"name": "level", "kind": "gauge", "why": "a level", "unit": ""}],
         "requests": [{"name": "twice", "why": "doubles", "unit": "",
                       "args": [{"name": "n", "type": "int"}]}]}
"""


def test_everything_passes_in_order(tmp_path: Path) -> None:
    with framed(tmp_path, "", quota=900, frames=2048, hold_max=1024) as f:
        for size in (1, 64, 300):
            frames = f.send(*[PACKET] * size)
            back = f.collect(size)
            assert [b.frame for b in back] == frames
            assert {(b.verdict, b.arg, b.data) for b in back} == {(C.VERDICT_FORWARD, 0, PACKET)}
        f.settle()
        assert f.head.held == 0
        assert f.end() == 0


def test_the_time_that_the_component_takes_is_the_vnfcs(tmp_path: Path) -> None:
    text = """
def handle(id, head, data):
    time.sleep(0.05)
    verdict(id, FORWARD)
"""
    with framed(tmp_path, text) as f:
        f.send(PACKET, timed=True)
        [back] = f.collect(1)
        assert ((back.given - back.taken) % 2**32) << C.STAMP_SHIFT >= 50_000_000 - (1 << C.STAMP_SHIFT)


def test_verdicts_marks_contexts_and_bytes_cross(tmp_path: Path) -> None:
    text = READY + """
def handle(id, head, data):
    time_ns, mark, port, link, _, context = struct.unpack("!QIBBH16s", head)
    say(b"M", 0, 0, 0, struct.pack("!d", 1)); say(b"M", 0, 1, 0, struct.pack("!d", 2.5))
    if mark == 1: verdict(id, DROP, 0)
    elif mark == 2: verdict(id, CONSUME)
    elif mark == 3: verdict(id, FORWARD, 0xff)
    elif mark == 4: verdict(id, FORWARD, 2, struct.pack("!QIBBH16s", 0, 9, 0, 0, 0, b"\\7" + context[1:])
                            + data + b"more")
    elif mark == 5: verdict(id, 77)
    else: verdict(id, DROP, 5)
"""
    with framed(tmp_path, text) as f:
        back = {}
        for mark in range(1, 7):
            f.send(PACKET, mark=mark, context=b"\1\2")
            [back[mark]] = f.collect(1)
        assert f.reasons() == {64: "unanswered", 65: "odd"}
        assert [(b.verdict, b.arg) for b in back.values()] == [
            (C.VERDICT_DROP, 65), (C.VERDICT_CONSUME, 0), (C.VERDICT_FORWARD, C.OUTPUT_BACK),
            (C.VERDICT_FORWARD, 2), (C.VERDICT_NONE, 0), (C.VERDICT_NONE, 0)]  # fmt: skip
        assert (back[4].data, back[4].mark, back[4].context[:2]) == (PACKET + b"more", 9, b"\7\2")
        assert (back[4].l3, back[4].l4) == (14, 34)
        f.settle()
        assert f.metrics()["seen"].value == 6
        assert f.metrics()["nonsense"].value == 2


def test_notes_are_for_packets_that_are_watched(tmp_path: Path) -> None:
    """Of one that nobody watches a note is forgotten; a long one is cut; also after the packet was changed."""
    text = READY + """
def handle(id, head, data):
    watched = head[14:16] == b"\\0\\1"
    note(id, "rule 7" if data[-1:] == b"1" else "x" * 300 if data[-1:] == b"2" else "")
    verdict(id, DROP, 0, head + data + b"more" if watched else b"")
"""
    with framed(tmp_path, text) as f:
        for watched in False, True:
            f.send(*(PACKET + bytes([each]) for each in b"123"), watched=watched)
            back = f.collect(3)
            assert [each.note for each in back] == ["rule 7" * watched, "x" * (C.FRAME_NOTE - 1) * watched, ""]
            assert all(each.data.endswith(b"more") == watched and each.arg == 65 for each in back), "it is told"
        f.settle()
        assert "nonsense" not in f.metrics() or f.metrics()["nonsense"].value == 0


def test_questions_and_configurations(tmp_path: Path) -> None:
    text = READY + """
def on_request(name, args): return args[0] * 2
def on_configure(config):
    if config["limit"] < 0: raise ValueError("limit: found a negative one")
"""
    with framed(tmp_path, text, {"limit": 1}) as f:
        assert f.ask("request", name="twice", args=[21])["value"] == 42
        assert f.ask("configure", config={"limit": 2})["ok"]
        refused = f.ask("configure", config={"limit": -1})
        assert not refused["ok"] and "negative" in refused["errors"][0]["found"]
        f.send(PACKET)
        f.collect(1)


def test_made_copied_and_held(tmp_path: Path) -> None:
    text = """
kept = []
def handle(id, head, data):
    say(b"N", 0, 1, 0, head + data)
    say(b"N", 0, 2, id, head + data + b"!")
    kept.append(id)
    verdict(id, HOLD)
    if len(kept) == 3:
        for each in kept: verdict(each, FORWARD)
"""
    with framed(tmp_path, text) as f:
        f.send(PACKET, PACKET, PACKET, mark=3)
        back = f.collect(9)
        flags = [b.flags & (C.FRAME_ORIGINATED | C.FRAME_CLONED) for b in back]
        assert sorted(flags) == [0] * 3 + [C.FRAME_ORIGINATED] * 3 + [C.FRAME_CLONED] * 3
        assert {b.data for b in back if b.flags & C.FRAME_CLONED} == {PACKET + b"!"}
        f.settle()
        assert f.head.held == 0


def test_capture_time_waits_for_each_verdict(tmp_path: Path) -> None:
    with framed(tmp_path, "", clock_mode=C.CLOCK_CAPTURE) as f:
        for n in range(5):
            f.send(PACKET, time_ns=10**9 + n)
            [back] = f.collect(1)
            assert back.verdict == C.VERDICT_FORWARD


def test_too_many_at_once_are_dropped_by_name(tmp_path: Path) -> None:
    with framed(tmp_path, "def handle(id, head, data): verdict(id, HOLD)", hold_max=4) as f:
        f.send(*[PACKET] * 6)
        assert [(b.verdict, b.arg) for b in f.collect(2)] == [(C.VERDICT_DROP, REASON["hold_full"])] * 2


def test_silence_is_dropped_by_name_and_ends_the_component(tmp_path: Path) -> None:
    with framed(tmp_path, "def handle(id, head, data): time.sleep(60)") as f:
        f.send(PACKET, PACKET, PACKET)
        assert [(b.verdict, f.reasons()[b.arg]) for b in f.collect(3)] == [(C.VERDICT_DROP, "unanswered")] * 3
        assert f.process.wait(60) == 3
        assert "said nothing for 0.8 s" in f.close()


def test_one_that_is_never_answered_costs_that_packet_only(tmp_path: Path) -> None:
    text = """
def handle(id, head, data):
    if data[-1:] == b"x": return
    time.sleep(0.02); verdict(id, FORWARD)
"""
    with framed(tmp_path, text, hold_max=300) as f:
        f.send(PACKET + b"x", *[PACKET] * 20)
        back = f.collect(21)
        [lost] = [b for b in back if b.verdict == C.VERDICT_DROP]
        assert f.reasons()[lost.arg] == "unanswered" and lost.data == PACKET + b"x"
        assert f.process.poll() is None


def test_a_component_that_ends_takes_the_bridge_along(tmp_path: Path) -> None:
    with framed(tmp_path, "def handle(id, head, data): os._exit(9)") as f:
        f.send(PACKET)
        assert f.process.wait(60) == 3
        assert f.taken() == [], "what it had is the keeper's to count"
        assert "the component has ended: exit status 9" in f.close()


def test_a_component_that_talks_nonsense(tmp_path: Path) -> None:
    text = """
def handle(id, head, data):
    say(b"Z"); say(b"V", 1, 0, 0xabcdef01); note(0xabcdef01, "no"); say(b"N"); say(b"M", 0, 9); say(b"A", 1, 0, 5, b"{")
    verdict(id, FORWARD, 0, b"short")
    if data[-1:] == b"x": io.sendall(b"\\xff" * 64)
"""
    with framed(tmp_path, text) as f:
        f.send(PACKET)
        [back] = f.collect(1)
        assert back.verdict == C.VERDICT_NONE
        f.settle()
        assert f.metrics()["nonsense"].value == 7
        f.send(PACKET + b"x")
        assert f.process.wait(60) == 3
        assert "does not speak the protocol" in f.close()


def test_the_component_has_no_descriptor_of_the_segment(tmp_path: Path) -> None:
    text = """
def handle(id, head, data):
    names = [os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd") if n.isdigit()
             and os.path.islink(f"/proc/self/fd/{n}")]
    ours = sum("coven" in name for name in names)
    verdict(id, FORWARD, 0, struct.pack("!QIBBH16s", 0, ours, 0, 0, 0, b"") + data)
"""
    with framed(tmp_path, text) as f:
        f.send(PACKET, mark=9)
        assert f.collect(1)[0].mark == 0


def test_what_does_not_start_is_refused(tmp_path: Path) -> None:
    missing = tmp_path / "nothing"
    with FakeForwarder(command(missing, "framed")) as f:
        message = f.init()
        [error] = message["errors"]
        assert message["op"] == "failed" and (error["field"], error["found"]) == ("source", os.strerror(errno.ENOENT))
    with FakeForwarder(command(missing, "framed")) as f:
        message = f.init({"run": "ls"})
        assert message["errors"][0]["field"] == "config.run"


def test_a_length_too_short_for_a_message(tmp_path: Path) -> None:
    with framed(tmp_path, "def handle(id, head, data): io.sendall(struct.pack('!I', 0) * 3)") as f:
        f.send(PACKET)
        assert f.process.wait(60) == 3
