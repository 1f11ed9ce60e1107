"""coven-host-c with real compiled VNFCs, against a forwarder played in Python."""

from __future__ import annotations

import math
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from itf.segment import C
from pps.c.framework import CFramework
from tests.rigs.fake_forwarder import FakeForwarder

PACKET = bytes.fromhex("020000000002020000000001080045000020000100004011000a0a0000010a000002")
PACKET += struct.pack("!HHHH", 1000, 53, 12, 0) + b"ping"
Start = Callable[..., FakeForwarder]
SIX = """
#include <coven/vnfc.h>                               /* a whole component */
VNFC_REASON(marked, "the analyzer marked this packet");
VNFC_HANDLE { return p->context[0] ? VNFC_DROP(marked) : VNFC_FORWARD; }
"""


def build(folder: Path, source: str, name: str = "vnfc") -> Path:
    file, output = folder / f"{name}.c", folder / f"{name}.so"
    file.write_text("#include <coven/vnfc.h>\n" + source)
    done = subprocess.run(
        CFramework().build_command([file], folder, output, []), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == "[]", f"the SDK must compile without a warning: {done.stderr}"
    return output


@pytest.fixture
def start(tmp_path: Path) -> Start:  # type: ignore[misc]
    started: list[FakeForwarder] = []

    def go(source: str, **options: object) -> FakeForwarder:
        artifact = build(tmp_path, source)
        config = options.pop("config", {})
        ready = options.pop("ready", True)
        forwarder = FakeForwarder(CFramework().host_command(artifact, "vnfc"), **options)  # type: ignore[arg-type]
        started.append(forwarder)
        if ready:
            assert forwarder.init(config)["op"] == "ready"  # type: ignore[arg-type]
        return forwarder

    yield go
    for forwarder in started:
        forwarder.close()


def test_the_six_lines_of_the_sdk(start: Start) -> None:
    f = start(SIX)
    clean, marked = f.send(PACKET)[0], f.send(PACKET, context=b"\1", mark=7)[0]
    back = {b.frame: b for b in f.collect(2)}
    assert (back[clean].verdict, back[clean].arg, back[clean].data) == (C.VERDICT_FORWARD, 0, PACKET)
    assert back[marked].verdict == C.VERDICT_DROP
    assert f.reasons()[back[marked].arg] == "marked"
    assert (back[marked].mark, back[marked].context[0]) == (7, 1)
    assert f.head.progress >= 2
    assert f.end() == 0


def test_bursts_keep_their_order_and_sleepers_wake(start: Start) -> None:
    f = start("VNFC_HANDLE { return VNFC_FORWARD; }", quota=900, frames=2048)
    for size in (1, 64, 300, 900):
        frames = f.send(*[PACKET] * size)
        assert [b.frame for b in f.collect(size)] == frames
        f.settle()


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        ("VNFC_FORWARD_TO(3)", (C.VERDICT_FORWARD, 3)),
        ("VNFC_BACK", (C.VERDICT_FORWARD, C.OUTPUT_BACK)),
        ("VNFC_CONSUME", (C.VERDICT_CONSUME, 0)),
        ("VNFC_NONE", (C.VERDICT_NONE, 0)),
        ("VNFC_FORWARD | VNFC_FLOW", (C.VERDICT_FORWARD | C.VERDICT_FLOW, 0)),
        ("77u << 16 | 99", (99, 77)),
    ],
)
def test_verdicts(start: Start, verdict: str, expected: tuple[int, int]) -> None:
    f = start(f"VNFC_HANDLE {{ return {verdict}; }}")
    f.send(PACKET, PACKET)
    assert [(b.verdict, b.arg) for b in f.collect(2)] == [expected] * 2
    f.settle()
    log = f.close()
    assert log.count("whole flow") == ("FLOW" in verdict)  # said once


def test_burst_handler(start: Start) -> None:
    f = start(
        """VNFC_REASON(even, "every other one");
        VNFC_HANDLE_BURST { for (unsigned i = 0; i < n; i += 2) verdict[i] = VNFC_DROP(even); }"""
    )
    frames = f.send(*[PACKET] * 6)
    back = f.collect(6)
    assert [b.frame for b in back] == frames
    assert [b.verdict for b in back] == [C.VERDICT_DROP, C.VERDICT_FORWARD] * 3
    assert {f.reasons()[b.arg] for b in back if b.verdict == C.VERDICT_DROP} == {"even"}


