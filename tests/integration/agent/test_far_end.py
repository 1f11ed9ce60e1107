"""What everybody says of a VNF's packets, held against who is none of it: the kernel's counters and a socket at each
far end. Forwarded, sent back, copied, made, consumed and dropped ones, by VNFCs and by the classifier."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest

from agents.metrics import document
from agents.pcapng import Blocks
from agents.statistics import Reader
from coven.keeper.client import STATISTICS
from tests.integration.agent.test_capture import capturing
from tests.integration.agent.test_metrics import scrape
from tests.rigs.appliance import Appliance
from tests.rigs.keeper import wait_for

pytestmark = pytest.mark.root

DESCRIPTOR = """name: fw
version: "1"
vnfcs: {a: {source: a.py}, b: {source: b.py}}
chain: in -> a -> b -> out
classifier: [{match: udp port 14, then: drop}, {match: udp port 15, then: bypass}, {then: main}]
"""
A = """from vnfc import back, consume, drop, emit, forward, new_packet, reason
nine = reason("nine", "port 9 is not allowed")
def handle(packet):
    port = packet.udp.dport if packet.udp else 0
    if port == 9:
        return drop(nine, note="rule 7")
    if port == 12:
        return back()
    if port == 13:
        emit(packet.copy())
    if port == 16:
        emit(new_packet(bytes(packet.data) + b"made"))
    return consume() if port == 10 else forward()
"""
B = """from vnfc import drop, forward, reason
eleven = reason("eleven", "port 11 is not allowed")
def handle(packet):
    return drop(eleven) if packet.udp and packet.udp.dport == 11 else forward()
"""
TIMES, PORTS, BYTES = 200, range(8, 17), 100
#: by destination port: how many times, and how many bytes, what came so often is at each far end
OUT = {8: (1, BYTES), 13: (2, 2 * BYTES), 15: (1, BYTES), 16: (2, 2 * BYTES + 4)}
BACK = {12: (1, BYTES)}
#: and how many of all those kinds are at a place
AT = {"in:arriving": 9, "a:before": 7, "a:behind": 9, "b:before": 6, "b:behind": 6, "out:leaving": 6, "in:leaving": 1}
DROPS = {"a.nine": 1, "b.eleven": 1, "classifier.rule": 1}
#: a round follows when what the one before had sent back is there, so that no machine is too slow for them
SEND = """
import socket, sys
from scapy.all import Ether, IP, UDP
BACK, PACKET_OUTGOING = 12, 4
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
out.bind(("in1", 0))
out.settimeout(60)
def is_back(data, address):
    return address[2] != PACKET_OUTGOING and data[23:24] == bytes([17]) and data[36:38] == BACK.to_bytes(2, "big")
start = Ether(dst="02:00:00:00:00:01") / IP(src="192.0.2.1", dst="192.0.2.2")
times, size, *ports = map(int, sys.argv[1:])
packets = [bytes(start / UDP(sport=7, dport=port) / bytes(size - 42)) for port in ports]
for _ in range(times):
    for packet in packets:
        out.send(packet)
    while not is_back(*out.recvfrom(65536)):
        pass
"""
#: an interface's arriving UDP datagrams by destination port: how many, how many bytes; until stdin ends, after the last
FAR_END = """
import json, select, socket, sys
SO_RCVBUFFORCE, PACKET_OUTGOING = 33, 4
end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
end.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
end.bind((sys.argv[1], 0))
print("ready", flush=True)
seen = {}
while True:
    ready = select.select([end, sys.stdin], [], [])[0]
    if end in ready:
        data, address = end.recvfrom(65536)
        if address[2] != PACKET_OUTGOING and data[12:14] == bytes([8, 0]) and data[23] == 17:
            of = seen.setdefault(int.from_bytes(data[36:38], "big"), [0, 0])
            of[0] += 1
            of[1] += len(data)
    elif sys.stdin in ready:
        break
