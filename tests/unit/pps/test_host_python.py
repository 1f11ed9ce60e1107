"""The Python host, a real process at a fake forwarder: verdicts, promises, life."""

from __future__ import annotations

import json
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.l2 import ARP

from itf.segment import C
from pps.mistakes import BuildError
from tests.rigs.fake_forwarder import FakeForwarder
from tests.rigs.python_host import ETHER, FRAMEWORK, REASON, Host, complete, failure, host, one, tcp, verdicts

# ---- the component in sdk.md -----------------------------------------------------------------------------


def test_component_of_the_sdk_page(tmp_path: Path) -> None:
    source = tmp_path / "c.py"
    source.write_text(
        "from vnfc import forward, drop, reason                # a whole component\n"
        'telnet = reason("telnet", "telnet is not allowed here")\n'
        "def handle(packet):\n"
        "    return drop(telnet) if packet.tcp and packet.tcp.dport == 23 else forward()\n"
    )
    with Host(FRAMEWORK.host_command(source, "c")) as running:
        assert running.init() == {"op": "ready", "requests": []}
        assert running.reasons() == {C.REASON_DECLARED: "telnet"}
        running.send(tcp(), tcp(23), bytes(ETHER / ARP()), tcp(23))
        drop = (C.VERDICT_DROP, C.REASON_DECLARED)
        assert verdicts(running.collect(4)) == [(1, 0), drop, (1, 0), drop]
        assert running.finish() == ""


@pytest.mark.parametrize(
    ("expression", "verdict"),
    [
        ("forward()", (C.VERDICT_FORWARD, 0)),
        ("forward(1)", (C.VERDICT_FORWARD, 1)),
        ("forward('other')", (C.VERDICT_FORWARD, 1)),
        ("forward(output=1)", (C.VERDICT_FORWARD, 1)),
        ("forward(flow=True)", (C.VERDICT_FORWARD | C.VERDICT_FLOW, 0)),
        ("back()", (C.VERDICT_FORWARD, C.OUTPUT_BACK)),
        ("forward('back')", (C.VERDICT_FORWARD, C.OUTPUT_BACK)),
        ("consume()", (C.VERDICT_CONSUME, 0)),
        ("drop(r)", (C.VERDICT_DROP, C.REASON_DECLARED)),
        ("drop(r, flow=True)", (C.VERDICT_DROP | C.VERDICT_FLOW, C.REASON_DECLARED)),
        ("drop('r')", (C.VERDICT_DROP, REASON["exception"])),
        ("forward('nowhere')", (C.VERDICT_DROP, REASON["exception"])),
        ("forward(-1)", (C.VERDICT_DROP, REASON["exception"])),
        ("forward(flo=True)", (C.VERDICT_DROP, REASON["exception"])),
    ],
)
def test_verdicts(tmp_path: Path, expression: str, verdict: tuple[int, int]) -> None:
    text = f"r = reason('r', 'why')\ndef handle(packet): return {expression}\n"
    with host(tmp_path, text, outputs=("next", "other")) as running:
        back = one(running)
        assert (back.verdict, back.arg) == verdict


# ---- making, holding, time -------------------------------------------------------------------------------


def test_copies_and_new_packets(tmp_path: Path) -> None:
    text = """
def handle(p):
    c = p.copy()
    c.ip.ttl = 3
    emit(c, "other")
    p.copy_to(1)
    emit(new_packet(b"new" * 20), port="out")
    p.copy()                     # thrown away: nothing happens
    return consume()
"""
    with host(tmp_path, text, outputs=("next", "other")) as running:
        [frame] = running.send(tcp())
        back = running.collect(4)
        made = {b.flags & (C.FRAME_ORIGINATED | C.FRAME_CLONED): b for b in back if b.frame != frame}
        assert [(b.verdict, b.arg) for b in back if b.frame == frame] == [(C.VERDICT_CONSUME, 0)]
        assert len(back) == 4
        assert made[C.FRAME_ORIGINATED].data == b"new" * 20
        assert made[C.FRAME_ORIGINATED].port == 1
        clones = [b for b in back if b.flags & C.FRAME_CLONED]
        assert [b.arg for b in clones] == [1, 1]
        assert complete(clones[0].data) == clones[0].data
        assert clones[1].data == tcp()


def test_without_spare_frames_new_packet_raises(tmp_path: Path) -> None:
    text = "def handle(p):\n    emit(new_packet(b'x'))\n    return forward()\n"
    with host(tmp_path, text, spares=0) as running:
        assert one(running).arg == REASON["exception"]
        assert "no frame is free" in running.finish()


