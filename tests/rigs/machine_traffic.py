"""What passes an appliance in a machine, from one place to the other, unharmed and accounted for."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from typing import Any

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw
from scapy.utils import rdpcap

from coven.cli.client import Client
from coven.lab.demo.hosts import bytes_from
from coven.lab.network import ADDRESS
from tests.rigs.machine import TAP, Machine

LISTEN = """import hashlib, socket
with socket.create_server(("", 5001)) as listening:
    print("up", flush=True)
    c, _ = listening.accept()
h = hashlib.sha256()
while d := c.recv(1 << 20):
    h.update(d)
print(h.hexdigest(), flush=True)
"""
SEND = """import socket, sys
with socket.create_connection((sys.argv[1], 5001)) as c:
    c.sendall(open(sys.argv[2], "rb").read())
"""
FRAMES = """import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((sys.argv[1], 0))
for f in sys.argv[2:]:
    s.send(bytes.fromhex(f))
"""


def figures(client: Client, name: str) -> dict[str, Any]:
    """A VNF's status document, in which nothing is unaccounted for."""
    found: dict[str, Any] = client.get(f"/v1/vnfs/{name}/stats")
    for place in (found, *found["ports"].values(), *found["vnfcs"].values(), found["classifier"]):
        assert place["unaccounted"] == 0, found
    return found


def passes(machine: Machine, megabytes: int, source: str, target: str) -> None:
    """A TCP transfer from one place to the other is intact."""
    content = machine.folder / "sent"
    content.write_bytes(bytes_from(megabytes, 65_536) * (16 * megabytes))
    server = machine.places[target].spawn(sys.executable, "-c", LISTEN, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None and server.stdout.readline() == "up\n"
        words = (sys.executable, "-c", SEND, ADDRESS[target], str(content))
        machine.places[source].run(*words, timeout=400)
        assert server.stdout.readline().strip() == hashlib.sha256(content.read_bytes()).hexdigest()
    finally:
        server.kill()
        server.wait()


def tagged_pass(machine: Machine) -> None:
    """Frames with a VLAN tag arrive with it."""
    count, vlan = 20, 5
    words = ["tcpdump", "-i", TAP, "-U", "-w", "-", "-c", str(count), f"vlan {vlan}"]
    server = machine.places["server"].spawn(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert server.stderr is not None and b"listening" in server.stderr.readline()
    frames = [
        bytes(Ether(dst="02:00:00:00:00:09", src="02:00:00:00:00:08") / Dot1Q(vlan=vlan, prio=3)
              / IP(src="10.5.0.1", dst="10.5.0.2") / UDP(sport=1000 + n, dport=2000) / Raw(bytes([n]) * 100))
        for n in range(count)
    ]  # fmt: skip
    machine.places["client"].run(sys.executable, "-c", FRAMES, TAP, *(frame.hex() for frame in frames))
    capture, _ = server.communicate(timeout=60)
    (machine.folder / "vlan.pcap").write_bytes(capture)
    assert [bytes(packet) for packet in rdpcap(str(machine.folder / "vlan.pcap"))] == frames
