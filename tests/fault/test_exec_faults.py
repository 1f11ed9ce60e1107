"""Executables that die, hang, exit at once and talk nonsense, run as a deployment runs them: confined, behind
the real forwarder. Whatever they had is dropped by name, and they come back."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from coven.errors import Refused
from coven.run import run_captures
from tests.exec_rig import FRAMED, PROTOTYPE
from tests.keeper_rig import KeeperRig, wait_for
from tests.packages import capture, datagram, package

PACKETS = 40
FRAMED_ONE = "vnfcs: {one: {source: one.py, language: exec}}\nchain: in -> one -> out\n"
SOCKET_ONE = (
    "vnfcs: {one: {source: one.py, language: exec, engine: coven-socket, "
    "config: {run: [python3, one.py], input: 8010, output: 8011, patience_ms: 50}}}\n"
    "chain: in -> one -> out\n"
)
UDP_PORT = "sport = int.from_bytes(data[34:36], 'big')"


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVEN_STATE", str(tmp_path / "state"))


def component(folder: Path, engine: str, text: str) -> Path:
    if engine == "framed":
        return package(folder, FRAMED_ONE, one_py=FRAMED.format(text=text))
    return package(folder, SOCKET_ONE, one_py=PROTOTYPE.format(text=text, input=8010, output=8011))


def run(folder: Path, engine: str, text: str) -> dict[str, Any]:
    """The figures of a capture through one executable; accounted for, whatever it did."""
    pkg = component(folder / "p", engine, text)
    read = capture(folder / "in.pcap", [datagram(i + 1, 60) for i in range(PACKETS)])
    ports = {"in": {"read": str(read)}, "out": {"write": str(folder / "out.pcap")}}
    status = run_captures(pkg / "vnf.yaml", ports, {}, 1)
    KeeperRig.assert_accounted(status)
    assert status["received"] == PACKETS and status["in_flight"] == 0
    assert status["forwarded"] + sum(status["dropped"].values()) == PACKETS
    return status


DYING = {
    "framed": f"def handle(id, _, data):\n {UDP_PORT}\n if sport == 20: os._exit(9)\n verdict(id, FORWARD)\n",
    "coven-socket": f"def handle(data):\n {UDP_PORT}\n if sport == 20: os._exit(9)\n return data\n",
}


@pytest.mark.parametrize("engine", DYING)
def test_one_that_dies(tmp_path: Path, engine: str) -> None:
    status = run(tmp_path, engine, DYING[engine])
    assert status["forwarded"] >= 19 and status["dropped"]["one.died"] >= 1
    assert any("the component has ended: exit status 9" in entry["line"] for entry in status["logs"])


def test_one_that_hangs(tmp_path: Path) -> None:
    text = f"def handle(id, _, data):\n {UDP_PORT}\n if sport == 20: time.sleep(60)\n verdict(id, FORWARD)\n"
    status = run(tmp_path, "framed", text)
    assert status["forwarded"] >= 19
    assert set(status["dropped"]) <= {"one.unanswered", "one.hung", "one.died", "one.down"}
    assert status["vnfcs"]["one"]["dropped"]


@pytest.mark.parametrize("engine", ["framed", "coven-socket"])
def test_one_that_talks_nonsense(tmp_path: Path, engine: str) -> None:
    text = "def handle(id, head, data): say(b'Z'); verdict(id, 99)"
    if engine == "coven-socket":
        text = f"def handle(data):\n {UDP_PORT}\n return b'nonsense' if sport % 10 == 0 else data\n"
    status = run(tmp_path, engine, text)
    assert status["vnfcs"]["one"]["metrics"]["nonsense"] > 0
    assert sum(status["dropped"].values()) == (PACKETS if engine == "framed" else PACKETS // 10)


@pytest.mark.parametrize("engine", ["framed", "coven-socket"])
def test_one_that_exits_before_it_begins(tmp_path: Path, engine: str) -> None:
    with pytest.raises(Refused) as refused:
        run(tmp_path, engine, "sys.exit(5)")
    assert "exit status 5" in str(refused.value.mistakes)


@pytest.mark.root
@pytest.mark.parametrize("engine", ["framed", "coven-socket"])
def test_a_killed_component_comes_back(tmp_path: Path, engine: str) -> None:
    text = "def handle(packet): return packet" if engine == "coven-socket" else ""
    with KeeperRig(tmp_path / "k", component(tmp_path / "p", engine, text)) as rig:
        assert rig.said == {"ok": True}, rig.said
        rig.call("start")
        rig.wait_ping()
        assert rig.ping(5) == 5
        before = rig.vnfc("one")
        assert before["confinement"] == "full"
        [child] = Path(f"/proc/{before['pid']}/task/{before['pid']}/children").read_text().split()
        os.kill(int(child), signal.SIGKILL)
        wait_for(lambda: rig.vnfc("one")["restarts"] > before["restarts"])
        wait_for(lambda: rig.vnfc("one")["state"] == "running")
        rig.wait_ping()
