"""`coven trace`: packets of a running VNF, each with what it met and how it ended; before and after an upgrade."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.rigs.appliance import Appliance
from tests.rigs.keeper import wait_for

pytestmark = pytest.mark.root

FILTER = """from vnfc import consume, drop, forward, reason
nine = reason("nine", "port 9 is not allowed")
def handle(packet):
    if packet.udp and packet.udp.dport == 9:
        return drop(nine, note=lambda: f"rule 7 for {packet.udp.sport}")
    if packet.udp and packet.udp.dport == 8:
        packet.ip.ttl -= 1
        packet.mark += 5
    return consume() if packet.udp and packet.udp.dport == 10 else forward()
"""
SEND = """
import socket, sys
from scapy.all import Ether, IP, UDP
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(("in1", 0))
for port in map(int, sys.argv[1:]):
    ip = IP(src="192.0.2.1", dst="192.0.2.2") / UDP(sport=7, dport=port) / (b"x" * 20)
    out.send(bytes(Ether(dst="02:00:00:00:00:01") / ip))
"""


def package(folder: Path, version: str, chain: str) -> Path:
    folder.mkdir()
    vnfcs = ", ".join(f"{name}: {{source: filter.py}}" for name in chain.split() if name not in ("in", "out", "->"))
    (folder / "vnf.yaml").write_text(f'name: fw\nversion: "{version}"\nvnfcs: {{{vnfcs}}}\nchain: {chain}\n')
    (folder / "filter.py").write_text(FILTER)
    return folder


def traced(appliance: Appliance, ports: list[int], *words: str) -> tuple[int, str]:
    """What a trace says while such datagrams arrive again and again."""
    over = threading.Event()

    def send() -> None:
        while not over.is_set():
            subprocess.run(appliance.inside("-c", SEND, *map(str, ports)), check=True)
            time.sleep(0.2)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        return appliance.coven("trace", "fw", *words)
    finally:
        over.set()
        sender.join()


def test_fates_of_packets(appliance: Appliance, tmp_path: Path) -> None:
    one = package(tmp_path / "one", "1", "in -> a -> b -> out")
    status, said = appliance.coven("deploy", str(one), "--in", "in0", "--out", "out0")
    assert status == 0, said
    status, said = traced(appliance, [8, 9, 10], "--filter", "udp port 9", "--count", "2", "--brief")
    assert status == 0 and said.count("\n") == 2
    why = "in: drop a.nine (port 9 is not allowed; rule 7 for 7)"
    assert all(line.endswith(why) for line in said.splitlines()), said
    status, said = traced(appliance, [8, 10], "--filter", "udp", "--count", "4", "--json")
    packets: list[dict[str, Any]] = [json.loads(line) for line in said.splitlines()]
    # where the machine stood still a step says how long it took
    fates = {(tuple(s.partition(" after")[0] for s in packet["steps"]), packet["end"]) for packet in packets}
    assert status == 0 and len(packets) == 4
    assert fates == {(("a forward", "b forward"), "forward out"), (("a consume",), "consume")}
    hops = {(hop["vnfc"], hop["verdict"], hop["mark"], *(word.partition(" 0x")[0] for word in hop["changed"]))
            for packet in packets for hop in packet["hops"]}  # fmt: skip
    assert hops == {("a", "forward", 5, "ip.ttl 64 -> 63", "ip.checksum"),
                    ("b", "forward", 10, "ip.ttl 63 -> 62", "ip.checksum"), ("a", "consume", 0)}  # fmt: skip
    assert all(0 < hop["seconds"] < 10 for packet in packets for hop in packet["hops"])
    assert all(hop["ring_seconds"] + hop["vnfc_seconds"] <= hop["seconds"] + 1e-5
               for packet in packets for hop in packet["hops"])  # fmt: skip
    assert all(packet["came"] == "in" and packet["bytes"].startswith("020000000001") for packet in packets)
    # of many that come at once one is followed, and after a second another; the others are counted
    status, said = traced(appliance, [8, 8, 8], "--filter", "udp port 8", "--rate", "1", "--count", "2", "--brief")
    assert status == 0 and said.count("-> out") == 2 and " packets were not looked at" in said, said
    # another version, other numbers: the names are right
    two = package(tmp_path / "two", "2", "in -> c -> b -> out")
    status, said = appliance.coven("upgrade", "fw", str(two))
    assert status == 0, said
    status, said = traced(appliance, [8], "--filter", "udp port 8", "--count", "1", "--json")
    assert [step.partition(" after")[0] for step in json.loads(said)["steps"]] == ["c forward", "b forward"], said
    wait_for(lambda: (stats := appliance.get("/v1/vnfs/fw/stats"))["in_flight"] == 0 and stats["unaccounted"] == 0)
    status, said = appliance.coven("trace", "fw", "--filter", "udp prot 9")
    assert status == 1 and "filter" in said and "udp prot 9" in said


def test_nothing_passes(appliance: Appliance, tmp_path: Path) -> None:
    assert appliance.coven("deploy", str(package(tmp_path / "one", "1", "in -> a -> out")), "--in", "in0",
                           "--out", "out0")[0] == 0  # fmt: skip
    assert appliance.coven("trace", "--seconds", "0.5", "--filter", "udp") == (0, "")
    for count in ("-5", "0"):
        status, said = appliance.coven("trace", "--count", count)
        assert status == 1 and f"count: found {count}" in said, said
    assert appliance.coven("terminate", "fw")[0] == 0
    status, said = appliance.coven("trace", "fw", "--seconds", "0.5")
    assert status == 1 and "NOT_INSTANTIATED" in said
