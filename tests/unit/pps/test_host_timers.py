"""Timers of a VNFC host, live and in capture time."""

from __future__ import annotations

from pathlib import Path

from itf.segment import C
from pps.c.framework import CFramework
from tests.rigs.fake_forwarder import FakeForwarder
from tests.unit.pps.test_host_c import PACKET, build


def start(folder: Path, source: str, **options: int) -> FakeForwarder:
    command = CFramework().host_command(build(folder, source), "vnfc")
    forwarder = FakeForwarder(command, **options)  # type: ignore[arg-type]
    assert forwarder.init()["op"] == "ready"
    return forwarder


TIMERS = """
static uint64_t first, runs;
static void say(void *text) { vnfc_log("%s at %llu", (const char *)text, (unsigned long long)vnfc_now()); }
static void more(void *arg) { say(arg); if (++runs == 3) vnfc_cancel(first); }
VNFC_INIT
{
    static char each[] = "each", once[] = "once", never[] = "never";
    first = vnfc_every(10 * VNFC_MS, more, each);
    vnfc_after(15 * VNFC_MS, say, once);
    return vnfc_cancel(vnfc_after(5 * VNFC_MS, say, never)) ? VNFC_OK : vnfc_refuse("x", "cancel");
}
VNFC_HANDLE { vnfc_log("packet at %llu", (unsigned long long)vnfc_now()); return VNFC_FORWARD; }
"""


def test_timers_follow_the_capture(tmp_path: Path) -> None:
    f = start(tmp_path, TIMERS, clock_mode=C.CLOCK_CAPTURE)
    assert f.head.deadline == 2**64 - 1  # time has not begun
    base, ms = 1_600_000_000 * 10**9, 10**6
    f.send(PACKET, time_ns=base)
    f.collect(1)
    f.settle()
    assert f.head.deadline == base + 10 * ms
    f.hand([f.fill(PACKET, time_ns=base + at * ms) for at in (10, 21)])
    f.collect(2)
    f.settle()
    assert f.head.deadline == base + 30 * ms
    f.advance(base + 30 * ms)
    f.settle()
    assert f.head.deadline == 2**64 - 1
    assert f.end() == 0
    lines = [line.split(" at ") for line in f.close().splitlines()]
    got = [(what, (int(at) - base) // ms) for what, at in lines]
    assert got == [
        ("packet", 0), ("each", 10), ("packet", 10), ("once", 15), ("each", 20), ("packet", 21), ("each", 30)
    ]  # fmt: skip


def test_timers_run_live(tmp_path: Path) -> None:
    f = start(
        tmp_path,
        """static void tick(void *arg) { (void)arg; vnfc_emit(vnfc_new(), 0, 0); }
        VNFC_INIT { vnfc_every(2 * VNFC_MS, tick, NULL); return VNFC_OK; }
        VNFC_HANDLE { return VNFC_FORWARD; }""",
    )
    assert len(f.collect(3)) >= 3
    assert f.head.deadline < 2**64 - 1
    f.close()


def test_seconds_have_64_bits(tmp_path: Path) -> None:
    source = """
        VNFC_REQUEST(far, "ns", "ns") { vnfc_answer_int(request, 5 * VNFC_SECOND + 3000 * VNFC_MS); }
        VNFC_REQUEST(back, "ns", "ns") { vnfc_answer_int(request, -5 * VNFC_SECOND / 2); }
        VNFC_HANDLE { return VNFC_FORWARD; }
    """
    f = start(tmp_path, source)
    assert f.ask("request", name="far", args=[])["value"] == 8 * 10**9
    assert f.ask("request", name="back", args=[])["value"] == -25 * 10**8
    assert f.end() == 0
    f.close()


MANY = """
static uint64_t set[1000], last, runs, wrong;
static void one(void *arg)
{
    uint64_t due = (uint64_t)(uintptr_t)arg;
    wrong += due < last || due % 3 == 0 || vnfc_now() < due;
    last = due;
    runs++;
}
VNFC_INIT
{
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t due = (1 + vnfc_random() % 100000) * 1000 + i % 3;
        set[i] = vnfc_after(due, one, (void *)(uintptr_t)(due / 1000 * 3 + i % 3));
    }
    for (unsigned i = 0; i < 1000; i += 3)
        wrong += !vnfc_cancel(set[i]) || vnfc_cancel(set[i]);
    return VNFC_OK;
}
VNFC_REQUEST(runs, "timers that ran", "") { vnfc_answer_int(request, (int64_t)runs); }
VNFC_REQUEST(wrong, "out of order", "") { vnfc_answer_int(request, (int64_t)wrong); }
VNFC_HANDLE { return VNFC_FORWARD; }
"""


def test_many_timers_run_in_order_and_cancelled_ones_never(tmp_path: Path) -> None:
    f = start(tmp_path, MANY, clock_mode=C.CLOCK_CAPTURE)
    f.send(PACKET, time_ns=10**12)
    f.collect(1)
    f.advance(10**12 + 2 * 10**8)
    assert f.ask("request", name="runs", args=[])["value"] == 666
    assert f.ask("request", name="wrong", args=[])["value"] == 0
    assert f.end() == 0
    f.close()
