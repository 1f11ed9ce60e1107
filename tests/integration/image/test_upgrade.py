"""The appliance with UEFI and a disk of OpenStack's layout (a ConfigDrive), which brings a package; a token that the
machine makes; another image with the state of the one before, and back."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from coven.lab.network import ADDRESS
from coven.package.archive import pack
from tests.rigs.agent import ROOT
from tests.rigs.machine import MACS, Machine, machine_of, needs_image

pytestmark = needs_image
FORWARD = ROOT / "packages" / "forward" / "c.yaml"
USER_DATA = """#cloud-config
coven:
  vnf:
    name: first
    package: {disk: config-2, file: forward.zip}
    ports: {in: 1, out: 2}
"""
TOKEN = r"token, which is told now and never again: (\S+)"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with machine_of("upgrade", tmp_path_factory) as machine:
        machine.firmware()
        machine.config_drive(USER_DATA, **{"forward.zip": pack(FORWARD)})
        machine.power_on()
        machine.token = machine.said(TOKEN)[1]
        yield machine


def pings(machine: Machine) -> bool:
    done = machine.places["client"].run("ping", "-c", "3", "-W", "5", ADDRESS["server"], check=False)
    return done.returncode == 0


def other_image(folder: Path) -> Path:
    """What the last `make image` made, as a disk of another identity: no identifier is that of the first one."""
    work = ROOT / "build" / "image" / "work"
    spec = importlib.util.spec_from_file_location("disk", ROOT / "install" / "image" / "disk.py")
    assert spec and spec.loader
    disk = importlib.util.module_from_spec(spec)
    sys.modules["disk"] = disk
    spec.loader.exec_module(disk)
    os.environ.setdefault("SOURCE_DATE_EPOCH", "1700000000")
    parts = disk.Parts(work / "root.squashfs", work / "vmlinuz", work / "initrd.img", "0123456789abcdef" * 4, "next")
    raw, made = folder / "other.raw", folder / "other.qcow2"
    (folder / "other").mkdir()
    disk.assemble(parts, raw, folder / "other")
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", raw, made], check=True)
    raw.unlink()
    return made


def test_with_uefi_the_package_of_the_user_data_runs(machine: Machine) -> None:
    client = machine.api()
    machine.said("coven: first runs, from the user-data")
    vnf = client.get("/v1/vnfs/first")
    assert vnf["operational_state"] == "STARTED"
    bound = {name: port["interface"] for name, port in vnf["ports"].items()}
    assert bound == {"in": MACS["in"], "out": MACS["out"]}
    assert pings(machine) and client.get("/v1/agent")["health"] == {"status": "healthy", "why": []}
    assert "/sys/firmware/efi" in machine.ssh("ls -d /sys/firmware/efi")


def test_it_takes_its_name_its_key_and_its_network_from_there(machine: Machine) -> None:
    assert machine.ssh("hostname").strip() == "vnf"
    assert "config" in machine.ssh("cloud-id").lower()


def test_interfaces_that_get_no_address_there_are_up_and_silent(machine: Machine) -> None:
    links = {link["address"]: link for link in json.loads(machine.ssh("ip -j addr"))}
    managed = links[MACS["management"]]["addr_info"]
    assert [each["local"] for each in managed if each["family"] == "inet"] == ["10.0.2.15"]
    for name in ("in", "out"):
        assert "UP" in links[MACS[name]]["flags"] and not links[MACS[name]]["addr_info"], links[MACS[name]]


def test_a_watchdog_is_fed_and_its_journal_is_bounded(machine: Machine) -> None:
    assert machine.ssh("systemctl show -P RuntimeWatchdogUSec").strip() == "30s"
    assert "/dev/watchdog" in machine.ssh("sudo ls -l /proc/1/fd")
    sizes = machine.ssh("sudo journalctl -b -o cat -u systemd-journald | grep 'System Journal'")
    assert re.search(r"\(/var/log/journal/\S+\) is .*, max 64\.0M", sizes), sizes


def test_its_token_is_told_once(machine: Machine) -> None:
    assert len(re.findall(TOKEN, machine.console)) == 1
    kept = machine.ssh("sudo cat /var/lib/coven/token").strip()
    assert kept == machine.token
    assert machine.token not in machine.ssh("sudo journalctl --no-pager; cat /run/issue.d/*", check=False)


def test_another_image_goes_on_with_the_state(machine: Machine) -> None:
    fingerprint = machine.said("certificate SHA-256 ([0-9a-f]{64})")[1]
    keys = machine.ssh("sudo cat /etc/ssh/ssh_host_ed25519_key.pub; echo changed | sudo tee /etc/motd")
    machine.ssh("sudo sync /etc/motd")  # which nobody has promised
    machine.cut_power()
    machine.boot_disk(other_image(machine.folder), "next")  # the old disk is the second one now
    machine.power_on()
    client = machine.api()
    assert machine.said("certificate SHA-256 ([0-9a-f]{64})")[1] == fingerprint
    assert client.get("/v1/vnfs/first")["operational_state"] == "STARTED"
    machine.eventually(lambda: pings(machine), "answer to ping")
    figures = client.get("/v1/vnfs/first/stats")
    assert figures["unaccounted"] == 0 and figures["forwarded"] > 0
    status = json.loads(machine.ssh("sudo coven image status --json"))
    assert status["image"] == "0123456789abcdef" and status["before"] not in (None, status["image"])
    # what identifies the machine stays, what else was changed in /etc was the other image's
    assert machine.ssh("sudo cat /etc/ssh/ssh_host_ed25519_key.pub").strip() in keys
    assert "changed" not in machine.ssh("cat /etc/motd")
    assert not re.search(TOKEN, machine.console)


def test_the_older_image_takes_the_state_back(machine: Machine) -> None:
    machine.cut_power()
    machine.disks.pop(0)  # what is left is the first image, with the state
    machine.power_on()
    client = machine.api()
    assert client.get("/v1/vnfs/first")["operational_state"] == "STARTED"
    machine.eventually(lambda: pings(machine), "answer to ping")
    status = json.loads(machine.ssh("sudo coven image status --json"))
    assert status["before"] == "0123456789abcdef"
    assert "changed" in machine.ssh("cat /etc/motd")  # its own /etc, as it left it


def test_a_state_that_a_newer_image_has_brought_up_is_refused_and_kept(machine: Machine) -> None:
    """As the boot finds it: without an agent the consoles tell why, and the newer image can go on with it."""
    version = "import sqlite3,sys; d=sqlite3.connect('/var/lib/coven/agent.db', isolation_level=None)\n"
    version += "print(*d.execute('PRAGMA user_version').fetchone()); d.execute('PRAGMA user_version=' + sys.argv[1])"
    write = f'sudo python3 -c "{version}"'
    begin = "sudo systemctl restart coven-boot; sudo systemctl restart coven"
    was = machine.ssh(f"sudo systemctl stop coven; {write} 99").split()[-1]
    machine.ssh(begin, check=False)
    machine.said(r"coven: wrong: \S*agent.db: found version 99, expected version " + was)
    assert machine.ssh(f"sudo systemctl stop coven; {write} {was}").split()[-1] == "99"
    machine.ssh(f"sudo systemctl reset-failed coven; {begin}")
    client = machine.api()
    assert client.get("/v1/vnfs/first")["operational_state"] == "STARTED"
    machine.eventually(lambda: pings(machine), "answer to ping")
