"""Executables that exit at once, or are killed, run as a deployment runs them: confined, behind the real forwarder.
What they share with other languages is in `test_every_language.py`."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from coven.run.foreground import run_captures
from itf.mistakes import Refused
from tests.rigs.executables import FRAMED, PROTOTYPE
from tests.rigs.keeper import KeeperRig, wait_for
from tests.rigs.packages import capture, datagram, package

FRAMED_ONE = "vnfcs: {one: {source: one.py, language: exec}}\nchain: in -> one -> out\n"
SOCKET_ONE = (
    "vnfcs: {one: {source: one.py, language: exec, engine: coven-socket, "
    "config: {run: [python3, one.py], input: 8010, output: 8011, patience_ms: 50}}}\n"
    "chain: in -> one -> out\n"
)


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVEN_STATE", str(tmp_path / "state"))


def component(folder: Path, engine: str, text: str) -> Path:
    if engine == "framed":
        return package(folder, FRAMED_ONE, one_py=FRAMED.format(text=text))
    return package(folder, SOCKET_ONE, one_py=PROTOTYPE.format(text=text, input=8010, output=8011))


@pytest.mark.parametrize("engine", ["framed", "coven-socket"])
def test_one_that_exits_before_it_begins(tmp_path: Path, engine: str) -> None:
    pkg = component(tmp_path / "p", engine, "sys.exit(5)")
    read = capture(tmp_path / "in.pcap", [datagram(1, 60)])
    with pytest.raises(Refused) as refused:
        run_captures(pkg / "vnf.yaml", {"in": {"read": str(read)}, "out": {}}, {}, 1)
    assert "exit status 5" in str(refused.value.mistakes)


@pytest.mark.root
@pytest.mark.parametrize("engine", ["framed", "coven-socket"])
def test_a_killed_component_comes_back(tmp_path: Path, engine: str) -> None:
    text = "def handle(packet): return packet" if engine == "coven-socket" else ""
    with KeeperRig(tmp_path / "k", component(tmp_path / "p", engine, text)) as rig:
        assert rig.said == {"ok": True}, rig.said
        rig.call("start")
        rig.wait_ping()
        assert rig.ping(5, patience=30) == 5
        before = rig.vnfc("one")
        assert before["confinement"] == "full"
        [child] = Path(f"/proc/{before['pid']}/task/{before['pid']}/children").read_text().split()
        os.kill(int(child), signal.SIGKILL)
        wait_for(lambda: rig.vnfc("one")["restarts"] > before["restarts"])
        wait_for(lambda: rig.vnfc("one")["state"] == "running")
        rig.wait_ping()
