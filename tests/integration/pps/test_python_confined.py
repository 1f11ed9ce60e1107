"""A Python VNFC built and run in confinement, at every level that this machine has."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coven.base.places import SYSTEM_RUN
from itf.segment import C
from pps.confine import confinement as confine
from pps.confine import uids
from tests.rigs.fake_forwarder import FakeForwarder
from tests.rigs.python_host import FRAMEWORK, tcp

BUILD = Path(__file__).resolve().parents[3] / "build"
COMPONENT = """
import numpy
from scapy.layers.dns import DNS
from scapy.layers.inet import IP
from scapy.layers.l2 import Ether
from vnfc import emit, forward, log, new_packet, request
import helper, theirs

@request
def uid():
    import os
    return os.getuid()

def handle(packet):
    assert packet.scapy()["TCP"].dport == 80
    emit(new_packet(Ether() / IP(dst="192.0.2.1")))
    log("sum", numpy.arange(3).sum(), helper.x, theirs.y)
    return forward()
"""


@pytest.fixture
def package() -> Iterator[Path]:
    """A package's folder that another uid may read."""
    with tempfile.TemporaryDirectory(prefix="coven-test.") as name:
        root = Path(name)
        root.chmod(0o755)
        (root / "vendor").mkdir()
        (root / "vendor" / "theirs.py").write_text("y = 2\n")
        (root / "helper.py").write_text("x = 1\n")
        (root / "component.py").write_text(COMPONENT)
        yield root


@pytest.fixture(params=["full", "user-namespace", "reduced"])
def confinement(request: pytest.FixtureRequest) -> confine.Confinement:
    name = request.param
    if name == "full" and os.geteuid() != 0:
        pytest.skip("level full needs root")
    level = confine.Level(name, "asked for", confine.landlock_abi())
    failure = confine._try(level, BUILD)
    if failure:
        pytest.skip(f"level {name} is not to be had here: {failure}")
    return confine.Confinement(level, BUILD, controller=None)


def test_build_and_run(
    package: Path, confinement: confine.Confinement, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lease = uids.UidLease.take(SYSTEM_RUN) if confinement.level.name == "full" else None
    uid = lease.uid if lease else None
    out = package / "built"
    artifact = out / FRAMEWORK.artifact_name("component")
    command = FRAMEWORK.build_command([package / "component.py"], package, artifact, [])
    built = confinement.run_build(command, package=package, out=out, binds_ro=FRAMEWORK.visible(), uid=uid)
    assert (built.returncode, built.output) == (0, "")
    start = subprocess.Popen

    def confined(argv: list[str], pass_fds: tuple[int, ...], env: object, **options: Any) -> Any:
        binds = [*FRAMEWORK.visible(), out]
        prepared = confinement.command(argv, package=package, binds_ro=binds, uid=uid, fds=pass_fds)
        try:
            return start(prepared.argv, pass_fds=prepared.pass_fds, env=prepared.env, **options)
        finally:
            prepared.close()

    monkeypatch.setattr("tests.rigs.fake_forwarder.subprocess.Popen", confined)
    try:
        with FakeForwarder(FRAMEWORK.host_command(artifact, "component")) as host:
            assert host.init()["op"] == "ready", host.close()
            host.send(tcp())
            assert [back.verdict for back in host.collect(2)] == [C.VERDICT_FORWARD] * 2, host.close()
            seen = host.ask("request", name="uid", args=[])["value"]
            assert seen == (os.geteuid() if uid is None else uid)
            assert host.end() == 0
            assert host.close() == "sum 3 1 2\n"
    finally:
        if lease:
            lease.release()