def test_hold_release_and_timers_in_capture_time(tmp_path: Path) -> None:
    text = """
late = reason("late")
held = []
def handle(p):
    held.append(p)
    p.ip.ttl = 9
    after(2, lambda: release(held.pop(0)) if len(held) > 1 else release(held.pop(0), drop(late)))
    return hold(p)
"""
    second = 1_000_000_000
    with host(tmp_path, text, clock_mode=C.CLOCK_CAPTURE) as running:
        running.send(tcp(), time_ns=10 * second)
        running.send(tcp(), time_ns=11 * second)
        running.settle()
        assert running.head.held == 2
        running.advance(12 * second)
        [first] = running.collect(1)
        assert (first.verdict, first.arg) == (C.VERDICT_FORWARD, 0)
        assert first.data == complete(tcp(ttl=9))
        running.advance(13 * second)
        assert verdicts(running.collect(1)) == [(C.VERDICT_DROP, C.REASON_DECLARED)]
        assert running.head.held == 0


def test_more_than_hold_max_are_dropped_by_name(tmp_path: Path) -> None:
    text = "kept = []\ndef handle(p):\n    kept.append(p)\n    return hold(p)\n"
    with host(tmp_path, text, hold_max=2) as running:
        running.send(tcp(), tcp(), tcp())
        assert verdicts(running.collect(1)) == [(C.VERDICT_DROP, REASON["hold_full"])]
        assert running.head.held == 2


def test_a_forgotten_held_packet_comes_back(tmp_path: Path) -> None:
    with host(tmp_path, "def handle(p): return hold(p)\n") as running:
        assert one(running).verdict == C.VERDICT_NONE
        assert "a held packet was forgotten" in running.finish()


def test_every_now_and_random_repeat(tmp_path: Path) -> None:
    text = """
times = []
@every(0.25)
def tick(): times.append(now())
@request
def seen(): return [times, random.random(), wall() - now()]
def handle(p): return forward()
"""
    answers = []
    for _ in range(2):
        with host(tmp_path, text, clock_mode=C.CLOCK_CAPTURE, seed=5) as running:
            one(running, time_ns=1_000_000_000)
            running.advance(1_600_000_000)
            answers.append(running.ask("request", name="seen", args=[])["value"])
    assert answers[0] == answers[1]
    assert answers[0][0] == [1.25, 1.5]


# ---- promises --------------------------------------------------------------------------------------------


def test_no_verdict_and_nonsense_are_told_once_with_their_place(tmp_path: Path) -> None:
    text = "def handle(p):\n    if p.tcp.dport == 1: return\n"
    text += "    if p.tcp.dport == 2: return forward\n    return 1\n"
    with host(tmp_path, text) as running:
        running.send(tcp(1), tcp(1), tcp(2), tcp(3))
        back = running.collect(4)
        assert [b.verdict for b in back[:2]] == [C.VERDICT_NONE] * 2
        assert all(b.verdict == C.VERDICT_DROP and b.arg >= C.REASONS for b in back[2:])
        log = running.finish()
        assert log.count("component.py:2: handle returned None") == 1
        assert log.count("write `return forward()`, with the brackets") == 1


def test_an_exception_costs_its_packet_only(tmp_path: Path) -> None:
    text = "def handle(p):\n    1 / (p.tcp.dport - 1)\n    return forward()\n"
    with host(tmp_path, text) as running:
        for _ in range(12):
            running.send(tcp(1), tcp(2))
        assert sum(b.arg == REASON["exception"] for b in running.collect(24)) == 12
        assert running.head.exceptions == 12
        log = running.finish()
        assert log.count("Traceback") == 1
        assert 'component.py", line 3, in handle' in log
        assert "component.py:3: ZeroDivisionError: division by zero (10 times so far)" in log
        assert "vnfc_host.py" not in log


def test_a_misspelt_name_is_suggested(tmp_path: Path) -> None:
    with host(tmp_path, "def handle(p): return forwrad()\n") as running:
        one(running)
        assert "did you mean 'forward'?" in running.finish()


def test_too_many_exceptions_end_the_host(tmp_path: Path) -> None:
    with host(tmp_path, "def handle(p): raise KeyError(1)\n") as running:
        for _ in range(9):
            running.send(*[tcp()] * 120)
            if running.process.poll() is None and _ < 8:
                running.collect(120)
        assert running.process.wait(60) == 1
        assert "more than 1000 exceptions in 10 s" in running.close()


