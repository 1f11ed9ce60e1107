"""Each backend on virtio_net in the appliance, with whatever kernel the image has: what `auto` takes and why, large
transfers with the guest's offloads as qemu offers them, tags, a forwarder that ends. This machine is told what to be by
OpenStack's metadata over HTTP. Run with COVEN_IMAGE, as test_image.py is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from coven.cli.client import Client
from coven.package.archive import pack
from tests.rigs.agent import ROOT
from tests.rigs.machine import MACS, Machine, machine_of, needs_image
from tests.rigs.machine_traffic import figures, passes, tagged_pass

pytestmark = needs_image
FORWARD = ROOT / "packages" / "forward" / "c.yaml"
USER_DATA = """#cloud-config
coven:
  token: TOKEN
"""
#: what is asked for, what serves then, how its `why` begins, MB that pass each way
CASES = [
    ("auto", "af_xdp", "native XDP on virtio_net", 64),
    ("af_packet", "af_packet", "packet rings on virtio_net", 8),
    ("af_xdp_generic", "af_xdp", "generic XDP, as asked for", 8),
]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with machine_of("backends", tmp_path_factory) as machine:
        machine.metadata_service(USER_DATA)
        machine.power_on()
        yield machine


@pytest.fixture(scope="module")
def client(machine: Machine) -> Client:
    client = machine.api()
    package = client.push(pack(FORWARD))
    client.ask("POST", "/v1/vnfs", {"name": "wire", "package": package["id"]})
    return client


def test_openstack_told_it_over_http_what_to_be(machine: Machine, client: Client) -> None:
    assert machine.ssh("cloud-id").strip() == "openstack"
    assert machine.ssh("hostname").strip() == "vnf"
    links = {link["address"]: link for link in json.loads(machine.ssh("ip -j addr"))}
    managed = [each["local"] for each in links[MACS["management"]]["addr_info"] if each["family"] == "inet"]
    assert managed == ["169.254.169.15"]
    for name in ("in", "out"):
        assert "UP" in links[MACS[name]]["flags"] and not links[MACS[name]]["addr_info"], links[MACS[name]]
    assert machine.token not in machine.console
    assert client.get("/v1/agent")["health"] == {"status": "healthy", "why": []}


def serve(client: Client, backend: str) -> dict[str, Any]:
    """The VNF with its ports by this backend; its ports."""
    if client.get("/v1/vnfs/wire")["instantiation_state"] == "INSTANTIATED":
        client.operate("wire", "terminate", {})
    bound = {name: {"interface": MACS[name], "backend": backend} for name in ("in", "out")}
    client.operate("wire", "instantiate", {"ports": bound, "start": True})
    ports: dict[str, Any] = figures(client, "wire")["ports"]
    return ports


@pytest.mark.parametrize("backend, serves, why, megabytes", CASES)
def test_packets_pass(machine: Machine, client: Client, backend: str, serves: str, why: str, megabytes: int) -> None:
    ports = serve(client, backend)
    print(machine.ssh("uname -r").strip(), {name: (port["backend"], port["why"]) for name, port in ports.items()})
    assert {port["backend"] for port in ports.values()} == {serves}, ports
    assert all(port["why"].startswith(why) for port in ports.values()), ports
    passes(machine, megabytes, "server", "client")
    passes(machine, max(8, megabytes // 4), "client", "server")
    tagged_pass(machine)
    figures(client, "wire")


@pytest.mark.parametrize("backend", ["auto", "af_packet"])
def test_a_forwarder_that_ends_is_followed_by_one_that_has_its_ports(
    machine: Machine, client: Client, backend: str
) -> None:
    serve(client, backend)
    for _ in range(2):
        machine.ssh("sudo pkill -KILL -f coven-forwarde[r]")
        machine.eventually(lambda: client.get("/v1/vnfs/wire/health")["status"] == "healthy", "healthy VNF")
        passes(machine, 4, "server", "client")
    figures(client, "wire")
    # an interface that is down when the next one starts
    machine.ssh("sudo ip link set enp0s4 down; sudo pkill -KILL -f coven-forwarde[r]; sleep 2; "
                "sudo ip link set enp0s4 up")  # fmt: skip
    machine.eventually(lambda: client.get("/v1/vnfs/wire/health")["status"] == "healthy", "healthy VNF")
    passes(machine, 4, "server", "client")
    figures(client, "wire")