print(json.dumps(seen))
"""
SUMS = ("received", "originated", "cloned", "forwarded", "consumed", "dropped", "in_flight", "unaccounted")
PORT = ("received", "sent", "bytes_in", "bytes_out", "in_flight")
VNFC = ("received", "forwarded", "consumed", "originated", "cloned", "dropped", "in_flight")
#: figures of packets, as the API's documents have them
COUNTED = {
    "coven_port_packets_total", "coven_port_bytes_total", "coven_drops_total", "coven_vnfc_received_packets_total",
    "coven_vnfc_consumed_packets_total", "coven_vnfc_packets_total", "coven_vnf_received_packets_total",
    "coven_vnf_originated_packets_total", "coven_vnf_cloned_packets_total", "coven_vnf_forwarded_packets_total",
    "coven_vnf_consumed_packets_total",
}  # fmt: skip
Figures = dict[tuple[str, ...], float]


class FarEnd:
    """A socket at an interface's other end, which counts UDP datagrams that arrive there."""

    def __init__(self, appliance: Appliance, interface: str):
        pipe = subprocess.PIPE
        words = appliance.inside("-c", FAR_END, interface)
        self._process = subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True)
        assert self._process.stdout is not None and self._process.stdout.readline() == "ready\n"

    def seen(self) -> dict[int, tuple[int, int]]:
        """By destination port: how many, and how many bytes, once no more come."""
        text, _ = self._process.communicate()
        return {int(port): (count, size) for port, (count, size) in json.loads(text).items()}


def kernel(appliance: Appliance) -> dict[str, tuple[int, int, int]]:
    """Of each far end: packets that it sent; packets and bytes that arrived there."""
    words = ["ip", "-n", appliance.space, "-s", "-j", "link"]
    links = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
    counts = {link["ifname"]: link["stats64"] for link in links}
    return {
        name: (counts[name]["tx"]["packets"], counts[name]["rx"]["packets"], counts[name]["rx"]["bytes"])
        for name in ("in1", "out1")
    }  # fmt: skip


def counted(document: dict[str, Any]) -> dict[str, Any]:
    """Of a status document what counts packets."""
    return {
        **{key: document[key] for key in SUMS},
        "ports": {name: {key: port[key] for key in PORT} for name, port in document["ports"].items()},
        "vnfcs": {name: {key: vnfc[key] for key in VNFC} for name, vnfc in document["vnfcs"].items()},
    }


def shown(document: dict[str, Any]) -> Figures:
    """Of a document of figures what counts packets, by name and labels' values; without those that are 0."""
    return {
        (each["name"], *each["labels"].values()): each["value"]
        for each in document["metrics"] if each["name"] in COUNTED and each["value"]
    }  # fmt: skip


def expected(times: int) -> tuple[dict[str, Any], Figures]:
    """The status document's figures and the others', after so many of each kind."""
    out, back = ([sum(each) for each in zip(*way.values(), strict=True)] for way in (OUT, BACK))
    a = {"received": 7, "forwarded": 7, "consumed": 1, "originated": 1, "cloned": 1, "dropped": {"nine": 1}}
    b = {"received": 6, "forwarded": 5, "consumed": 0, "originated": 0, "cloned": 0, "dropped": {"eleven": 1}}
    ports = {
        "in": {"received": len(PORTS), "sent": back[0], "bytes_in": len(PORTS) * BYTES, "bytes_out": back[1]},
        "out": {"received": 0, "sent": out[0], "bytes_in": 0, "bytes_out": out[1]},
    }  # fmt: skip
    status = {
        "received": len(PORTS), "originated": 1, "cloned": 1, "forwarded": out[0] + back[0], "consumed": 1,
        "dropped": DROPS, "ports": ports, "vnfcs": {"a": a, "b": b},
    }  # fmt: skip
    figures = {(f"coven_vnf_{key}_packets_total",): status[key] for key in SUMS[:5]}
    figures |= {("coven_drops_total", *name.split(".")): count for name, count in DROPS.items()}
    for name, port in ports.items():
        for unit, into, away in (("packets", "received", "sent"), ("bytes", "bytes_in", "bytes_out")):
            figures[f"coven_port_{unit}_total", name, "in"] = port[into]
            figures[f"coven_port_{unit}_total", name, "out"] = port[away]
    for name, vnfc in (("a", a), ("b", b)):
        for key in ("received", "consumed"):
            figures[f"coven_vnfc_{key}_packets_total", name] = vnfc[key]
    figures |= {("coven_vnfc_packets_total", "a", "next"): 6, ("coven_vnfc_packets_total", "a", "back"): 1,
                ("coven_vnfc_packets_total", "b", "next"): 5}  # fmt: skip

    def often(each: Any) -> Any:
        return {key: often(value) for key, value in each.items()} if isinstance(each, dict) else each * times

    still = {"in_flight": 0}
    whole = often(status) | still | {"unaccounted": 0}
    whole["ports"] = {name: port | still for name, port in whole["ports"].items()}
    whole["vnfcs"] = {name: vnfc | still for name, vnfc in whole["vnfcs"].items()}
    return whole, {key: value for key, value in often(figures).items() if value}