@pytest.mark.parametrize("kept", ["p", "p.tcp", "p.data", "p.context"])
def test_what_is_kept_says_so_when_it_is_used(tmp_path: Path, kept: str) -> None:
    use = {"p": "x.tcp", "p.tcp": "x.dport", "p.data": "x[0]", "p.context": "x[0]"}[kept]
    text = f"keep = []\ndef handle(p):\n    for x in keep: {use}\n"
    text += f"    keep.append({kept})\n    return forward()\n"
    with host(tmp_path, text) as running:
        assert one(running).verdict == C.VERDICT_FORWARD
        assert one(running).arg == REASON["exception"]


def test_log_is_limited(tmp_path: Path) -> None:
    text = "def handle(p):\n    for i in range(1000): log('line', i)\n    return forward()\n"
    with host(tmp_path, text) as running:
        one(running)
        assert running.head.log_lines_suppressed >= 800
        assert "line 0\nline 1\n" in running.finish()


# ---- configuration, requests, metrics, state -------------------------------------------------------------


def test_configure_is_all_or_nothing(tmp_path: Path) -> None:
    text = """
blocked = set()
r = reason("r")
def configure(config):
    if config.limit < 0:
        raise ValueError("limit: found %d, expected 0 or more" % config.limit)
    blocked.clear()
    blocked.update(config["block"])
@request
def limit(): return config.limit
def handle(p): return drop(r) if p.tcp.dport in blocked else forward()
"""
    with host(tmp_path, text, {"block": [23], "limit": 1}) as running:
        assert one(running, tcp(23)).verdict == C.VERDICT_DROP
        answer = running.ask("configure", config={"block": [], "limit": -1})
        assert answer["ok"] is False
        [error] = answer["errors"]
        assert (error["file"], error["line"]) == ("component.py", 7)
        assert error["found"] == "limit: found -1, expected 0 or more"
        assert running.ask("request", name="limit", args=[])["value"] == 1
        assert one(running, tcp(23)).verdict == C.VERDICT_DROP
        assert running.ask("configure", config={"block": [80], "limit": 2})["ok"] is True
        assert one(running, tcp(23)).verdict == C.VERDICT_FORWARD
        assert one(running, tcp(80)).verdict == C.VERDICT_DROP


def test_requests(tmp_path: Path) -> None:
    text = """
@request("sum", "adds", "packets")
def add(a: int, b: float = 2.5, text: str = "", yes: bool = False) -> list: return [a, b, text, yes]
@request
def broken(): raise RuntimeError("no")
@request
def odd(): return object()
@request
def arrays():
    import numpy
    return {"a": numpy.arange(3), "b": {3, 1}, "c": b"\\x01"}
def handle(p): return forward()
"""
    with host(tmp_path, text) as running:
        assert running.process.poll() is None

        def ask(name: str, *args: Any) -> Any:
            answer = running.ask("request", name=name, args=list(args))
            return answer["value"] if answer["ok"] else answer["error"]

        assert ask("sum", 1) == [1, 2.5, "", False]
        assert ask("sum", "0x10", "3", 7, "true") == [16, 3.0, "7", True]
        assert ask("sum", "x") == "sum: argument 'a': found 'x', expected int"
        assert "argument 'a' is missing" in ask("sum")
        assert "found 5 arguments" in ask("sum", 1, 2, 3, 4, 5)
        assert ask("broken") == "broken: RuntimeError: no"
        assert "the answer holds a object" in ask("odd")
        assert ask("arrays") == {"a": [0, 1, 2], "b": [1, 3], "c": "01"}
        assert running.ask("request", name="nothing", args=[])["ok"] is False


def test_ready_declares_requests(tmp_path: Path) -> None:
    source = tmp_path / "c.py"
    source.write_text(
        "from vnfc import forward, request\n"
        "@request('hits', 'how many', 'packets')\ndef f(n: int = 3): return n\n"
        "def handle(p): return forward()\n"
    )
    with FakeForwarder(FRAMEWORK.host_command(source, "c")) as running:
        args = [{"name": "n", "type": "int", "default": 3}]
        [declared] = running.init()["requests"]
        assert declared == {"name": "hits", "why": "how many", "unit": "packets", "args": args, "changes": False}


