"""The JavaScript host, a real process at a fake forwarder: what test_contract.py does not try, since it is
JavaScript's alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether

from itf.segment import C
from tests.rigs.fake_forwarder import FakeForwarder
from tests.rigs.javascript import FRAMEWORK, MISSING, WHY, check, host
from tests.rigs.python_host import ETHER, REASON, complete, tcp, verdicts

pytestmark = pytest.mark.skipif(MISSING is not None, reason=WHY)

FORWARD, EXCEPTION = (C.VERDICT_FORWARD, 0), (C.VERDICT_DROP, REASON["exception"])


def test_what_is_no_verdict(tmp_path: Path) -> None:
    body = """
const answers = [() => 1, () => forward, async () => forward(), () => drop("r")];
exports.handle = (p) => answers[p.tcp.dport]();
"""
    bad = (C.VERDICT_DROP, 0xFFFF)
    with host(tmp_path, body) as running:
        running.send(*(tcp(dport) for dport in range(4)))
        assert verdicts(running.collect(4)) == [bad, bad, bad, EXCEPTION]
        assert running.head.exceptions == 1
        assert "component.js: handle returned 1" in running.finish()


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


def test_changing_by_number_and_to_no_address(tmp_path: Path) -> None:
    body = """
exports.handle = (p) => {
  if (p.tcp.dport === 7) p.ip.src = "1.2.3";
  p.eth.src = "02:00:00:00:00:0A"; p.ip.dstU32 = 0xc0000209;
  return forward();
};
"""
    with host(tmp_path, body) as running:
        running.send(tcp(6), tcp(7))
        back = running.collect(2)
        other = Ether(tcp(6))
        other.src, other[IP].dst = "02:00:00:00:00:0a", "192.0.2.9"
        assert back[0].data == complete(bytes(other))
        assert verdicts(back[1:]) == [EXCEPTION]


def test_logs_of_several_values(tmp_path: Path) -> None:
    with host(tmp_path, 'exports.handle = (p) => { log("gone", [1]); return forward(); };') as running:
        running.send(tcp())
        running.collect(1)
        assert running.finish() == "gone [1]\n"


def test_flags_fractions_and_the_configuration(tmp_path: Path) -> None:
    body = """
exports.configure = (c) => { if (c.limit < 0) throw new RangeError("limit: at least 0"); };
exports.handle = () => forward();
request("where", "", "", { more: int, yes: true }, (more, yes) => [config.limit, more, yes]);
"""
    with host(tmp_path, body, {"limit": 5}) as running:
        assert not running.ask("configure", config={"limit": -1})["ok"]
        assert running.ask("request", name="where", args=[1])["value"] == [5, 1, True]
        assert running.ask("configure", config={"limit": 7})["ok"] is True
        assert running.ask("request", name="where", args=[1, "false"])["value"] == [7, 1, False]
        assert running.ask("request", name="where", args=[1.5])["ok"] is False


def test_chance_repeats(tmp_path: Path) -> None:
    body = """
exports.handle = () => forward();
request("chance", "", "", () => [random(), Math.random()]);
"""
    chances = []
    for _ in range(2):
        with host(tmp_path, body, seed=5) as running:
            chances.append(running.ask("request", name="chance", args=[])["value"])
            assert running.finish() == ""
    assert chances[0] == chances[1] and 0 <= chances[0][0] < 1


def test_ip6_addresses(tmp_path: Path) -> None:
    body = """
exports.handle = (p) => { p.ip6.src = "::ffff:192.0.2.1"; p.ip6.dst = "2001:db8:0:0:1::"; return forward(); };
"""
    six = ETHER / IPv6(src="2001:db8::1", dst="::") / UDP(dport=5)
    expected = ETHER / IPv6(src="::ffff:192.0.2.1", dst="2001:db8:0:0:1::") / UDP(dport=5)
    with host(tmp_path, body) as running:
        running.send(bytes(six))
        assert running.collect(1)[0].data == bytes(expected)


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


def test_modules_of_vendor(tmp_path: Path) -> None:
    (tmp_path / "vendor").mkdir()
    (tmp_path / "vendor" / "five.js").write_text('exports.five = require("vnfc").forward(5);')
    with host(tmp_path, 'const { five } = require("five"); exports.handle = () => five;') as running:
        running.send(tcp())
        assert verdicts(running.collect(1)) == [(C.VERDICT_FORWARD, 5)]
