"""The appliance with a disk of OpenStack's layout; a token that the machine makes; what bounds and resets it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.rigs.machine import MACS, Machine

IMAGE = os.environ.get("COVEN_IMAGE", "")
pytestmark = pytest.mark.skipif(not IMAGE, reason="no image: make test-image builds it and runs this")
USER_DATA = "#cloud-config\ncoven: {port: 8443}\n"
TOKEN = r"token, which is told now and never again: (\S+)"
#: as Nova lists ports, those of the VNF without a fixed address
NETWORKS: dict[str, Any] = {
    "links": [
        {"id": f"tap-{name}", "vif_id": f"vif-{name}", "type": "ovs", "mtu": 1500, "ethernet_mac_address": mac}
        for name, mac in MACS.items()
    ],
    "networks": [{"id": "network0", "type": "ipv4_dhcp", "link": "tap-management", "network_id": "n-1"}],
    "services": [],
}


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    logs = os.environ.get("COVEN_IMAGE_LOGS")
    folder = Path(logs, "config-drive") if logs else tmp_path_factory.mktemp("machine")
    folder.mkdir(parents=True, exist_ok=True)
    machine = Machine(folder, Path(IMAGE))
    try:
        machine.options += ["-device", "i6300esb", "-action", "watchdog=reset"]
        machine.config_drive(USER_DATA, NETWORKS)
        machine.power_on()
        machine.token = machine.said(TOKEN)[1]
        yield machine
    finally:
        machine.close()


def test_it_takes_its_name_its_key_and_its_network_from_there(machine: Machine) -> None:
    assert machine.api().get("/v1/agent")["health"] == {"status": "healthy", "why": []}
    assert machine.ssh("hostname").strip() == "vnf"
    assert "config" in machine.ssh("cloud-id").lower()


def test_interfaces_that_get_no_address_there_are_up_and_silent(machine: Machine) -> None:
    links = {link["address"]: link for link in json.loads(machine.ssh("ip -j addr"))}
    managed = links[MACS["management"]]["addr_info"]
    assert [each["local"] for each in managed if each["family"] == "inet"] == ["10.0.2.15"]
    for name in ("in", "out"):
        assert "UP" in links[MACS[name]]["flags"] and not links[MACS[name]]["addr_info"], links[MACS[name]]


def test_its_watchdog_runs_and_its_journal_is_bounded(machine: Machine) -> None:
    assert machine.ssh("systemctl show -P RuntimeWatchdogUSec").strip() == "30s"
    assert "open" in machine.ssh("sudo ls -l /proc/1/fd | grep -q /dev/watchdog && echo open")
    sizes = machine.ssh("sudo journalctl -b -o cat -u systemd-journald | grep 'System Journal'")
    assert re.search(r"\(/var/log/journal/\S+\) is .*, max 64\.0M", sizes), sizes


def test_its_token_is_told_once(machine: Machine) -> None:
    assert len(re.findall(TOKEN, machine.console)) == 1
    kept = machine.ssh("sudo cat /var/lib/coven/token").strip()
    assert kept == machine.token
    assert machine.token not in machine.ssh("sudo journalctl --no-pager; cat /run/issue.d/*", check=False)
    machine.ssh("sudo sync")
    machine.cut_power()
    machine.power_on()
    assert machine.api().get("/v1/agent")["health"]["status"] == "healthy"
    assert "token" not in machine.console
