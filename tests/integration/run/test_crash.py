"""A VNFC that ends in one packet of a capture: what it had decided goes on, and that packet is named."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from scapy.utils import rdpcap

from tests.rigs.agent import ROOT
from tests.rigs.packages import capture, datagram, package

PACKETS, LAST = 400, 20
SOURCES = {
    "f.py": """
import os
from vnfc import forward
def handle(packet):
    if packet.udp.sport == LAST:
        os.kill(os.getpid(), 11)
    return forward()
""",
    "f.c": """
#include <coven/vnfc.h>
#include <stdlib.h>
VNFC_HANDLE {
	const struct udp_header *udp = vnfc_udp(p);
	if (udp != NULL && net16(udp->sport) == LAST)
		abort();
	return VNFC_FORWARD;
}
""",
}


@pytest.mark.parametrize("source", sorted(SOURCES))
def test_only_what_it_had_and_had_not_given_back_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.setenv("COVEN_STATE", str(tmp_path / "state"))
    folder = package(tmp_path / "p", f"vnfcs: {{f: {{source: {source}}}}}\nchain: in -> f -> out\n",
                     **{source.replace(".", "_"): SOURCES[source].replace("LAST", str(LAST))})  # fmt: skip
    packets = capture(tmp_path / "in.pcap", [datagram(n + 1, 50) for n in range(PACKETS)])
    out = tmp_path / "out.pcap"
    command = [sys.executable, "-m", "coven.run", str(folder), "--in", str(packets), "--out", str(out), "--json", "-"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300, check=False)
    status = json.loads(done.stdout)
    assert done.returncode in (0, 1) and status["unaccounted"] == 0, done.stderr
    first = [packet.sport for packet in rdpcap(str(out))][: LAST - 1]
    assert first == list(range(1, LAST)), "what it had decided goes on, in order"
    assert status["dropped"].keys() <= {"f.died", "f.down"} and status["dropped"]["f.died"] >= 1
    assert status["forwarded"] + sum(status["dropped"].values()) == status["received"] == PACKETS
    assert f":{LAST} >" in done.stderr and "had this packet when it ended" in done.stderr
