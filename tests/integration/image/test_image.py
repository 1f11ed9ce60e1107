"""The appliance image, booted: `make test-image` builds it and runs this. One machine; each test begins where the last
one ended. It has two processors, and two queues of each interface."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from coven.lab import furniture
from coven.lab.demo.hosts import bytes_from
from coven.lab.network import ADDRESS
from coven.package.archive import pack
from tests.rigs.agent import ROOT
from tests.rigs.machine import MACS, Machine, machine_of, needs_image
from tests.rigs.machine_traffic import figures, passes, tagged_pass

pytestmark = needs_image
FIREWALL = ROOT / "packages" / "l7-firewall"
FILE = "archive.zip"
USER_DATA = """#cloud-config
ssh_authorized_keys: [SSH_KEY]
coven:
  token: TOKEN
  prot: 8443
"""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with machine_of("first", tmp_path_factory, processors=2) as machine:
        machine.seed(USER_DATA)
        machine.power_on()
        yield machine


@pytest.fixture(scope="module")
def files(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A web server behind the appliance; hashes of what it has."""
    folder = tmp_path_factory.mktemp("files")
    content = (bytes_from(5, 65_536) * 1025)[: 64 << 20]
    (folder / "files").mkdir()
    (folder / "files" / FILE).write_bytes(content)
    furniture.certificate(folder)
    words = [sys.executable, "-m", "coven.lab.demo.hosts", "server", str(folder / "files")]
    server = machine.places["server"].spawn(*words, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert server.stdout is not None and server.stdout.readline().strip() == "ready"
        yield {FILE: hashlib.sha256(content).hexdigest(), "folder": str(folder)}
    finally:
        server.kill()
        server.wait()


def fetched(machine: Machine, name: str = FILE, address: str = ADDRESS["server"]) -> str:
    """The hash of what curl gets through the machine."""
    got = machine.folder / "got"
    words = ["curl", "-sS", "--max-time", "240", "-o", str(got), f"http://{address}/{name}"]
    machine.places["client"].run(*words, timeout=300)
    return hashlib.sha256(got.read_bytes()).hexdigest()


def test_what_was_wrong_with_its_user_data_is_told_and_it_comes_up(machine: Machine) -> None:
    agent = machine.api().get("/v1/agent")
    wrong = "user-data:5:3: coven.prot: found an unknown field; did you mean port?"
    assert agent["health"] == {"status": "degraded", "why": [wrong]}
    assert f"coven: wrong: {wrong}" in machine.console
    # a token that was given is not told
    assert machine.token not in machine.console and "token, which is told" not in machine.console


def test_it_listens_for_ssh_and_for_the_api_and_for_nothing_else(machine: Machine) -> None:
    listening = machine.ssh("sudo ss -Hltnu").splitlines()
    ends = sorted({tuple(line.split()[index] for index in (0, 4)) for line in listening})
    management = "10.0.2.15"
    assert ends == [
        ("tcp", "0.0.0.0:22"), ("tcp", f"{management}:8443"), ("tcp", "[::]:22"),
        ("udp", f"{management}%enp0s3:68"),
    ]  # fmt: skip
    assert "password" not in machine.ssh("sudo sshd -T | grep -i '^passwordauthentication yes'", check=False)
    assert machine.ssh("sudo cut -d: -f2 /etc/shadow | sort -u").split() in (["!", "*"], ["!", "!*", "*"])


def test_only_what_must_change_can_be_changed(machine: Machine) -> None:
    assert "Read-only file system" in machine.ssh("sudo touch /usr/x /boot/x", check=False)
    mounted = json.loads(machine.ssh("findmnt -J -o TARGET,FSTYPE,OPTIONS,SIZE -b"))
    root = mounted["filesystems"][0]
    assert root["fstype"] == "squashfs" and "ro" in root["options"].split(",")
    state = next(each for each in root["children"] if each["target"] == "/state")
    assert state["size"] > 1 << 30  # of a disk of 2 GiB, on which it had 256 MiB
    # the ports are up, without an address
    links = {link["ifname"]: link for link in json.loads(machine.ssh("ip -j addr"))}
    for name in ("enp0s4", "enp0s5"):
        assert "UP" in links[name]["flags"] and not links[name]["addr_info"], links[name]
    status = json.loads(machine.ssh("sudo coven image status --json"))
    assert status["state"].startswith("/dev/")
    assert (status["outdated"] is None) == bool(status["outdated_unknown"])  # where Debian's archives do not answer
    assert all(each["wanted"] == each["is"] for each in status["parameters"].values()), status["parameters"]


def test_a_firewall_that_is_pushed_by_rest_filters(machine: Machine, files: dict[str, str]) -> None:
    client = machine.api()
    package = client.push(pack(FIREWALL))
    client.ask("POST", "/v1/vnfs", {"name": "fw", "package": package["id"]})
    bound = {"in": {"interface": MACS["in"]}, "out": {"interface": MACS["out"]}}
    client.operate("fw", "instantiate", {"ports": bound, "start": True})
    assert fetched(machine) == files[FILE]
    words = [sys.executable, "-m", "coven.lab.demo.hosts", "client", ADDRESS["server"]]
    flows = json.loads(machine.places["client"].run(*words, cwd=str(ROOT)).stdout)
    assert [flow["name"] for flow in flows if flow["answered"] == flow["skype"]] == []
    found = figures(client, "fw")
    assert found["dropped"]["filter.marked"] > 0


def test_ports_are_served_by_the_driver(machine: Machine) -> None:
    ports = machine.api().get("/v1/vnfs/fw/stats")["ports"]
    for name in ("in", "out"):
        assert ports[name]["backend"] == "af_xdp", ports[name]
        why = ports[name]["why"]
        assert why.startswith("native XDP on virtio_net") and "2 queues" in why, ports[name]


def test_segments_and_checksums_that_a_device_was_to_make_are_made(machine: Machine, files: dict[str, str]) -> None:
    """Large transfers both ways, over taps that hand on super-frames without checksums where they may."""
    before = figures(machine.api(), "fw")
    assert fetched(machine) == files[FILE]
    passes(machine, 16, "client", "server")
    after = figures(machine.api(), "fw")
    assert after["forwarded"] > before["forwarded"] + 10_000


def test_tagged_packets_pass_with_their_tags(machine: Machine) -> None:
    tagged_pass(machine)
    figures(machine.api(), "fw")


def test_after_a_power_cut_it_runs_again(machine: Machine, files: dict[str, str]) -> None:
    machine.cut_power()
    machine.power_on()
    client = machine.api()
    vnf = client.get("/v1/vnfs/fw")
    assert vnf["operational_state"] == "STARTED"
    machine.eventually(lambda: client.get("/v1/vnfs/fw/health")["status"] == "healthy", "healthy VNF")
    assert fetched(machine) == files[FILE]
    figures(client, "fw")
    assert not re.search("token, which is told", machine.console)
