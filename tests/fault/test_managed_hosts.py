"""VNFCs in Java and JavaScript that raise, loop, exit, talk nonsense and eat memory: their own packets only,
every one accounted for under a name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from coven.run import run_captures
from tests import java_rig, javascript_rig
from tests.keeper_rig import KeeperRig
from tests.packages import capture, datagram, package

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
    read = capture(folder / "in.pcap", [datagram(i + 1, 60) for i in range(PACKETS)])
    ports = {"in": {"read": str(read)}, "out": {"write": str(folder / "out.pcap")}}
    status = run_captures(pkg / "vnf.yaml", ports, {}, 1)
    KeeperRig.assert_accounted(status)
    assert status["received"] == PACKETS and status["in_flight"] == 0
    assert status["forwarded"] + status["consumed"] + sum(status["dropped"].values()) == PACKETS
    return status


def logged(status: dict[str, Any], text: str) -> bool:
    return any(text in entry["line"] for entry in status["logs"])


@pytest.mark.parametrize(
    ("suffix", "statement", "text"),
    [
        ("java", PLACE["java"] + 'throw new RuntimeException("oh"); return forward();', "one.java:4 in handle"),
        ("java", PLACE["java"] + "return handle(p); return forward();", "StackOverflowError"),
        ("js", PLACE["js"] + 'throw new Error("oh"); return forward();', "one.js:3"),
        ("js", PLACE["js"] + "return exports.handle(p); return forward();", "Maximum call stack size exceeded"),
    ],
)
def test_exceptions_cost_their_packet_only(tmp_path: Path, suffix: str, statement: str, text: str) -> None:
    status = run(tmp_path, suffix, statement)
    assert status["dropped"] == {"one.exception": 1} and status["vnfcs"]["one"]["exceptions"] == 1
    assert logged(status, text)


@pytest.mark.parametrize(
    ("suffix", "statement"),
    [
        ("java", PLACE["java"] + "System.exit(9); return forward();"),
        ("js", PLACE["js"] + "process.exit(9); return forward();"),
    ],
)
def test_an_exit_costs_what_the_vnfc_had(tmp_path: Path, suffix: str, statement: str) -> None:
    status = run(tmp_path, suffix, statement)
    assert status["dropped"]["one.died"] >= 1 and logged(status, "exit status 9")


@pytest.mark.parametrize(
    ("suffix", "statement"),
    [
        ("java", PLACE["java"] + "while (true) { } return forward();"),
        ("js", PLACE["js"] + "for (;;); return forward();"),
    ],
)
def test_an_endless_loop_is_ended(tmp_path: Path, suffix: str, statement: str) -> None:
    status = run(tmp_path, suffix, statement)
    assert status["dropped"]["one.hung"] >= 1 and logged(status, "no progress")


@pytest.mark.parametrize(
    ("suffix", "statement", "reason"),
    [
        ("java", "return forward(9);", "one.bad_verdict"),
        ("js", "", "one.no_verdict"),
        ("js", 'return "yes";', "one.bad_verdict"),
    ],
)
def test_nonsense_is_a_named_drop(tmp_path: Path, suffix: str, statement: str, reason: str) -> None:
    assert run(tmp_path, suffix, statement)["dropped"] == {reason: PACKETS}


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
