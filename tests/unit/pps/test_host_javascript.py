"""The JavaScript host, a real process at a fake forwarder: verbs, promises, mistakes, life."""

from __future__ import annotations

from pathlib import Path

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether

from itf.segment import C
from pps.mistakes import BuildError
from tests.rigs.fake_forwarder import FakeForwarder
from tests.rigs.javascript import FRAMEWORK, MISSING, WHY, check, component, host
from tests.rigs.python_host import ETHER, REASON, complete, tcp, verdicts

pytestmark = pytest.mark.skipif(MISSING is not None, reason=WHY)

FORWARD, EXCEPTION = (C.VERDICT_FORWARD, 0), (C.VERDICT_DROP, REASON["exception"])
SECOND = 1_000_000_000


def test_verdicts(tmp_path: Path) -> None:
    body = """
const r = reason("r", "why");
const answers = [
  () => forward(), () => forward(1), () => forward("other"), () => forward().flow(), () => back(),
  () => consume(), () => drop(r), () => drop(r).flow(), () => {}, () => 1, () => forward, async () => forward(),
  () => forward("nowhere"), () => forward(-1), () => drop("r"), () => { throw new TypeError("oh"); },
];
exports.handle = (p) => answers[p.tcp.dport]();
"""
    drop, bad = (C.VERDICT_DROP, C.REASON_DECLARED), (C.VERDICT_DROP, 0xFFFF)
    flow = C.VERDICT_FLOW
    expected = [
        FORWARD, (C.VERDICT_FORWARD, 1), (C.VERDICT_FORWARD, 1), (C.VERDICT_FORWARD | flow, 0),
        (C.VERDICT_FORWARD, C.OUTPUT_BACK), (C.VERDICT_CONSUME, 0), drop, (drop[0] | flow, drop[1]),
        (C.VERDICT_NONE, 0), bad, bad, bad, EXCEPTION, EXCEPTION, EXCEPTION, EXCEPTION,
    ]  # fmt: skip
    with host(tmp_path, body, outputs=("next", "other")) as running:
        assert running.reasons() == {C.REASON_DECLARED: "r"}
        running.send(*(tcp(dport) for dport in range(16)))
        assert verdicts(running.collect(16)) == expected
        assert running.head.exceptions == 4
        log = running.finish()
    assert "component.js: handle returned undefined" in log and "component.js: handle returned 1" in log
    assert "TypeError: oh" in log and "component.js:7:" in log
    assert 'there is no output "nowhere"' in log


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("p.tpc?.dport", "packet has no 'tpc': did you mean 'tcp'?"),
        ("p.tcp.dprot", "packet.tcp has no 'dprot': did you mean 'dport'?"),
        ("p.vlna ?? 1", "packet has no 'vlna': did you mean 'vlan'?"),
        ("p.ip.tll = 3", "packet.ip has no 'tll': did you mean 'ttl'?"),
        ("p.makr = 3", "packet has no 'makr': did you mean 'mark'?"),
        ("p.copy_to()", "packet has no 'copy_to': did you mean 'copyTo'?"),
        ("p.seen", "packet has no 'seen'"),
    ],
)
def test_names_that_no_packet_has(tmp_path: Path, expression: str, said: str) -> None:
    """Not undefined, as of a header that is not there: the packet would pass."""
    with host(tmp_path, f"exports.handle = (p) => {{ {expression}; return forward(); }};\n") as running:
        running.send(tcp(23))
        assert verdicts(running.collect(1)) == [EXCEPTION]
        assert f"TypeError: {said}" in running.finish()


def test_what_any_object_is_asked_for(tmp_path: Path) -> None:
    body = """
const util = require("util");
exports.handle = (p) => {
  for (const o of [p, p.tcp]) log(typeof util.inspect(o), String(o), o.then, "tpc" in o, o.hasOwnProperty("x"));
  console.log(p, p.tcp);
  log(p.tcp);
  return forward();
};
"""
    with host(tmp_path, body) as running:
        running.send(tcp(23))
        assert verdicts(running.collect(1)) == [FORWARD]
        log = running.finish()
    assert log.count("string ") == 2 and '"dport":23' in log and "dport: 23" in log


def test_a_burst_has_no_other_names(tmp_path: Path) -> None:
    with host(tmp_path, "exports.handleBurst = (b) => { b.lenght; };\n") as running:
        running.send(tcp(23))
        assert verdicts(running.collect(1)) == [EXCEPTION]
        assert "burst has no 'lenght': did you mean 'length'?" in running.finish()