HOLD = """
static struct vnfc_packet *kept[64];
static unsigned n;
static void let_go(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < n; i++)
        vnfc_release(kept[i], i ? VNFC_FORWARD : VNFC_CONSUME);
    if (n && vnfc_release(kept[0], VNFC_FORWARD)) /* it is gone: refused, with a line in the log */
        vnfc_log("twice");
    n = 0;
}
VNFC_REQUEST(go, "let all go", "") { let_go(0); vnfc_answer_int(request, 0); }
VNFC_HANDLE { p->mark = 5; kept[n++ % 64] = p; return VNFC_HOLD; }
"""


def test_hold_and_release(start: Start) -> None:
    f = start(HOLD, hold_max=3)
    frames = f.send(*[PACKET] * 5)
    over = f.collect(2)
    assert [b.frame for b in over] == frames[3:]
    assert {(b.verdict, b.arg) for b in over} == {(C.VERDICT_DROP, 8)}  # hold_full
    f.settle()
    assert f.head.held == 3
    assert f.ask("request", name="go", args=[])["ok"]
    back = f.collect(3)
    assert [b.frame for b in back] == frames[:3]
    assert [b.verdict for b in back] == [C.VERDICT_CONSUME] + [C.VERDICT_FORWARD] * 2
    assert {b.mark for b in back} == {5}
    f.settle()
    assert f.head.held == 0
    assert "that packet is not held" in f.close()


def test_clone_and_emit(start: Start) -> None:
    f = start(
        """VNFC_HANDLE {
            struct vnfc_packet *made = vnfc_new();
            vnfc_copy_to(p, 1);
            memcpy(vnfc_put(made, 5), "hello", 5);
            vnfc_emit(made, 0, 1);
            vnfc_emit(made, 0, 1);
            vnfc_discard(vnfc_clone(p));
            p->data[0] = 0xff;
            return VNFC_CONSUME;
        }"""
    )
    for _ in range(20):
        [frame] = f.send(PACKET, context=bytes(range(16)), graph=3, mark=9)
        clone, made, own = f.collect(3)
        assert own.frame == frame and own.verdict == C.VERDICT_CONSUME
        assert (clone.flags & 3, clone.arg, clone.graph, clone.mark) == (C.FRAME_CLONED, 1, 3, 9)
        assert (clone.data, clone.context, clone.l4) == (PACKET, bytes(range(16)), 34)
        assert (made.flags & 3, made.port, made.data) == (C.FRAME_ORIGINATED, 1, b"hello")
        assert made.context == bytes(16)
        f.give_spares(2)
    f.settle()
    assert "vnfc_emit: only a packet" in f.close()


def test_no_spare_frame_is_no_accident(start: Start) -> None:
    f = start(
        """VNFC_REASON(copied, "there was a frame"); VNFC_REASON(none, "there was none");
        VNFC_HANDLE { return vnfc_copy_to(p, 0) ? VNFC_DROP(copied) : VNFC_DROP(none); }""",
        spares=2,
    )
    frames = f.send(*[PACKET] * 4)
    back = f.collect(6)
    dropped = [(b.frame, f.reasons()[b.arg]) for b in back if b.verdict == C.VERDICT_DROP]
    assert dropped == list(zip(frames, ["copied", "copied", "none", "none"], strict=True))
    copies = [(b.verdict, b.flags & C.FRAME_CLONED, b.data) for b in back if b.frame not in frames]
    assert copies == [(C.VERDICT_FORWARD, C.FRAME_CLONED, PACKET)] * 2


CONFIG = """
VNFC_REASON(blocked, "on the list");
static int64_t limit, deep;
static double ratio;
VNFC_CONFIGURE
{
    int64_t fresh = vnfc_config_int("limit", -1);
    if (fresh < 0 || vnfc_config_count("block") < 0)
        return vnfc_refuse("limit", "at least %d", 0);
    limit = fresh + vnfc_config_int_at("block", 1, 0) + vnfc_config_bool("on", false);
    deep = vnfc_config_int("map.deep", 0);
    ratio = vnfc_config_number("ratio", 0);
    if (strcmp(vnfc_config_text("word", ""), "hi") || vnfc_config_text("limit", NULL))
        return vnfc_refuse("word", "hi");
    return VNFC_OK;
}
VNFC_REQUEST(limit, "the limit", "packets") { vnfc_answer_int(request, limit); }
VNFC_REQUEST(all, "all", "")
{
    char t[80];
    snprintf(t, sizeof t, "{\\"deep\\": %d, \\"ratio\\": %g}", (int)deep, ratio);
    vnfc_answer_json(request, t);
}
VNFC_REQUEST(ports, "ports", "")
{
    const uint8_t *m = vnfc_port_mac(1);
    char t[80];
    snprintf(t, sizeof t, "%d %d %u %u %d %d %02x", vnfc_port("out"), vnfc_port("no"), vnfc_port_mtu(1),
         vnfc_port_mtu(9), vnfc_output("other"), vnfc_output("back"), m[5]);
    vnfc_answer_text(request, t);
}
VNFC_HANDLE { return p->len > limit ? VNFC_DROP(blocked) : VNFC_FORWARD; }
"""


