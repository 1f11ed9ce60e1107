"""The commands of docs/operations.md, Diagnosing, say what stands there, but for numbers."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess

import pytest

from tests.rigs.agent import ROOT
from tests.rigs.appliance import Appliance
from tests.rigs.keeper import wait_for

pytestmark = pytest.mark.root

SECTION = (ROOT / "docs" / "operations.md").read_text().partition("\n## Diagnosing")[2].partition("\n## ")[0]
CALLS = re.findall(r"^    \$ coven (.+)\n((?:    (?!\$ ).+\n)+)", SECTION, re.M)
SEND = """
import socket, time
from scapy.all import Ether, IP, TCP
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(("in1", 0))
for n in range(1000):
    for port in 23, 80:
        ip = IP(src="10.20.0.1", dst="10.20.0.2") / TCP(sport=40000, dport=port)
        out.send(bytes(Ether(dst="02:00:00:00:00:01") / ip))
    time.sleep(0.2)
"""


def plain(text: str) -> list[str]:
    """Without numbers, how many spaces they moved, order, and long waits: a capture may begin in the middle of a way,
    and the machine may be busy."""
    without = (re.sub(r" after [0-9.e-]+ s\b", "", line) for line in text.splitlines())
    return sorted(" ".join(re.sub(r"[0-9]+", "N", line).split()) for line in without)


def test_what_the_page_shows(appliance: Appliance) -> None:
    assert len(CALLS) >= 4
    status, said = appliance.coven("deploy", str(ROOT / "packages" / "port-firewall"), "--name", "fw", "--in", "in0",
                                   "--out", "out0", "--set", "firewall.tcp=[23]")  # fmt: skip
    assert status == 0, said
    sender = subprocess.Popen(appliance.inside("-c", SEND), stderr=subprocess.DEVNULL)
    try:
        for words, shown in CALLS:
            _, said = appliance.coven(*shlex.split(words))
            assert plain(said) == plain(shown.replace("\n    ", "\n").removeprefix("    ")), (words, said)
    finally:
        sender.kill()
        sender.wait()
    status, said = appliance.coven("health", "fw")
    assert status == 0 and re.search(r"^firewall +(ready|progressing) +\S+Z$", said, re.M), said
    os.kill(appliance.get("/v1/vnfs/fw/stats")["vnfcs"]["firewall"]["pid"], signal.SIGKILL)
    wait_for(lambda: "restarted" in str(appliance.get("/v1/vnfs/fw/health")["parts"]["firewall"]["why"]))
    status, said = appliance.coven("health", "fw")
    assert status == 1 and said.startswith("fw is degraded\n"), said
    assert re.search(r"^firewall +degraded +\S+Z +it restarted \d+ s ago \(killed by SIGKILL\)$", said, re.M), said
