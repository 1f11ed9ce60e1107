"""`coven image`: what an appliance does at its boot, and what it says of itself."""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from coven.base import durable, troubles
from coven.cli import deploying
from coven.cli.client import Client, find
from coven.image import boot as booting
from coven.image import console
from coven.image.machine import Machine
from coven.image.userdata import OnDisk, Vnf
from itf.mistakes import Mistake, Refused


def image(given: argparse.Namespace) -> int:
    machine = Machine()
    if given.action == "boot":
        return booting.boot(machine)
    if given.action == "deploy":
        return _deploy(machine)
    from coven.image.status import status, words

    found = status(machine)
    print(json.dumps(found, indent=2) if given.json else words(found))
    return 0


def _deploy(machine: Machine) -> int:
    """What the user-data wants deployed, once in the life of the state."""
    want, _ = booting.user_data(machine.cloud)
    if want.vnf is None:
        return 0
    try:
        request = {"ports": booting.ports(dict(want.vnf.ports)), "config": want.vnf.config, "start": True}
        with _package(want.vnf) as file:
            named = argparse.Namespace(package=str(file), name=want.vnf.name, upgrade=False)
            # the boot before may have ended half-way
            name = deploying.deploy(Client(find(None)), named, request, resume=True)
    except Refused as refused:
        lines = [f"the package of the user-data is not deployed: {mistake}" for mistake in refused.mistakes]
        troubles.add(machine.places.run, lines)
        console.tell([f"wrong: {line}" for line in lines])
        return 1
    machine.deployed.write_text(name + "\n")
    durable.settle(machine.deployed)
    console.tell([f"{name} runs, from the user-data"])
    return 0


@contextmanager
def _package(vnf: Vnf) -> Iterator[Path]:
    """The package as a file. Raises Refused when its disk is not there."""
    with tempfile.TemporaryDirectory(prefix="coven-package-") as folder:
        if isinstance(vnf.package, OnDisk):
            with _mounted(vnf.package.label, Path(folder)) as disk:
                yield disk / vnf.package.file
        else:
            file = Path(folder) / "package.zip"
            file.write_bytes(vnf.package)
            yield file


@contextmanager
def _mounted(label: str, folder: Path) -> Iterator[Path]:
    device = Path("/dev/disk/by-label") / label
    words = ["mount", "-o", "ro,nosuid,nodev,noexec", str(device), str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(
            Mistake(field="coven.vnf.package.disk", found=f"{label}: {done.stderr.strip()}",
                    expected="a disk with that label", remedy="lsblk -o NAME,LABEL shows those that are there"),
            title="no such disk",
        )  # fmt: skip
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=False)