def test_configure(start: Start) -> None:
    good = {"limit": 40, "block": [23, 2], "on": True, "map": {"deep": 4}, "ratio": 0.5, "word": "hi"}
    f = start(CONFIG, config=good, outputs=("next", "other"))
    answered = f.ask("request", name="limit", args=[])
    assert 0 < answered.pop("seconds") < 10 and answered == {"op": "answer", "ok": True, "value": 43}
    answer = f.ask("configure", config={**good, "limit": -4})
    assert (answer["op"], answer["ok"]) == ("configured", False)
    assert answer["errors"] == [{"field": "config.limit", "found": "-4", "expected": "at least 0"}]
    assert f.ask("request", name="limit", args=[])["value"] == 43  # the old stays
    assert f.ask("configure", config={**good, "limit": 50}) == {"op": "configured", "ok": True}
    assert f.ask("request", name="limit", args=[])["value"] == 53
    assert f.ask("request", name="all", args=[])["value"] == {"deep": 4, "ratio": 0.5}
    assert f.ask("request", name="ports", args=[])["value"] == "1 -1 1400 0 1 255 02"
    assert (f.head.phase, f.head.busy_since) == (C.PHASE_RUNNING, 0)


def test_refused_at_the_start(start: Start) -> None:
    f = start(CONFIG, ready=False)
    failed = f.init({"limit": -1, "block": []})
    assert failed["op"] == "failed"
    assert failed["errors"][0]["field"] == "config.limit"
    assert f.process.wait(60) == 1


REQUESTS = """
VNFC_REQUEST(add, "a sum", "numbers", VNFC_ARGUMENT(a, "int", NULL), VNFC_ARGUMENT(b, "float", "0.5"),
         VNFC_ARGUMENT(name, "str", "none"), VNFC_ARGUMENT(flag, "bool", "true"))
{
    char text[80];
    snprintf(text, sizeof text, "%s %g %d", vnfc_argument_text(request, "name"),
         vnfc_argument_int(request, "a") + vnfc_argument_number(request, "b"),
         (int)vnfc_argument_int(request, "flag"));
    vnfc_answer_text(request, text);
}
VNFC_REQUEST(fails, "never works", "") { vnfc_answer_error(request, "no %s", "way"); }
VNFC_CHANGE(reset, "begins anew", "", VNFC_ARGUMENT(from, "int", "0")) {
    vnfc_answer_int(request, vnfc_argument_int(request, "from")); }
VNFC_HEALTH { return vnfc_now() == 0 ? "before time" : NULL; }
VNFC_REQUEST(mute, "says nothing", "") { }
VNFC_REQUEST(huge, "too much", "") {
    static char text[70000]; memset(text, 'x', sizeof text - 1); vnfc_answer_text(request, text); }
VNFC_HANDLE { return VNFC_FORWARD; }
"""


def test_requests(start: Start) -> None:
    f = start(REQUESTS, ready=False)
    ready = f.init()
    assert [r["name"] for r in ready["requests"]] == ["add", "fails", "reset", "health", "mute", "huge"]
    assert [r["name"] for r in ready["requests"] if r["changes"]] == ["reset"]
    assert ready["requests"][0] == {
        "name": "add", "why": "a sum", "unit": "numbers", "changes": False,
        "args": [
            {"name": "a", "type": "int"}, {"name": "b", "type": "float", "default": 0.5},
            {"name": "name", "type": "str", "default": "none"},
            {"name": "flag", "type": "bool", "default": True},
        ],
    }  # fmt: skip

    def ask(name: str, *args: object) -> object:
        answer = f.ask("request", name=name, args=list(args))
        return answer["value"] if answer["ok"] else "! " + answer["error"]

    assert ask("add", 1) == "none 1.5 1"
    assert ask("add", 1, 2.5, "x", False) == "x 3.5 0"
    assert ask("add") == "! argument a: expected int, found nothing"
    assert ask("add", 1.5) == "! argument a: expected int, found 1.5"
    assert ask("add", 1, 2, 3, 4) == "! argument name: expected str, found 3"
    assert ask("add", 1, 2, "", True, 5) == "! add takes 4 arguments, found 5"
    assert ask("fails") == "! no way"
    assert ask("reset", 4) == 4 and ask("health") == "ok"
    assert ask("mute") == "! no answer was given"
    assert ask("huge") == "! the answer is longer than 64 KiB"
    assert ask("nothing") == "! there is no such request"


