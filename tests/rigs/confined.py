"""A component built and hosted in confinement beside a fake forwarder, at every level that this machine has."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coven.base.places import SYSTEM_RUN
from itf.segment import C
from pps.confine import confinement as confine
from pps.confine import uids
from pps.framework import Framework
from tests.rigs.fake_forwarder import FakeForwarder
from tests.rigs.python_host import tcp

BUILD = Path(__file__).resolve().parents[2] / "build"


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


def build_and_run(
    confinement: confine.Confinement, framework: Framework, folder: Path, source: str, monkeypatch: pytest.MonkeyPatch,
    host_command: Callable[[Path], list[str]],
) -> str:  # fmt: skip
    """Of a component that forwards a packet, makes another of it, and tells its uid when asked for that; what it
    wrote to its log."""
    lease = uids.UidLease.take(SYSTEM_RUN) if confinement.level.name == "full" else None
    uid = lease.uid if lease else None
    out = folder / "built"
    artifact = out / framework.artifact_name("component")
    command = framework.build_command([folder / source], folder, artifact, [])
    built = confinement.run_build(command, package=folder, out=out, binds_ro=framework.visible(), uid=uid)
    assert (built.returncode, built.output) == (0, "")
    start = subprocess.Popen

    def confined(argv: list[str], pass_fds: tuple[int, ...], env: object, **options: Any) -> Any:
        binds = [*framework.visible(), out]
        prepared = confinement.command(argv, package=folder, binds_ro=binds, uid=uid, fds=pass_fds)
        try:
            return start(prepared.argv, pass_fds=prepared.pass_fds, env=prepared.env, **options)
        finally:
            prepared.close()

    monkeypatch.setattr("tests.rigs.fake_forwarder.subprocess.Popen", confined)
    try:
        with FakeForwarder(host_command(artifact)) as host:
            assert host.init()["op"] == "ready", host.close()
            host.send(tcp())
            assert [back.verdict for back in host.collect(2)] == [C.VERDICT_FORWARD] * 2, host.close()
            seen = host.ask("request", name="uid", args=[])["value"]
            assert seen == (os.geteuid() if uid is None else uid)
            assert host.end() == 0
            return host.close()
    finally:
        if lease:
            lease.release()
