"""An interface that loses its link or goes away under a running VNF: told, and mended by stop and start."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from coven.keeper.loop import Loop
from coven.keeper.ports.links import DOWN, GONE, Links
from tests.integration.agent.test_agent_live import PACKAGE, Appliance, appliance  # noqa: F401

SECONDS = 60  #: for something to become true on a machine that is busy

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="makes a network namespace: needs root")


def ip(appliance: Appliance, command: str) -> None:  # noqa: F811
    subprocess.run(["ip", "-n", appliance.space, *command.split()], check=True)


def awaited(appliance: Appliance, status: str, *why: str) -> None:  # noqa: F811
    until = time.monotonic() + SECONDS
    while (health := appliance.get("/v1/vnfs/fw/health"))["status"] != status or health["why"] != list(why):
        assert time.monotonic() < until, health


@needs_root
def test_an_interface_that_goes_away(appliance: Appliance) -> None:  # noqa: F811
    status, text = appliance.coven("deploy", str(PACKAGE), "--name", "fw", "--in", "in0", "--out", "out0")
    assert status == 0, text
    awaited(appliance, "healthy")
    ip(appliance, "link set in1 down")
    awaited(appliance, "degraded", "port in: in0 is down")
    ip(appliance, "link set in1 up")
    awaited(appliance, "healthy")
    ip(appliance, "link del in0")
    awaited(appliance, "degraded", "port in: in0 is gone")
    assert "port in: in0 is gone; coven stop and coven start" in appliance.coven("logs")[1]
    assert "in0 (gone; when it is there again: coven stop, coven start)" in appliance.coven("status")[1]
    assert appliance.coven("stop")[0] == 0
    status, text = appliance.coven("start")
    assert status == 1 and "in0: there is no such interface" in text
    for command in ("link add in0 type veth peer name in1", "link set in0 up", "link set in1 up"):
        ip(appliance, command)
    assert appliance.coven("start")[0] == 0
    awaited(appliance, "healthy")
    figures = json.loads(appliance.coven("status", "--json")[1])
    assert figures["unaccounted"] == 0 and figures["ports"]["in"]["link"] == "up"
    assert appliance.coven("terminate")[0] == 0


def test_only_what_is_watched_is_told(tmp_path: Path) -> None:
    told: list[tuple[int, str]] = []
    loop = Loop()
    links = Links(loop, lambda index, state: told.append((index, state)))
    try:
        links.watch(1)

        def message(kind: int, index: int, flags: int) -> bytes:
            head = (32).to_bytes(4, "little") + kind.to_bytes(2, "little") + bytes(10)
            return head + bytes(4) + index.to_bytes(4, "little") + flags.to_bytes(4, "little") + bytes(4)

        links._messages(message(17, 99, 0) + message(16, 1, 0) + message(16, 1, 0) + message(17, 1, 0) + b"\x01\x02")
        assert told == [(1, DOWN), (1, GONE)]
    finally:
        links.close()
        loop.close()