def test_metrics(start: Start) -> None:
    f = start(
        """VNFC_COUNTER(seen, "packets seen", "packets"); VNFC_GAUGE(level, "last length", "bytes");
        VNFC_HISTOGRAM(size, "lengths", "bytes");
        VNFC_HANDLE {
            vnfc_count(seen);
            vnfc_add(seen, 2);
            vnfc_set(level, p->len + 0.5);
            vnfc_observe(size, p->len);
            return VNFC_FORWARD;
        }"""
    )
    f.send(PACKET, PACKET)
    f.collect(2)
    cells = f.metrics()
    assert cells["seen"].value == 6
    assert struct.unpack("d", struct.pack("Q", cells["level"].value))[0] == len(PACKET) + 0.5
    histogram = cells["size"]
    assert histogram.count == 2
    assert struct.unpack("d", struct.pack("Q", histogram.sum_bits))[0] == 2 * len(PACKET)
    assert list(histogram.buckets).index(2) == math.ceil(math.log2(len(PACKET) + 1))
    del cells, histogram


def test_state_survives_a_crash_and_not_a_change(start: Start) -> None:
    source = """VNFC_STATE(struct { uint64_t hits; %s last; });
        VNFC_REQUEST(hits, "", "") {
            vnfc_answer_int(request, (int64_t)vnfc_state()->hits * 10 + vnfc_state_kept());
        }
        VNFC_HANDLE { vnfc_state()->hits++; return VNFC_FORWARD; }"""
    f = start(source % "uint32_t")
    f.send(*[PACKET] * 3)
    f.collect(3)
    f.process.kill()
    kept = f.state()
    again = start(source % "uint32_t", state=kept)
    assert again.ask("request", name="hits", args=[])["value"] == 31
    changed = start(source % "int32_t", state=kept)  # the same size, another layout
    assert changed.ask("request", name="hits", args=[])["value"] == 0


def test_random_is_repeatable(start: Start) -> None:
    source = """VNFC_REQUEST(roll, "", "") { vnfc_answer_int(request, (int64_t)(vnfc_random() >> 12)); }
        VNFC_HANDLE { return VNFC_FORWARD; }"""
    rolls = [start(source, seed=seed).ask("request", name="roll", args=[])["value"] for seed in (5, 5, 6, 0)]
    assert rolls[0] == rolls[1] and len(set(rolls)) == 3


def test_changing_packets(start: Start) -> None:
    f = start(
        """VNFC_HANDLE {
            uint32_t size;
            if (!vnfc_udp(p) || vnfc_tcp(p) || !vnfc_ip4(p) || vnfc_ip6(p) || vnfc_arp(p) || vnfc_vlan(p))
                return VNFC_CONSUME;
            if (memcmp(vnfc_payload(p, &size), "ping", 4) || size != 4)
                return VNFC_CONSUME;
            vnfc_set_dport(p, 99);
            if (!vnfc_push_vlan(p, ETHER_VLAN, 7) || !vnfc_udp(p) || net16(vnfc_vlan(p)->tci) != 7)
                return VNFC_CONSUME;
            memcpy(vnfc_put(p, 2), "ab", 2);
            if (vnfc_push(p, 1 << 20) || vnfc_pull(p, 1 << 20) || vnfc_put(p, 1 << 20))
                return VNFC_CONSUME;
            return VNFC_FORWARD;
        }"""
    )
    f.send(PACKET)
    [back] = f.collect(1)
    assert back.verdict == C.VERDICT_FORWARD
    assert back.data[:12] + back.data[16:40] + back.data[42:] == PACKET[:36] + PACKET[38:] + b"ab"
    assert back.data[12:18] == bytes.fromhex("810000070800") and back.data[40:42] == b"\0\x63"
    assert (back.l3, back.l4, back.flags) == (18, 38, C.FRAME_VLAN)