def captured(file: Path) -> tuple[dict[str, int], dict[str, int]]:
    """Of a capture: packets at each place, and drops by what their comments say."""
    blocks, drops = Blocks(), {}
    for _, packet in blocks.feed(file.read_bytes()):
        if packet is not None and packet.comments and packet.comments[0].startswith("drop "):
            name = packet.comments[0].split()[1]
            drops[name] = drops.get(name, 0) + 1
    for each in blocks.interfaces:
        assert each.figures == {"received": each.captured, "accepted": each.captured, "missed": 0,
                                "delivered": each.captured}, each.name  # fmt: skip
    return {each.name: each.captured for each in blocks.interfaces}, drops


def test_all_sums_agree_with_the_far_ends(appliance: Appliance, tmp_path: Path) -> None:
    # of its own the kernel then says nothing on these interfaces
    quiet = ["sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1"]
    subprocess.run(["ip", "netns", "exec", appliance.space, *quiet], check=True)
    (folder := tmp_path / "fw").mkdir()
    for name, text in (("vnf.yaml", DESCRIPTOR), ("a.py", A), ("b.py", B)):
        (folder / name).write_text(text)
    status, said = appliance.coven("deploy", str(folder), "--in", "in0", "--out", "out0")
    assert status == 0, said
    before = kernel(appliance)
    ends = {name: FarEnd(appliance, name) for name in ("in1", "out1")}
    files = {"places": tmp_path / "places.pcapng", "drops": tmp_path / "drops.pcapng"}
    asked = {"places": ("--at", ",".join(AT), "--count", str(TIMES * sum(AT.values()))),
             "drops": ("--drops", "--count", str(TIMES * sum(DROPS.values())))}  # fmt: skip
    with ThreadPoolExecutor() as pool:
        captures = [
            pool.submit(appliance.coven, "capture", "fw", *words, "--for", "100", "-w", str(files[name]))
            for name, words in asked.items()
        ]  # fmt: skip
        wait_for(lambda: capturing(appliance) == 2)
        subprocess.run(appliance.inside("-c", SEND, str(TIMES), str(BYTES), *map(str, PORTS)), check=True)
        assert [capture.result() for capture in captures] == [(0, ANY), (0, ANY)]
    out = TIMES * sum(count for count, _ in OUT.values())
    wait_for(lambda: kernel(appliance)["out1"][1] - before["out1"][1] >= out)

    # who is none of it
    seen = {name: end.seen() for name, end in ends.items()}
    assert seen["out1"] == {port: (count * TIMES, size * TIMES) for port, (count, size) in OUT.items()}
    assert seen["in1"] == {port: (count * TIMES, size * TIMES) for port, (count, size) in BACK.items()}
    after = kernel(appliance)
    passed = {name: tuple(now - then for now, then in zip(after[name], before[name], strict=True)) for name in after}

    # each that is of it
    wanted, figures = expected(TIMES)
    api = counted(appliance.get("/v1/vnfs/fw/stats"))
    assert api == wanted
    status, said = appliance.coven("stats", "fw", "--json")
    assert status == 0 and counted(json.loads(said)) == wanted
    for port, end in (("in", "in1"), ("out", "out1")):
        assert passed[end] == tuple(api["ports"][port][key] for key in ("received", "sent", "bytes_out"))
    samples = scrape(appliance)[0]
    assert samples["coven_unaccounted_packets", ("fw",)] == 0
    found = {(name, *labels[1:]): value for (name, labels), value in samples.items() if name in COUNTED and value}
    assert found == figures
    assert shown(appliance.get("/v1/vnfs/fw/metrics")) == figures
    with Reader.open(f"/{(appliance.state / 'run' / 'fw' / STATISTICS).resolve().name}") as reader:
        assert shown(document(reader)) == figures
    places, _ = captured(files["places"])
    assert places == {place: count * TIMES for place, count in AT.items()}
    dropped, why = captured(files["drops"])
    assert dropped == {"drops": sum(DROPS.values()) * TIMES} and why == wanted["dropped"]
