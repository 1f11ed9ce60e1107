"""`coven bottleneck` over chains in which one component is deliberately slowed, in each position, by work or by
sleeping; and over one in which none is."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.rigs.appliance import Appliance

pytestmark = pytest.mark.root

FORWARDS = "from vnfc import forward\ndef handle(packet):\n    return forward()\n"
WORKS = """import time
from vnfc import forward
def handle(packet):
    end = time.thread_time() + 0.002
    while time.thread_time() < end:
        pass
    return forward()
"""
#: an executable (docs/exec.md)
EXECUTABLE = """#!/usr/bin/python3
import os, socket, struct, time
coven = socket.socket(fileno=int(os.environ["COVEN_SOCKET"])).makefile("rwb")
while head := coven.read(12):
    length, kind, _, _, number = struct.unpack("!IcBHI", head)
    coven.read(length - 8)
    if kind == b"P":
        time.sleep(0.004)
    if kind in b"HP":
        coven.write(struct.pack("!IcBHI", 8, b"R" if kind == b"H" else b"V", kind == b"P", 0, number))
        coven.flush()
"""
SLEEPS = "import time\nfrom vnfc import forward\ndef handle(packet):\n    time.sleep(0.004)\n    return forward()\n"
#: so many datagrams a second, until its standard input ends
FLOOD = """
import select, socket, sys, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("in1", 0))
frame = bytes.fromhex("02000000000a02000000000b0800") + bytes(60)
start, sent = time.monotonic(), 0
while not select.select([sys.stdin], [], [], 0.001)[0]:
    due = int((time.monotonic() - start) * float(sys.argv[1]))
    while sent < due:
        s.send(frame)
        sent += 1
"""


def deployed(appliance: Appliance, folder: Path, **slow: str) -> None:
    folder.mkdir()
    languages = {name: "exec" if slow.get(name) == EXECUTABLE else "python" for name in "abc"}
    vnfcs = ", ".join(f"{name}: {{source: {name}.py, language: {languages[name]}}}" for name in "abc")
    (folder / "vnf.yaml").write_text(
        f'name: fw\nversion: "1"\nvnfcs: {{{vnfcs}}}\nchain: in -> a -> b -> c -> out\n'
    )
    for name in "abc":
        (folder / f"{name}.py").write_text(slow.get(name, FORWARDS))
    status, said = appliance.coven("deploy", str(folder), "--name", "fw", "--in", "in0", "--out", "out0")
    assert status == 0, said


def observed(appliance: Appliance, rate: int) -> dict[str, Any]:
    with subprocess.Popen(appliance.inside("-c", FLOOD, str(rate)), stdin=subprocess.PIPE) as flood:
        try:
            appliance.get("/v1/vnfs/fw/bottleneck?seconds=1")  # until packets wait
            found: dict[str, Any] = appliance.get("/v1/vnfs/fw/bottleneck?seconds=3")
            status, said = appliance.coven("bottleneck", "fw", "--seconds", "1")
            assert status == 0
            print(said, json.dumps(found))
        finally:
            assert flood.stdin is not None
            flood.stdin.close()
            flood.wait(60)
    return found


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("a", "works"), ("b", "sleeps"), ("c", "works"),
        *(pytest.param(*each, marks=pytest.mark.long) for each in (("a", "sleeps"), ("b", "works"), ("c", "sleeps"))),
    ],
)  # fmt: skip
def test_the_slow_one_is_found(appliance: Appliance, tmp_path: Path, name: str, how: str) -> None:
    sleeps = EXECUTABLE if name == "b" else SLEEPS
    deployed(appliance, tmp_path / "p", **{name: WORKS if how == "works" else sleeps})
    found = observed(appliance, 1500)["bottleneck"]
    assert found is not None
    if how == "sleeps":
        assert (found["limit"], found["where"]) == ("vnfc", name) and "mostly waits" in found["why"]
    else:  # where others work on the machine beside us, its core is shared
        assert found["limit"] in ("vnfc", "core") and f"more packets come to {name} than" in found["why"]
        assert found["limit"] == "core" or "works all the time" in found["why"]
    assert 0 <= found["allows"] < 1500 and found["helps"]  # 0 where it gave none back meanwhile


def test_nothing_is_said_where_nothing_limits(appliance: Appliance, tmp_path: Path) -> None:
    deployed(appliance, tmp_path / "p")
    told = observed(appliance, 200)
    assert told["bottleneck"] is None and told["received"] > 0
    assert list(told["vnfcs"]) == ["a", "b", "c"]
