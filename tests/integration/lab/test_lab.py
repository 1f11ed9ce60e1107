"""The lab: three namespaces on a wire, and nothing left of them however the program ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from coven.lab.network import ADDRESS, IN, OUT, Lab, LabError, Place, can_use_user_namespaces, netns_of

pytestmark = pytest.mark.root
ROOT = Path(__file__).resolve().parents[3]

HOLD = """
import json, sys
from coven.lab.network import Lab
with Lab() as lab:
    print(json.dumps([place.pid for place in lab.places.values()]), flush=True)
    sys.stdin.read()
"""


def gone(pids: list[int], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not any(Path(f"/proc/{pid}/ns/net").exists() and netns_of(pid) for pid in pids):
            return True
        time.sleep(0.02)
    return False


def interfaces(place: Place) -> set[str]:
    return {link["ifname"] for link in json.loads(place.run("ip", "-j", "link").stdout)}


def test_wire_is_there_and_the_appliance_has_no_address() -> None:
    with Lab() as lab:
        assert interfaces(lab.appliance) == {"lo", IN, OUT}
        assert interfaces(lab.client) == interfaces(lab.server) == {"lo", "eth0"}
        assert ADDRESS["client"] in lab.client.run("ip", "-4", "addr", "show", "eth0").stdout
        assert "inet " not in lab.appliance.run("ip", "-4", "addr", "show", IN).stdout
        assert lab.client.run("ping", "-c1", "-W1", ADDRESS["server"], check=False).returncode != 0


def test_bridged_it_carries_packets() -> None:
    with Lab() as lab:
        lab.appliance.run("ip", "link", "add", "br0", "type", "bridge", "forward_delay", "0")
        for interface in (IN, OUT):
            lab.appliance.run("ip", "link", "set", interface, "master", "br0")
        lab.appliance.run("ip", "link", "set", "br0", "up")
        lab.client.run("ping", "-c3", "-i0.2", "-w60", ADDRESS["server"])


def test_down_ends_what_runs_in_it_and_may_be_repeated() -> None:
    lab = Lab().up()
    deaf = "trap '' TERM; echo on; while :; do sleep 1; done"
    stubborn = lab.server.spawn("sh", "-c", deaf, stdout=subprocess.PIPE)
    assert stubborn.stdout and stubborn.stdout.readline() == b"on\n"
    polite = lab.client.spawn("sleep", "1000")
    pids = [place.pid for place in lab.places.values()]
    lab.down()
    lab.down()
    assert polite.wait(60) == -signal.SIGTERM
    assert stubborn.wait(60) == -signal.SIGKILL
    stubborn.stdout.close()
    assert gone(pids)


def test_a_failing_command_says_where_and_why() -> None:
    with Lab() as lab, pytest.raises(LabError, match=r"in client: ip link show nosuch: status 1: .*nosuch"):
        lab.client.run("ip", "link", "show", "nosuch")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_killed_it_leaves_no_namespace(number: signal.Signals) -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", HOLD], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert program.stdout and program.stdin
    pids = json.loads(program.stdout.readline())
    program.send_signal(number)
    program.wait(60)
    assert gone(pids)
    program.stdin.close()
    program.stdout.close()


def test_works_as_an_ordinary_user_in_a_user_namespace(tmp_path: Path) -> None:
    ordinary = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
    code = "from coven.lab.network import can_use_user_namespaces as can; print(can())"
    # An installed copy of the one module, because the checkout may be in a folder closed to others.
    (tmp_path / "coven" / "lab").mkdir(parents=True)
    (tmp_path / "coven" / "lab" / "network.py").write_text((ROOT / "coven" / "lab" / "network.py").read_text())
    for folder in (tmp_path, tmp_path / "coven", tmp_path / "coven" / "lab", *tmp_path.parents[:3]):
        if folder.is_relative_to("/tmp") and folder != Path("/tmp"):
            os.chmod(folder, 0o755)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path)}
    python = "/usr/bin/python3"

    def run(code: str) -> str:
        words = [*ordinary, python, "-c", code]
        done = subprocess.run(words, cwd="/", env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    if not can_use_user_namespaces() or run(code) != "True":
        pytest.skip("user namespaces are restricted here")
    inside = "from coven.lab.network import *\nwith Lab() as lab: print(lab.server.run('ip', '-br', 'link').stdout)"
    code = f"import sys; from coven.lab.network import enter_user_namespace as e; e(['{python}', '-c', {inside!r}])"
    assert "eth0" in run(code)