def test_metrics(tmp_path: Path) -> None:
    text = """
hits = counter("hits", "packets seen", "packets")
load = gauge("load")
sizes = histogram("sizes", unit="bytes")
def handle(p):
    hits.add(); hits.add(2); load.set(0.5); sizes.observe(p.len)
    assert hits.value == 3 and load.value == 0.5
    return forward()
"""
    with host(tmp_path, text) as running:
        assert one(running).verdict == C.VERDICT_FORWARD
        metrics = running.metrics()
        assert metrics["hits"].value == 3
        assert metrics["load"].value == struct.unpack("Q", struct.pack("d", 0.5))[0]
        assert metrics["sizes"].count == 1


def test_state_survives(tmp_path: Path) -> None:
    text = """
def handle(p):
    state["n"] = state.get("n", 0) + 1
    state[(1, b"x")] = [1.5, None, {"a"}]
    return forward()
@request
def show(): return [state["n"], repr(state.get((1, b"x")))]
"""
    with host(tmp_path, text) as running:
        one(running)
        one(running)
        assert running.end() == 0
        kept = running.state()
    with host(tmp_path, text, state=kept) as running:
        assert running.ask("request", name="show", args=[])["value"] == [2, "[1.5, None, {'a'}]"]
    with host(tmp_path, text, state=kept[:9] + b"\xff" * 50) as running:
        assert running.ask("request", name="show", args=[])["ok"] is False  # begins anew


def test_state_is_saved_while_running_and_too_large_is_told(tmp_path: Path) -> None:
    text = """
def handle(p):
    state["n"] = 7
    if p.tcp.dport == 81: state["big"] = bytes(20000)
    return forward()
"""
    with host(tmp_path, text) as running:
        one(running)
        while b"\xda\x01n" not in running.state():
            assert running.process.poll() is None
        one(running, tcp(81))
        log = running.finish()
        assert "more than the 16376 that survive a restart" in log


def test_exit_is_called(tmp_path: Path) -> None:
    with host(tmp_path, "def exit(): print('bye')\ndef handle(p): return forward()\n") as running:
        assert running.finish() == "bye\n"


# ---- what does not start ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        ("from vnfc import forwrad\n", 1, "vnfc has no 'forwrad': did you mean 'forward'?"),
        ("import vnfc\n\nvnfc.Forward\n", 3, "did you mean 'forward'?"),
        ("import nothing_like_this\n", 1, "No module named"),
        ("\n1 / 0\n", 2, "ZeroDivisionError"),
        ("def handle(p:\n", 1, "SyntaxError"),
        ("from vnfc import forward\ndef handel(p): return forward()\n", 2, "'handel'"),
        ("x = 1\n", None, "neither handle nor handle_burst"),
        ("def handle(p): pass\ndef handle_burst(b): pass\n", 2, "both handle and handle_burst"),
        ("from vnfc import reason\nreason('exception')\n", 2, "exception"),
        ("from vnfc import counter\n\ncounter('Bad Name')\n", 3, "Bad Name"),
        ("from vnfc import request\n@request('Bad')\ndef f(): pass\ndef handle(p): pass\n", 2, "Bad"),
        ("from vnfc import request\n@request\ndef f(a): pass\ndef handle(p): pass\n", 2, "no annotation"),
        ("def configure(c): raise ValueError('bad port')\ndef handle(p): pass\n", 1, "bad port"),
        ("from vnfc import every\n@every('x')\ndef f(): pass\n", 2, "every() wants seconds"),
        ("raise SystemExit(3)\n", 1, "SystemExit"),
    ],
)
def test_a_broken_component_says_where(tmp_path: Path, text: str, line: int | None, found: str) -> None:
    [error] = failure(tmp_path, text)
    assert error["file"] == "component.py"
    assert error.get("line") == line
    assert found in error["found"]


def test_vendor_and_neighbours_can_be_imported(tmp_path: Path) -> None:
    (tmp_path / "vendor").mkdir()
    (tmp_path / "vendor" / "theirs.py").write_text("x = 1\n")
    (tmp_path / "mine.py").write_text("y = 2\n")
    text = "import theirs, mine, numpy\nassert theirs.x + mine.y == 3\ndef handle(p): return forward()\n"
    with host(tmp_path, text) as running:
        assert one(running).verdict == C.VERDICT_FORWARD


def test_neither_numpy_nor_scapy_is_imported_unasked(tmp_path: Path) -> None:
    text = "import sys\n@request\ndef loaded(): return [m for m in ('numpy', 'scapy') if m in sys.modules]\n"
    text += "def handle(p): return forward()\n"
    with host(tmp_path, text) as running:
        one(running)
        assert running.ask("request", name="loaded", args=[])["value"] == []


