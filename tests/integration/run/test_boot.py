"""After a boot the agent starts every VNF that was started: everything is killed, the runtime folder cleared,
the unit's ExecStart run again, from an installation."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from coven.lab.network import ADDRESS, IN, OUT, Lab
from tests.conftest import descendants

pytestmark = pytest.mark.root
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def exec_start(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The unit's command line, of an installation in a folder."""
    destdir = tmp_path_factory.mktemp("boot")
    words = [sys.executable, "install/install.py", "install", "--destdir", str(destdir)]
    subprocess.run(words, cwd=ROOT, check=True, capture_output=True)
    unit = (destdir / "etc/systemd/system/coven.service").read_text()
    line = next(line for line in unit.splitlines() if line.startswith("ExecStart="))
    program, *arguments = shlex.split(line.removeprefix("ExecStart="))
    launcher = destdir / program.removeprefix("/")
    launcher.write_text(launcher.read_text().replace("/usr/local/lib", f"{destdir}/usr/local/lib"))
    return [str(launcher), *arguments]


@contextmanager
def agent(lab: Lab, command: list[str], state: Path) -> Iterator[int]:
    """The agent's process id, once it serves. Ended by SIGKILL."""
    serving = lab.appliance.spawn(*command, "--state", str(state), stdout=subprocess.PIPE, text=True, cwd="/")
    assert serving.stdout
    try:
        assert serving.stdout.readline().startswith("serving http://127.0.0.1:8080")
        yield serving.pid
    finally:
        serving.kill()
        serving.wait()
        serving.stdout.close()


def test_a_started_vnf_is_started_again(exec_start: list[str], tmp_path: Path) -> None:
    coven = [exec_start[0]]
    state = tmp_path / "state"
    before = set(descendants())
    with Lab() as lab:
        def cli(*words: str) -> str:
            return lab.appliance.run(*coven, *words, "--state", str(state), cwd="/").stdout

        with agent(lab, exec_start, state):
            package = str(ROOT / "packages" / "forward" / "c.yaml")
            cli("deploy", package, "--name", "boot", "--in", IN, "--out", OUT)
            lab.client.run("ping", "-c1", "-w60", ADDRESS["server"])
            doomed = [pid for pid in descendants() if pid not in before and pid not in holders(lab)]
            for pid in doomed:
                with suppress(ProcessLookupError):  # it died with its parent
                    os.kill(pid, signal.SIGKILL)
        shutil.rmtree(state / "run")
        assert lab.client.run("ping", "-c1", "-w1", ADDRESS["server"], check=False).returncode != 0
        with agent(lab, exec_start, state):
            lab.client.run("ping", "-c1", "-w60", ADDRESS["server"])
            assert '"unaccounted": 0' in cli("stats", "boot", "--json")
            cli("terminate", "boot")


def holders(lab: Lab) -> set[int]:
    return {place.pid for place in lab.places.values()}
