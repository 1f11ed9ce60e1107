"""TCP through an executable on live ports, with each engine: whole, in order, every packet accounted for."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rigs.executables import FRAMED, PROTOTYPE
from tests.rigs.keeper import KeeperRig
from tests.rigs.packages import package

MEGABYTES, MEGABYTES_LONG = 5, 100
FRAMED_YAML = "vnfcs: {one: {source: one.py, language: exec}}\nchain: in -> one -> out\n"
SOCKET_YAML = (
    "vnfcs: {one: {source: one.py, language: exec, engine: coven-socket, "
    "config: {run: [python3, one.py], input: 8010, output: 8011}}}\nchain: in -> one -> out\n"
)

pytestmark = pytest.mark.root


@pytest.mark.parametrize("engine", ["framed", "coven-socket"])
def test_tcp_passes_through_an_executable(tmp_path: Path, engine: str, long_run: bool) -> None:
    if engine == "framed":
        pkg = package(tmp_path / "p", FRAMED_YAML, one_py=FRAMED.format(text=""))
    else:
        text = PROTOTYPE.format(text="def handle(packet): return packet", input=8010, output=8011)
        pkg = package(tmp_path / "p", SOCKET_YAML, one_py=text)
    with KeeperRig(tmp_path / "k", pkg) as rig:
        assert rig.said == {"ok": True}, rig.said
        rig.call("start")
        rig.wait_ping()
        rig.transfer(MEGABYTES_LONG if long_run else MEGABYTES)
        one = rig.vnfc("one")
        assert (one["restarts"], one["originated"], one["metrics"]["nonsense"]) == (0, 0, 0)