# ---- the check before it runs ----------------------------------------------------------------------------


def build(tmp_path: Path, text: str) -> tuple[int, list[dict[str, Any]]]:
    (tmp_path / "src").mkdir(exist_ok=True)
    source = tmp_path / "src" / "component.py"
    source.write_text(text)
    artifact = tmp_path / FRAMEWORK.artifact_name("component")
    command = FRAMEWORK.build_command([source], tmp_path, artifact, [])
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, [each.as_dict() for each in FRAMEWORK.parse_errors(done.stderr, tmp_path)]


def test_check_finds_syntax_errors_and_unknown_names(tmp_path: Path) -> None:
    status, [error] = build(tmp_path, "def handle(p):\n    return forward(\n")
    assert status == 1
    assert (error["file"], error["line"], error["column"]) == ("src/component.py", 2, 19)
    status, errors = build(tmp_path, "from vnfc import forwrad\nimport vnfc as v\nx = v.dorp\nhandle = None\n")
    assert [(e["line"], e["column"]) for e in errors] == [(1, 18), (3, 5)]
    assert "did you mean 'drop'?" in errors[1]["found"]


def test_check_finds_names_that_nothing_defines(tmp_path: Path) -> None:
    lost = (
        "import os.path\ndef first():\n    global late\n    late = [i for i in (1, 2) if i]\n"
        "    ip = 1\n    return ip\n"
        "class A:\n    x = 1\n    y = x\n    def f(self): return __class__, __file__, os\n"
        "def handle(packet):\n    return lambda z: (late, z, ip, forward)\n"
    )
    _, errors = build(tmp_path, lost)
    assert [(e["line"], e["column"], e["found"]) for e in errors] == [
        (12, 32, "'ip' is not defined"), (12, 36, "'forward' is not defined"),
    ]  # fmt: skip
    assert errors[1]["remedy"] == "from vnfc import forward"
    for unseen in ("globals()['ip'] = forward = 1\n", "from os import *\n", "try: ip\nexcept NameError: ip = 1\n"):
        assert build(tmp_path, unseen + lost) == (0, []), "such names may come from anywhere"


@pytest.mark.parametrize(
    "kind", ["def top(n, m=1):\n    m = n + m\n    return lambda: m\n", "class top:\n    m = 1\n    n = m\n"]
)
def test_a_scope_named_top_is_not_the_module(tmp_path: Path, kind: str) -> None:
    """symtable's module is named so, too."""
    rest = "def handle(packet):\n    return top and (forward(), gone)\n"
    _, [error] = build(tmp_path, f"from vnfc import forward\n{kind}{rest}")
    assert error["found"] == "'gone' is not defined"


def test_all_that_is_wrong_with_a_source_at_once(tmp_path: Path) -> None:
    (tmp_path / "vendor").mkdir()
    (tmp_path / "vendor" / "brought.py").write_text("")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "beside.py").write_text("")
    lost = (
        "import requests\ntry:\n    import cupy\nexcept ImportError:\n    pass\n"
        "import scapy.layers.inet, os.path, beside, brought, gone.sub\n"
        "def handle(packet):\n    return nothing\ndef handle_burst(burst):\n    pass\n"
    )
    _, errors = build(tmp_path, lost)
    assert [(e["line"], e["found"]) for e in errors] == [
        (1, "No module named 'requests'"), (6, "No module named 'gone'"), (8, "'nothing' is not defined"),
        (9, "both handle and handle_burst"),
    ]  # fmt: skip
    assert "vendor/" in errors[0]["remedy"]
    elsewhere = "import sys\nsys.path.append('lib')\nimport mine\ndef handle(packet):\n    return mine\n"
    assert build(tmp_path, elsewhere) == (0, []), "it says itself where its modules are"


def test_artifact_runs(tmp_path: Path) -> None:
    status, errors = build(tmp_path, "from vnfc import forward\ndef handle(p): return forward()\n")
    assert (status, errors) == (0, [])
    artifact = tmp_path / FRAMEWORK.artifact_name("component")
    assert json.loads(artifact.read_text())["root"] == str(tmp_path)
    with Host(FRAMEWORK.host_command(artifact, "component")) as running:
        assert running.init()["op"] == "ready"
        assert one(running).verdict == C.VERDICT_FORWARD


def test_libs_are_refused() -> None:
    with pytest.raises(BuildError, match="vendor"):
        FRAMEWORK.build_command([Path("a.py")], Path("."), Path("b"), ["zlib"])