def test_looking(tmp_path: Path) -> None:
    body = """
const seen = counter("seen", "why", "packets");
let last = null;
exports.handle = (p) => {
  p.reread(); // the fake forwarder does not look behind tags
  last = [
    p.len, `${p.eth.dst} ${p.eth.type}`, p.vlan?.id, p.ip && [p.ip.src, p.ip.ttl, p.ip.srcU32],
    p.ip6 && [p.ip6.src, p.ip6.dst], p.tcp && [p.tcp.sport, p.tcp.flags], p.udp?.dport,
    p.arp && [p.arp.op, p.arp.pdst], p.payload?.length, p.flow?.length,
    p.u16(12) === p.data.readUInt16BE(12) && p.u32(0) >= 0 && p.u8(0) === p.data[0],
    p.port + p.mark + p.context[3],
  ].map((each) => each ?? null);
  seen.add(2);
  p.context[0] = 7;
  p.mark = 0xffffffff;
  return forward();
};
request("last", "", "", () => last);
"""
    tagged = ETHER / Dot1Q(vlan=42) / IP(src="10.0.0.1", dst="10.0.0.2") / UDP(dport=53) / b"ab"
    six = ETHER / IPv6(src="2001:db8::1", dst="::") / UDP(dport=5)
    arp = ETHER / ARP(op=1, psrc="192.0.2.1", pdst="192.0.2.2")
    mac, ip = ETHER.dst, ["10.0.0.1", 64, 10 << 24 | 1]
    with host(tmp_path, body) as running:
        packets = (
            (tcp(), [59, f"{mac} 2048", None, ip, None, [1000, 2], None, None, 5, 40]),
            (bytes(tagged), [48, f"{mac} 33024", 42, ip, None, None, 53, None, 2, 40]),
            (bytes(six), [62, f"{mac} 34525", None, None, ["2001:db8::1", "::"], None, 5, None, 0, 40]),
            (bytes(arp), [42, f"{mac} 2054", None, None, None, None, None, [1, "192.0.2.2"], None, None]),
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
const changes = [
  (p) => { p.ip.src = "192.0.2.9"; p.tcp.dport = 99; },
  (p) => { p.ip.ttl -= 1; },
  (p) => p.push([1, 2]).pull(2).put([7]).put(1).trim(58),
  (p) => p.replace(Buffer.from([5, 6])),
  (p) => { p.data.write("J", 54); p.fixChecksums(); },
  (p) => { p.eth.src = "02:00:00:00:00:0A"; p.ip.dstU32 = 0xc0000209; },
  (p) => p.pull(1000), (p) => p.u8(p.len), (p) => p.push(100000), (p) => { p.ip.src = "1.2.3"; },
];
exports.handle = (p) => { changes[p.tcp.dport - 1](p); return forward(); };
"""
    with host(tmp_path, body) as running:
        running.send(*(tcp(dport) for dport in range(1, 11)))
        back = running.collect(10)
        changed = Ether(tcp(1))
        changed[IP].src, changed.dport = "192.0.2.9", 99
        other = Ether(tcp(6))
        other.src, other[IP].dst = "02:00:00:00:00:0a", "192.0.2.9"
        assert back[0].data == complete(bytes(changed))
        assert back[1].data == complete(tcp(2, ttl=63))
        assert back[2].data == tcp(3)[:58]
        assert back[3].data == b"\5\6"
        assert back[4].data == complete(tcp(5, b"Jello"))
        assert back[5].data == complete(bytes(other))
        assert verdicts(back[6:]) == [EXCEPTION] * 4
        assert "offset 59 in a packet of 59 bytes" in running.finish()


def test_ip6_addresses(tmp_path: Path) -> None:
    body = """
exports.handle = (p) => { p.ip6.src = "::ffff:192.0.2.1"; p.ip6.dst = "2001:db8:0:0:1::"; return forward(); };
"""
    six = ETHER / IPv6(src="2001:db8::1", dst="::") / UDP(dport=5)
    expected = ETHER / IPv6(src="::ffff:192.0.2.1", dst="2001:db8:0:0:1::") / UDP(dport=5)
    with host(tmp_path, body) as running:
        running.send(bytes(six))
        assert running.collect(1)[0].data == bytes(expected)


def test_making_in_order_and_nothing_lost(tmp_path: Path) -> None:
    body = """
exports.handle = (p) => {
  if (p.tcp.dport === 2) {
    const copy = p.copy();
    copy.ip.ttl = 3;
    emit(copy, "other");
    p.copyTo(0);
    emit(newPacket(new Uint8Array(60)), 0, "out");
    p.copy().discard();
    return consume();
  }
  if (p.tcp.dport === 3) emit(p);
  return forward();
};
"""
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
const late = reason("late");
const held = [];
const times = [];
const never = after(3, () => times.push(-1));
const ticking = every(0.5, () => times.push(now()));
exports.handle = (p) => {
  cancel(never);
  held.push(p);
  p.ip.ttl = 9;
  after(2, () => release(held.shift(), held.length ? forward() : drop(late)));
  return hold(p);
};
request("times", "", "", () => { cancel(ticking); return times; });
"""
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
const kept = [];
exports.handle = (p) => { kept.push(p); return hold(p); };
exports.exit = () => kept.forEach((p) => { try { release(p); } catch { log("gone", [1]); } });
"""
    with host(tmp_path, body, hold_max=2) as running:
        running.send(tcp(), tcp(), tcp())
        assert verdicts(running.collect(1)) == [(C.VERDICT_DROP, REASON["hold_full"])]
        assert running.head.held == 2
        running.tell(op="exit")
        assert verdicts(running.collect(2)) == [FORWARD] * 2
        running.process.wait(60)
        assert running.close() == "gone [1]\n"


def test_configuration_requests_and_state(tmp_path: Path) -> None:
    body = """
const level = gauge("level", "why", "unit");
const sizes = histogram("sizes", "why", "bytes");
exports.configure = (c) => {
  if (c.limit < 0) throw new RangeError("limit: at least 0");
  level.set(config.limit);
};
exports.handle = (p) => { state.seen = (state.seen ?? 0) + 1; sizes.observe(p.len); return forward(); };
request("seen", "so far", "packets", { more: int, times: float(2), text: 'a"b', yes: true }, (more, times) => {
  if (more < 0) throw new RangeError("more");
  return ((state.seen ?? 0) + more) * times;
});
request("where", "", "", () => ({ ports: Object.keys(ports), mac: ports.in.mac, limit: config.limit }));
"""
    source = tmp_path / "component.js"
    source.write_text(component(body))
    with FakeForwarder(FRAMEWORK.host_command(source, "x")) as running:
        ready = running.init({"limit": 5})
        arguments = [
            {"name": "more", "type": "int"},
            {"name": "times", "type": "float", "default": 2},
            {"name": "text", "type": "str", "default": 'a"b'},
            {"name": "yes", "type": "bool", "default": True},
        ]
        seen = {"name": "seen", "why": "so far", "unit": "packets", "args": arguments}
        assert ready["requests"] == [seen, {"name": "where", "why": "", "unit": "", "args": []}]
        refused = running.ask("configure", config={"limit": -1})
        assert (refused["ok"], refused["errors"][0]["found"]) == (False, "limit: at least 0")
        assert (refused["errors"][0]["file"], refused["errors"][0]["line"]) == ("component.js", 6)
        assert running.ask("request", name="where", args=[])["value"]["limit"] == 5
        assert running.ask("configure", config={"limit": 7})["ok"] is True
        running.send(tcp(), tcp())
        running.collect(2)
        assert running.ask("request", name="seen", args=[1])["value"] == 6
        assert running.ask("request", name="seen", args={"more": "0x10", "times": 1})["value"] == 18
        for bad in ([], ["x"], [1.5], [1, 2, 3, 4, 5], {"les": 1}, [-1]):
            assert running.ask("request", name="seen", args=bad)["ok"] is False
        where = running.ask("request", name="where", args=[])["value"]
        assert (where["ports"], where["limit"]) == (["in", "out"], 7)
        assert running.metrics()["sizes"].count == 2
        assert running.end() == 0
        kept = running.state()
    with FakeForwarder(FRAMEWORK.host_command(source, "x"), state=kept) as running:
        assert running.init({"limit": 5})["op"] == "ready"
        assert running.ask("request", name="seen", args=[0, 1])["value"] == 2


def test_bursts(tmp_path: Path) -> None:
    body = """
const odd = reason("odd", "an odd port");
let held;
exports.handleBurst = (burst) => {
  let i = 0;
  for (const p of burst) {
    if (p.tcp.dport === 66) throw new Error("66");
    if (p.tcp.dport % 2) burst.set(i, drop(odd));
    if (p.tcp.dport === 4) burst.set(i, hold((held = p)));
    i++;
  }
};
exports.exit = () => release(held, forward(1));
"""
    drop = (C.VERDICT_DROP, C.REASON_DECLARED)
    with host(tmp_path, body) as running:
        running.send(*(tcp(dport) for dport in (1, 2, 3, 4)))
        assert verdicts(running.collect(3)) == [drop, FORWARD, drop]
        running.send(tcp(66))
        assert verdicts(running.collect(1)) == [EXCEPTION]
        running.tell(op="exit")
        assert verdicts(running.collect(1)) == [(C.VERDICT_FORWARD, 1)]


def test_many_packets_slow_ones_and_chance(tmp_path: Path) -> None:
    body = """
exports.handle = (p) => {
  const until = Date.now() + (p.len === 60 ? 2 : 0);
  while (Date.now() < until);
  return forward();
};
request("chance", "", "", () => [random(), Math.random()]);
"""
    chances = []
    for _ in range(2):
        with host(tmp_path, body, frames=1024, quota=900, seed=5) as running:
            for _ in range(20):
                frames = running.send(*[tcp()] * 400)
                assert [b.frame for b in running.collect(400)] == frames
            running.send(*[tcp(payload=b"slowly")] * 20)
            assert len(running.collect(20)) == 20
            chances.append(running.ask("request", name="chance", args=[])["value"])
            assert running.finish() == ""
    assert chances[0] == chances[1] and 0 <= chances[0][0] < 1


@pytest.mark.parametrize(
    ("text", "place", "found"),
    [
        ("exports.handle = (p) => {\n  return forward(;\n};\n", (2, 18), "SyntaxError: Unexpected token ';'"),
        ('import { forward } from "vnfc";\n', (1, 1), "Cannot use import statement"),
        ("const a = 1;\n\nconst a = 2;\n", (3, 7), "already been declared"),
    ],
)
def test_mistakes_of_the_source(tmp_path: Path, text: str, place: tuple[int, int], found: str) -> None:
    [error] = check(tmp_path, text)
    assert (error["file"], error["line"], error["column"]) == ("component.js", *place)
    assert found in error["found"]


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        ("", 0, "neither handle nor handleBurst is exported"),
        ("\nexports.handel = 1;", 2, "did you mean 'handle'?"),
        ('const { reason } = require("vnfc");\nreason("Big");', 2, "Big"),
        ("\nundefined.x;", 2, "TypeError: Cannot read properties of undefined"),
        ('const { forwrd } = require("vnfc");', 1, "did you mean 'forward'?"),
        ('require("nothing-there");', 1, "Cannot find module 'nothing-there'"),
        ("setTimeout(() => {}, 1);", 1, "use after(seconds, function)"),
        ("exports.handle = 5;", 0, "5"),
        ('require("vnfc").request("x", "", "", { y: [] }, () => 1);', 1, "argument y"),
        ("return forward(;", 1, "SyntaxError"),
    ],
)
def test_mistakes_at_the_start(tmp_path: Path, text: str, line: int, found: str) -> None:
    source = tmp_path / "component.js"
    source.write_text(text)
    with FakeForwarder(FRAMEWORK.host_command(source, "x")) as running:
        failed = running.init()
        assert failed["op"] == "failed"
        [error] = failed["errors"]
        assert found in error["found"] and error["file"] == "component.js"
        assert error.get("line", 0) == line
        assert running.process.wait(60) == 1


def test_a_thousand_exceptions_end_it_and_its_packets_are_back(tmp_path: Path) -> None:
    with host(tmp_path, "exports.handle = () => nothing;") as running:
        for _ in range(10):
            running.send(*[tcp()] * 100)
            assert verdicts(running.collect(100)) == [EXCEPTION] * 100
        running.send(tcp())
        assert running.process.wait(60) == 1
        assert "more than 1000 exceptions in 10 s" in running.close()


def test_a_kept_packet_is_gone(tmp_path: Path) -> None:
    body = """
let kept = null;
exports.handle = (p) => { kept = kept ?? p.copy(); return forward(); };
request("use", "", "", () => { emit(kept); return kept.len; });
"""
    with host(tmp_path, body) as running:
        running.send(tcp())
        running.collect(1)
        answer = running.ask("request", name="use", args=[])
        assert not answer["ok"] and "already given back" in answer["error"]
        assert len(running.collect(1)) == 1


def test_libs_are_refused_and_a_missing_node_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BuildError) as refused:
        FRAMEWORK.build_command([], tmp_path, tmp_path / "x", ["zlib"])
    assert refused.value.errors[0]["field"] == "libs"
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError) as absent:
        FRAMEWORK.build_command([], tmp_path, tmp_path / "x", [])
    assert absent.value.errors[0]["found"] == "no node"


def test_modules_of_vendor(tmp_path: Path) -> None:
    (tmp_path / "vendor").mkdir()
    (tmp_path / "vendor" / "five.js").write_text('exports.five = require("vnfc").forward(5);')
    with host(tmp_path, 'const { five } = require("five"); exports.handle = () => five;') as running:
        running.send(tcp())
        assert verdicts(running.collect(1)) == [(C.VERDICT_FORWARD, 5)]