def test_a_record_that_another_vnfc_spoilt_is_refused(start: Start) -> None:
    f = start("VNFC_HANDLE { return p->data[p->len - 1] ? VNFC_FORWARD : VNFC_CONSUME; }")
    frames = [f.fill(PACKET) for _ in range(3)]
    f.records[frames[1]].len = 0xFFFFFFF0
    f.hand(frames)
    back = f.collect(3)
    assert [b.frame for b in back] == frames
    assert [b.data for b in back] == [PACKET, b"", PACKET]


def test_wild_references_are_skipped(start: Start) -> None:
    f = start("VNFC_HANDLE { return VNFC_FORWARD; }")
    good = f.fill(PACKET)
    f.hand([0xFFFFFF, 0x01000000 | good, 5000, good])
    assert [b.frame for b in f.collect(1)] == [good]


def test_log_is_limited(start: Start) -> None:
    f = start('VNFC_HANDLE { for (int i = 0; i < 500; i++) vnfc_log("line %d", i); return VNFC_FORWARD; }')
    f.send(PACKET)
    f.collect(1)
    f.settle()
    suppressed = f.head.log_lines_suppressed
    assert 300 <= suppressed <= 400  # the second may have turned meanwhile
    assert f.close().count("line") == 500 - suppressed


def test_wrong_declarations_are_all_named(start: Start) -> None:
    f = start(
        """VNFC_REASON(full, "taken");
        VNFC_REASON(Upper, "bad");
        VNFC_COUNTER(twice, "", "");
        VNFC_GAUGE(twice, "", "");
        VNFC_HANDLE { return VNFC_FORWARD; }""",
        ready=False,
    )
    failed = f.init()
    assert [(e["found"], e["line"]) for e in failed["errors"]] == [("full", 2), ("Upper", 3), ("twice", 5)]
    assert failed["errors"][0]["file"].endswith("vnfc.c")


def test_another_abi_is_refused_by_name(start: Start, tmp_path: Path) -> None:
    f = start(
        """static void burst(struct vnfc_host *h, const uint32_t *f, uint32_t n)
        {
            (void)h; (void)f; (void)n;
        }
        __attribute__((visibility("default"))) extern const struct vnfc_component vnfc_component;
        const struct vnfc_component vnfc_component = {
            VNFC_ABI_MAGIC, 9, 0, sizeof vnfc_component, &vnfc__host, 0, 0, 0, 0, 0, 0, burst
        };""",
        ready=False,
    )
    [error] = f.init()["errors"]
    assert error["found"] == "SDK ABI 9.0"
    assert error["expected"].startswith("SDK ABI 1.")


def test_no_handler(start: Start) -> None:
    f = start('VNFC_REASON(x, "x");', ready=False)
    assert f.init()["errors"][0]["found"] == "no VNFC_HANDLE"


def test_keeper_gone(start: Start) -> None:
    f = start("VNFC_HANDLE { return VNFC_FORWARD; }")
    f.control.close()
    f.head.control += 1
    f.wake()
    assert f.process.wait(60) == 2


def test_not_a_segment(tmp_path: Path) -> None:
    host = CFramework().host_command(tmp_path / "x.so", "x")
    with (tmp_path / "file").open("w+b") as file:
        file.truncate(1 << 16)
        fds = [file.fileno()] * 4
        command = [*host, "--fds", ",".join(map(str, fds))]
        done = subprocess.run(command, pass_fds=fds[:1], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "found no object of Coven's\n"


def test_notes_are_for_packets_that_are_watched(start: Start) -> None:
    f = start(
        """
VNFC_REASON(marked, "");
VNFC_COUNTER(made, "", "");
static unsigned rule(void) { vnfc_count(made); return 7; }
VNFC_HANDLE { return p->mark ? VNFC_DROP_NOTE(marked, "rule %u", rule()) : VNFC_FORWARD; }
"""
    )
    for watched, mark in (False, 1), (True, 0), (True, 1):
        f.send(PACKET, mark=mark, watched=watched)
        assert f.collect(1)[0].note == "rule 7" * (watched and mark)
    assert f.metrics()["made"].value == 1, "its arguments are not looked at for nobody"
    assert f.end() == 0
