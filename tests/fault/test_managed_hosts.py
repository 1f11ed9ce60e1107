"""VNFCs in Java and JavaScript that recurse for ever, say nothing and eat memory: their own packets only, every one
accounted for under a name. What they share with other languages is in `test_every_language.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.rigs import java as java_rig
from tests.rigs import javascript as javascript_rig
from tests.rigs.keeper import run_datagrams
from tests.rigs.packages import package

PACKETS = 200
BAD = 50  #: source port of the packet that something happens at
JAVA = "import coven.*;\nclass One extends Vnfc {{\n public Verdict handle(Packet p) {{\n  {} }} }}\n"
SCRIPT = 'const {{ drop, forward, hold }} = require("vnfc");\nexports.handle = (p) => {{\n  {} }};\n'
PLACE = {"java": f"if (p.udp().sport() == {BAD}) ", "js": f"if (p.udp.sport === {BAD}) "}


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVEN_STATE", str(tmp_path / "state"))


def run(folder: Path, suffix: str, statement: str) -> dict[str, Any]:
    """The figures of a capture through one VNFC; accounted for, whatever it did."""
    rig = {"java": java_rig, "js": javascript_rig}[suffix]
    if rig.MISSING:
        pytest.skip(rig.WHY)
    descriptor = f"vnfcs: {{one: {{source: one.{suffix}}}}}\nchain: in -> one -> out\n"
    source = (JAVA if suffix == "java" else SCRIPT).format(statement)
    pkg = package(folder / "p", descriptor, **{f"one_{suffix}": source})
    return run_datagrams(folder, pkg, PACKETS)


def logged(status: dict[str, Any], text: str) -> bool:
    return any(text in entry["line"] for entry in status["logs"])


@pytest.mark.parametrize(
    ("suffix", "statement", "text"),
    [
        ("java", PLACE["java"] + "return handle(p); return forward();", "StackOverflowError"),
        ("js", PLACE["js"] + "return exports.handle(p); return forward();", "Maximum call stack size exceeded"),
    ],
)
def test_endless_recursion_costs_its_packet_only(tmp_path: Path, suffix: str, statement: str, text: str) -> None:
    status = run(tmp_path, suffix, statement)
    assert status["dropped"] == {"one.exception": 1} and status["vnfcs"]["one"]["exceptions"] == 1
    assert logged(status, text)


@pytest.mark.skipif(javascript_rig.MISSING is not None, reason=javascript_rig.WHY)
def test_no_verdict_is_a_named_drop(tmp_path: Path) -> None:
    assert run(tmp_path, "js", "")["dropped"] == {"one.no_verdict": PACKETS}


@pytest.mark.parametrize(
    ("suffix", "statement"),
    [
        ("java", PLACE["java"] + 'state.put("x", new byte[1 << 30]); return forward();'),
        ("js", PLACE["js"] + "for (const all = []; ; all.push(new Array(1e6).fill(all.length))); "
               "return forward();"),
    ],
)  # fmt: skip
def test_too_much_memory_ends_it(tmp_path: Path, suffix: str, statement: str) -> None:
    status = run(tmp_path, suffix, statement)
    assert status["dropped"]["one.died"] >= 1
