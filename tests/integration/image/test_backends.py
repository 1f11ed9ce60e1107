"""Each backend on virtio_net in the appliance, with whatever kernel the image has: what `auto` takes and why, large
transfers with the guest's offloads as qemu offers them, tags, a forwarder that ends. Run with COVEN_IMAGE, as
test_image.py is."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Dot1Q, Ether
from scapy.packet import Raw
from scapy.utils import rdpcap

from coven.cli.client import Client
from coven.lab.demo.hosts import bytes_from
from coven.lab.network import ADDRESS
from coven.package.archive import pack
from tests.rigs.agent import ROOT
from tests.rigs.machine import MACS, TAP, Machine

IMAGE = os.environ.get("COVEN_IMAGE", "")
pytestmark = pytest.mark.skipif(not IMAGE, reason="no image: make test-image builds it and runs this")
FORWARD = ROOT / "packages" / "forward" / "c.yaml"
USER_DATA = """#cloud-config
ssh_authorized_keys: [SSH_KEY]
coven:
  token: TOKEN
"""
#: what is asked for, what serves then, how its `why` begins, MB that pass each way
CASES = [
    ("auto", "af_xdp", "native XDP on virtio_net", 64),
    ("af_packet", "af_packet", "packet rings on virtio_net", 8),
    ("af_xdp_generic", "af_xdp", "generic XDP, as asked for", 8),
]
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


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    logs = os.environ.get("COVEN_IMAGE_LOGS")
    folder = Path(logs, "backends") if logs else tmp_path_factory.mktemp("machine")
    folder.mkdir(parents=True, exist_ok=True)
    machine = Machine(folder, Path(IMAGE))
    try:
        machine.seed(USER_DATA)
        machine.power_on()
        yield machine
    finally:
        machine.close()


@pytest.fixture(scope="module")
def client(machine: Machine) -> Client:
    client = machine.api()
    package = client.push(pack(FORWARD))
    client.ask("POST", "/v1/vnfs", {"name": "wire", "package": package["id"]})
    return client


def serve(client: Client, backend: str) -> dict[str, Any]:
    """The VNF with its ports by this backend; its ports."""
    if client.get("/v1/vnfs/wire")["instantiation_state"] == "INSTANTIATED":
        client.operate("wire", "terminate", {})
    bound = {name: {"interface": MACS[name], "backend": backend} for name in ("in", "out")}
    client.operate("wire", "instantiate", {"ports": bound, "start": True})
    ports: dict[str, Any] = figures(client)["ports"]
    return ports


def figures(client: Client) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/v1/vnfs/wire/stats")
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


@pytest.mark.parametrize("backend, serves, why, megabytes", CASES)
def test_packets_pass(machine: Machine, client: Client, backend: str, serves: str, why: str, megabytes: int) -> None:
    ports = serve(client, backend)
    print(machine.ssh("uname -r").strip(), {name: (port["backend"], port["why"]) for name, port in ports.items()})
    assert {port["backend"] for port in ports.values()} == {serves}, ports
    assert all(port["why"].startswith(why) for port in ports.values()), ports
    passes(machine, megabytes, "server", "client")
    passes(machine, max(8, megabytes // 4), "client", "server")
    tagged_pass(machine)
    figures(client)


@pytest.mark.parametrize("backend", ["auto", "af_packet"])
def test_a_forwarder_that_ends_is_followed_by_one_that_has_its_ports(
    machine: Machine, client: Client, backend: str
) -> None:
    serve(client, backend)
    for _ in range(2):
        machine.ssh("sudo pkill -KILL -f coven-forwarde[r]")
        machine.eventually(lambda: client.get("/v1/vnfs/wire/health")["status"] == "healthy", "healthy VNF", 120)
        passes(machine, 4, "server", "client")
    figures(client)
    # an interface that is down when the next one starts
    machine.ssh("sudo ip link set enp0s4 down; sudo pkill -KILL -f coven-forwarde[r]; sleep 2; "
                "sudo ip link set enp0s4 up")  # fmt: skip
    machine.eventually(lambda: client.get("/v1/vnfs/wire/health")["status"] == "healthy", "healthy VNF", 120)
    passes(machine, 4, "server", "client")
    figures(client)
