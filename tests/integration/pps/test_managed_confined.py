"""Java and JavaScript VNFCs built and run in confinement, at every level that this machine has, and in one
chain over captures; Click VNFCs built so."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from scapy.utils import rdpcap

from coven.run.foreground import run_captures
from pps.confine import confinement as confine
from pps.framework import Framework
from pps.frameworks import FRAMEWORKS
from tests.rigs import java as java_rig
from tests.rigs import javascript as javascript_rig
from tests.rigs.confined import build_and_run
from tests.rigs.keeper import KeeperRig
from tests.rigs.packages import capture, datagram, package

BUILD = Path(__file__).resolve().parents[3] / "build"
RIGS = {"java": java_rig, "javascript": javascript_rig}
SOURCES = {
    "Component.java": """import coven.*;
import java.nio.file.*;
class Component extends Vnfc {
    int numbers = java.util.stream.IntStream.range(0, 3).sum();
    public Verdict handle(Packet p) {
        emit(p.copy());
        log("sum", numbers);
        return p.tcp().dport() == 80 ? forward() : null;
    }
    @Request Object uid() throws Exception { return Files.getAttribute(Path.of("/proc/self"), "unix:uid"); }
}
""",
    "component.js": """const { emit, forward, log, request } = require("vnfc");
const { sum } = require("theirs");
exports.handle = (p) => {
  emit(p.copy());
  log("sum", sum(0, 1, 2));
  return p.tcp.dport === 80 ? forward() : undefined;
};
request("uid", "", "", () => process.getuid());
""",
    "vendor/theirs.js": "exports.sum = (...all) => all.reduce((a, b) => a + b);\n",
}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A package's folder that another uid may read."""
    with tempfile.TemporaryDirectory(prefix="coven-test.") as name:
        root = Path(name)
        root.chmod(0o755)
        (root / "vendor").mkdir()
        for file, text in SOURCES.items():
            (root / file).write_text(text)
        yield root


def started(framework: Framework, artifact: Path) -> list[str]:
    command = framework.host_command(artifact, "component")
    return framework.limit_heap(command, 256)


def test_click_is_compiled_at_every_level(folder: Path, confinement: confine.Confinement) -> None:
    (folder / "x.click").write_text("FromDevice(in) -> Counter -> ToDevice(next);")
    framework, out = FRAMEWORKS["click"](), folder / "built"
    command = framework.build_command([folder / "x.click"], folder, out / "x.so", [])
    uid = 64000 if confinement.level.name == "full" else None
    built = confinement.run_build(command, package=folder, out=out, binds_ro=framework.visible(), uid=uid)
    assert built.returncode == 0 and (out / "x.so").exists(), built.output


@pytest.mark.parametrize(("language", "source"), [("java", "Component.java"), ("javascript", "component.js")])
def test_build_and_run(
    folder: Path, confinement: confine.Confinement, language: str, source: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if RIGS[language].MISSING:
        pytest.skip(RIGS[language].WHY)
    framework = FRAMEWORKS[language]()
    said = build_and_run(
        confinement, framework, folder, source, monkeypatch, lambda artifact: started(framework, artifact)
    )
    assert said == "sum 3\n"


CHAIN = """vnfcs:
  script: {source: script.js, config: {odd: true}}
  java: {source: java.java, outputs: [next, other]}
chain:
  in:
    - script -> java -> out
    - java[other] -> out
  out:
    - java -> script -> in
    - java[other] -> script
"""
SCRIPT = """const { config, drop, forward, reason } = require("vnfc");
const odd = reason("odd", "an odd source port");
exports.handle = (p) => {
  p.context[1] = p.udp.sport & 255;
  return config.odd && p.udp.sport % 2 ? drop(odd) : forward();
};
"""
JAVA = """import coven.*;
class Java extends Vnfc {
    public Verdict handle(Packet p) {
        p.udp().dport(p.context(1));
        return p.udp().sport() % 4 == 0 ? forward("other") : forward();
    }
}
"""


def test_a_chain_of_both_over_captures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for rig in RIGS.values():
        if rig.MISSING:
            pytest.skip(rig.WHY)
    monkeypatch.setenv("COVEN_STATE", str(tmp_path / "state"))
    pkg = package(tmp_path / "p", CHAIN, script_js=SCRIPT, java_java=JAVA)
    read = capture(tmp_path / "in.pcap", [datagram(i + 1, 60) for i in range(600)])
    ports = {"in": {"read": str(read)}, "out": {"write": str(tmp_path / "out.pcap")}}
    status = run_captures(pkg / "vnf.yaml", ports, {}, 1)
    KeeperRig.assert_accounted(status)
    assert (status["received"], status["forwarded"], status["in_flight"]) == (600, 300, 0)
    assert status["dropped"] == {"script.odd": 300}
    assert {each["confinement"] for each in status["vnfcs"].values()} <= {"full", "user-namespace", "reduced"}
    left = rdpcap(str(tmp_path / "out.pcap"))
    assert [(each.sport, each.dport) for each in left] == [(i, i & 255) for i in range(2, 601, 2)]
