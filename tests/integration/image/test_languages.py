"""What the larger flavour has more: VNFCs in C++, Java and JavaScript are built in the appliance and forward there.
`make test-image IMAGE="--flavour full"`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from coven.lab.network import ADDRESS
from coven.package.archive import pack
from tests.rigs.agent import ROOT
from tests.rigs.machine import IMAGE, MACS, Machine, machine_of
from tests.rigs.machine_traffic import figures

pytestmark = pytest.mark.skipif(
    not Path(IMAGE).stem.endswith("-full"), reason='no such image: make test-image IMAGE="--flavour full"'
)
USER_DATA = """#cloud-config
ssh_authorized_keys: [SSH_KEY]
coven:
  token: TOKEN
"""
PACKAGES = ["forward/java.yaml", "forward/javascript.yaml", "counter-cpp"]
PINGS = 20


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with machine_of("languages", tmp_path_factory) as machine:
        machine.seed(USER_DATA)
        machine.power_on()
        yield machine


@pytest.mark.parametrize("package", PACKAGES)
def test_it_is_built_and_forwards(machine: Machine, package: str) -> None:
    client = machine.api()
    pushed = client.push(pack(ROOT / "packages" / package))
    client.ask("POST", "/v1/vnfs", {"name": "one", "package": pushed["id"]})
    bound = {name: {"interface": MACS[name]} for name in ("in", "out")}
    client.operate("one", "instantiate", {"ports": bound, "start": True})
    try:
        machine.eventually(lambda: client.get("/v1/vnfs/one/health")["status"] == "healthy", "healthy VNF")
        before = figures(client, "one")["forwarded"]
        words = ["ping", "-c", str(PINGS), "-i", "0.2", "-W", "5", ADDRESS["server"]]
        machine.places["client"].run(*words, timeout=60)
        assert figures(client, "one")["forwarded"] >= before + 2 * PINGS
    finally:
        client.operate("one", "terminate", {})
        client.ask("DELETE", "/v1/vnfs/one")


def test_it_says_which_flavour_it_is(machine: Machine) -> None:
    assert json.loads(machine.ssh("sudo coven image status --json"))["flavour"] == "full"
