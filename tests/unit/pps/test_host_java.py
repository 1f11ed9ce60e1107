"""The Java host, a real process at a fake forwarder: verbs, promises, mistakes, life."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether

from itf.segment import C
from pps.mistakes import BuildError
from tests.rigs.fake_forwarder import FakeForwarder
from tests.rigs.java import FRAMEWORK, MISSING, WHY, build, component, host
from tests.rigs.python_host import ETHER, REASON, complete, tcp, verdicts

pytestmark = pytest.mark.skipif(MISSING is not None, reason=WHY)

FORWARD, EXCEPTION = (C.VERDICT_FORWARD, 0), (C.VERDICT_DROP, REASON["exception"])
SECOND = 1_000_000_000


def test_verdicts(tmp_path: Path) -> None:
    body = """
    Reason r = reason("r", "why");
    public Verdict handle(Packet p) {
        switch (p.tcp().dport()) {
            case 1: return forward(1);
            case 2: return forward("other");
            case 3: return forward().flow();
            case 4: return back();
            case 5: return consume();
            case 6: return drop(r);
            case 7: return drop(r).flow();
            case 8: return null;
            case 9: return forward("nowhere");
            case 10: return forward(-1);
            case 11: throw new IllegalStateException("oh");
            default: return forward();
        }
    }"""
    drop = (C.VERDICT_DROP, C.REASON_DECLARED)
    flow = C.VERDICT_FLOW
    expected = [
        FORWARD, (C.VERDICT_FORWARD, 1), (C.VERDICT_FORWARD, 1), (C.VERDICT_FORWARD | flow, 0),
        (C.VERDICT_FORWARD, C.OUTPUT_BACK), (C.VERDICT_CONSUME, 0), drop, (drop[0] | flow, drop[1]),
        (C.VERDICT_NONE, 0), EXCEPTION, EXCEPTION, EXCEPTION,
    ]  # fmt: skip
    with host(tmp_path, body, outputs=("next", "other")) as running:
        assert running.reasons() == {C.REASON_DECLARED: "r"}
        running.send(*(tcp(dport) for dport in range(12)))
        assert verdicts(running.collect(12)) == expected
        assert running.head.exceptions == 3
        log = running.finish()
    assert "Component.java: handle returned null" in log
    assert "IllegalStateException: oh" in log and "at Component.java:17 in handle" in log
    assert "there is no output 'nowhere'" in log


def test_looking(tmp_path: Path) -> None:
    body = """
    Counter seen = counter("seen", "why", "packets");
    public Verdict handle(Packet p) {
        List<Object> all = new ArrayList<>();
        p.reread(); // the fake forwarder does not look behind tags
        all.add(p.len());
        all.add(p.eth().dst() + " " + p.eth().type());
        all.add(p.vlan() == null ? null : p.vlan().id());
        all.add(p.ip() == null ? null : p.ip().srcText() + " " + p.ip().ttl() + " " + p.ip().src());
        all.add(p.ip6() == null ? null : p.ip6().src() + " " + p.ip6().dst());
        all.add(p.tcp() == null ? null : p.tcp().sport() + " " + p.tcp().flags());
        all.add(p.udp() == null ? null : p.udp().dport());
        all.add(p.arp() == null ? null : p.arp().op() + " " + p.arp().pdst());
        all.add(p.payload() == null ? null : p.payload().remaining());
        all.add(p.flow() == null ? null : p.flow().length());
        all.add(p.u16(12) == (p.data().getShort(12) & 0xffff) && p.bytes().length == p.len());
        all.add(p.port() + p.mark() + p.context(3));
        last = all;
        seen.add(2);
        p.context(0, 7);
        p.mark(-1);
        return forward();
    }
    List<Object> last = List.of();
    @Request Object last() { return last; }"""
    tagged = ETHER / Dot1Q(vlan=42) / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(dport=53) / b"ab"
    six = ETHER / IPv6(src="2001:db8::1", dst="::") / UDP(dport=5)
    arp = ETHER / ARP(op=1, psrc="192.0.2.1", pdst="192.0.2.2")
    mac = ETHER.dst
    with host(tmp_path, body) as running:
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


def test_changing(tmp_path: Path) -> None:
    body = """
    public Verdict handle(Packet p) {
        switch (p.tcp().dport()) {
            case 1: p.ip().src("192.0.2.9"); p.tcp().dport(99); break;
            case 2: p.ip().ttl(p.ip().ttl() - 1); break;
            case 3: p.push(new byte[] {1, 2}).pull(2).put(new byte[] {7}).put(1).trim(58); break;
            case 4: p.replace(new byte[] {5, 6}); break;
            case 5: p.setU8(54, 'J'); p.fixChecksums(); break;
            case 6: p.pull(1000); break;
            case 7: p.u8(p.len()); break;
            default: p.push(100000);
        }
        return forward();
    }"""
    with host(tmp_path, body) as running:
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
        assert "offset 59 in a packet of 59 bytes" in running.finish()


def test_making_in_order_and_nothing_lost(tmp_path: Path) -> None:
    body = """
    Packet kept;
    public Verdict handle(Packet p) {
        if (p.tcp().dport() == 2) {
            Packet copy = p.copy();
            copy.ip().ttl(3);
            emit(copy, 1);
            p.copyTo(0);
            emit(newPacket(new byte[60]), 0, 1);
            p.copy().discard();
            kept = p;
            return consume();
        }
        if (p.tcp().dport() == 3) {
            emit(p);
        }
        return forward();
    }"""
    with host(tmp_path, body, outputs=("next", "other")) as running:
        running.send(tcp(1), tcp(2), tcp(3))
        back = running.collect(6)
        assert [b.flags & (C.FRAME_ORIGINATED | C.FRAME_CLONED) for b in back] == [
            0, C.FRAME_CLONED, C.FRAME_CLONED, C.FRAME_ORIGINATED, 0, 0,
        ]  # fmt: skip
        assert (back[1].data, back[1].arg, back[2].data) == (complete(tcp(2, ttl=3)), 1, tcp(2))
        assert (back[3].data, back[3].port) == (bytes(60), 1)
        assert [b.verdict for b in back[4:]] == [C.VERDICT_CONSUME, C.VERDICT_DROP]
        assert "only a packet of newPacket() or copy() can be emitted" in running.finish()
    with host(tmp_path, body, spares=0) as running:
        running.send(tcp(2))
        assert verdicts(running.collect(1)) == [EXCEPTION]
        assert "no frame is free" in running.finish()


def test_hold_release_and_timers_in_capture_time(tmp_path: Path) -> None:
    body = """
    Reason late = reason("late", "too late");
    Deque<Packet> held = new ArrayDeque<>();
    List<Double> times = new ArrayList<>();
    VnfcTimer never = after(3, () -> times.add(-1.0));
    VnfcTimer ticking = every(0.5, () -> times.add(now()));
    public Verdict handle(Packet p) {
        cancel(never);
        held.add(p);
        p.ip().ttl(9);
        after(2, () -> release(held.remove(), held.isEmpty() ? drop(late) : forward()));
        return hold(p);
    }
    @Request Object times() { cancel(ticking); return times; }"""
    with host(tmp_path, body, clock_mode=C.CLOCK_CAPTURE) as running:
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


def test_more_than_hold_max_are_dropped_by_name(tmp_path: Path) -> None:
    body = """
    List<Packet> kept = new ArrayList<>();
    public Verdict handle(Packet p) { kept.add(p); return hold(p); }
    public void exit() { for (Packet p : kept) try { release(p, forward()); } catch (Exception e) { log("gone"); } }"""
    with host(tmp_path, body, hold_max=2) as running:
        running.send(tcp(), tcp(), tcp())
        assert verdicts(running.collect(1)) == [(C.VERDICT_DROP, REASON["hold_full"])]
        assert running.head.held == 2
        running.tell(op="exit")
        assert verdicts(running.collect(2)) == [FORWARD] * 2
        running.process.wait(60)
        assert running.close() == "gone\n"


def test_configuration_requests_and_state(tmp_path: Path) -> None:
    body = """
    long limit;
    Gauge level = gauge("level", "why", "unit");
    Histogram sizes = histogram("sizes", "why", "bytes");
    public void configure(Config c) {
        if (c.integer("limit") < 0) throw new IllegalArgumentException("limit: at least 0");
        limit = c.integer("limits.0".length() == 8 ? "limit" : "");
        level.set(c.number("limit"));
    }
    public Verdict handle(Packet p) {
        state.merge("seen", 1L, (a, b) -> ((Number) a).longValue() + 1);
        sizes.observe(p.len());
        return forward();
    }
    @Request(why = "so far", unit = "packets")
    long seen(int more, @Default("2") double times, @Default("a\\"b") String text) {
        if (more < 0) throw new IllegalArgumentException("more");
        return (long) ((((Number) state.getOrDefault("seen", 0L)).longValue() + more) * times);
    }
    @Request(name = "where") Object where() { return Map.of("ports", ports.keySet(), "mac", ports.get("in").mac); }"""
    artifact, errors = build(tmp_path, component(body))
    assert not errors
    with FakeForwarder(FRAMEWORK.host_command(artifact, "x")) as running:
        ready = running.init({"limit": 5})
        arguments = [
            {"name": "more", "type": "int"},
            {"name": "times", "type": "float", "default": 2.0},
            {"name": "text", "type": "str", "default": 'a"b'},
        ]
        seen = {"name": "seen", "why": "so far", "unit": "packets", "args": arguments}
        assert ready["requests"] == [seen, {"name": "where", "why": "", "unit": "", "args": []}]
        refused = running.ask("configure", config={"limit": -1})
        assert (refused["ok"], refused["errors"][0]["found"]) == (False, "limit: at least 0")
        assert refused["errors"][0]["file"] == "Component.java" and refused["errors"][0]["line"] == 9
        assert running.ask("configure", config={"limit": 7})["ok"] is True
        running.send(tcp(), tcp())
        running.collect(2)
        assert running.ask("request", name="seen", args=[1])["value"] == 6
        assert running.ask("request", name="seen", args={"more": "0x10", "times": 1})["value"] == 18
        for bad in ([], ["x"], [1, 2, 3, 4], {"les": 1}, [-1]):
            assert running.ask("request", name="seen", args=bad)["ok"] is False
        assert running.ask("request", name="where", args=[])["value"]["ports"] == ["in", "out"]
        assert running.metrics()["sizes"].count == 2
        assert running.end() == 0
        kept = running.state()
    with FakeForwarder(FRAMEWORK.host_command(artifact, "x"), state=kept) as running:
        assert running.init({"limit": 5})["op"] == "ready"
        assert running.ask("request", name="seen", args=[0, 1])["value"] == 2


def test_bursts(tmp_path: Path) -> None:
    body = """
    Reason odd = reason("odd", "an odd port");
    Packet held;
    public void handleBurst(Burst burst) {
        for (int i = 0; i < burst.size(); i++) {
            int port = burst.get(i).tcp().dport();
            if (port == 66) throw new RuntimeException("66");
            if (port % 2 == 1) burst.set(i, drop(odd));
            if (port == 4) { held = burst.get(i); burst.set(i, hold(held)); }
        }
    }
    public void exit() { release(held, forward(1)); }"""
    drop = (C.VERDICT_DROP, C.REASON_DECLARED)
    with host(tmp_path, body) as running:
        running.send(*(tcp(dport) for dport in (1, 2, 3, 4)))
        assert verdicts(running.collect(3)) == [drop, FORWARD, drop]
        running.send(tcp(66))
        assert verdicts(running.collect(1)) == [EXCEPTION]
        running.tell(op="exit")
        assert verdicts(running.collect(1)) == [(C.VERDICT_FORWARD, 1)]


def test_many_packets_and_slow_ones(tmp_path: Path) -> None:
    body = """
    public Verdict handle(Packet p) throws Exception { if (p.len() == 60) Thread.sleep(2); return forward(); }"""
    with host(tmp_path, body, frames=1024, quota=900) as running:
        for _ in range(20):
            frames = running.send(*[tcp()] * 400)
            assert [b.frame for b in running.collect(400)] == frames
        running.send(*[tcp(payload=b"slowly")] * 20)
        assert len(running.collect(20)) == 20
        assert running.finish() == ""


@pytest.mark.parametrize(
    ("text", "place", "found"),
    [
        (component("public Verdict handle(Packet p) { return forward() }"), (4, 51), "';' expected"),
        (component("Verdict v = forwrd();"), (4, 13), "cannot find symbol"),
        ("import coven.*;\nclass Other { }\n", (None, None), "no class extends Vnfc"),
    ],
)
def test_mistakes_of_the_source(
    tmp_path: Path, text: str, place: tuple[int | None, int | None], found: str
) -> None:
    _, [error] = build(tmp_path, text)
    assert (error["file"], error["line"], error["column"]) == ("Component.java", *place)
    assert found in error["found"]


@pytest.mark.parametrize(
    ("body", "line", "found"),
    [
        ("", 0, "neither handle nor handleBurst"),
        ('Reason r = reason("Big", "why");', 4, "Big"),
        ("Object o = List.of().get(0);\npublic Verdict handle(Packet p) { return back(); }", 4, "IndexOutOf"),
        ("static Object o = null;\nstatic { o.toString(); }\npublic void handleBurst(Burst b) { }", 5, "Null"),
        ("public void handleBurst(Burst b) { }\n@Request Object x(List<?> y) { return 1; }", 0, "argument y is a"),
    ],
)
def test_mistakes_at_the_start(tmp_path: Path, body: str, line: int, found: str) -> None:
    artifact, errors = build(tmp_path, component(body))
    assert not errors
    with FakeForwarder(FRAMEWORK.host_command(artifact, "x")) as running:
        failed = running.init()
        assert failed["op"] == "failed"
        [error] = failed["errors"]
        assert found in error["found"] and error["file"] == "Component.java"
        assert error.get("line", 0) == line
        assert running.process.wait(60) == 1


def test_a_thousand_exceptions_end_it_and_its_packets_are_back(tmp_path: Path) -> None:
    with host(tmp_path, "public Verdict handle(Packet p) { throw new Error(); }") as running:
        for _ in range(10):
            running.send(*[tcp()] * 100)
            assert verdicts(running.collect(100)) == [EXCEPTION] * 100
        running.send(tcp())
        assert running.process.wait(60) == 1
        assert "more than 1000 exceptions in 10 s" in running.close()


def test_libs_are_refused_and_a_missing_jdk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BuildError) as refused:
        FRAMEWORK.build_command([], tmp_path, tmp_path / "x.jar", ["zlib"])
    assert refused.value.mistakes[0].field == "libs"
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError) as absent:
        FRAMEWORK.build_command([], tmp_path, tmp_path / "x.jar", [])
    assert absent.value.mistakes[0].found == "no javac"


def test_vendor_jars(tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    (library / "Five.java").write_text("package five; public class Five { public static int five() { return 5; } }")
    (tmp_path / "vendor").mkdir()
    for command in (
        ["javac", "-d", str(library), str(library / "Five.java")],
        ["jar", "--create", "--file", str(tmp_path / "vendor" / "five.jar"), "-C", str(library), "five"],
    ):
        subprocess.run(command, check=True)
    body = "public Verdict handle(Packet p) { return forward(five.Five.five()); }"
    with host(tmp_path, body) as running:
        running.send(tcp())
        assert verdicts(running.collect(1)) == [(C.VERDICT_FORWARD, 5)]
