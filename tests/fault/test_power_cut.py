"""The power is cut just after somebody was told that something is there: it is there when the power is back, whole."""

from __future__ import annotations

import hashlib
import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from coven.base import durable
from coven.base.places import Places
from coven.image.boot import certificate
from coven.image.machine import Machine
from coven.image.userdata import Wanted
from coven.package.archive import pack
from coven.rest.original.shelf import Shelf
from coven.serve import tls
from tests.rigs.agent import ROOT, Agent
from tests.rigs.powered import Disk

pytestmark = pytest.mark.root
FIREWALL = ROOT / "packages" / "l7-firewall"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path)
    try:
        yield disk
    finally:
        disk.close()


def contents(folder: Path) -> dict[str, str]:
    """A digest of each file below."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_cut_takes_what_nobody_settled(disk: Disk) -> None:
    """Else the tests below could not fail."""
    for name in ("lost", "kept"):
        (disk.place / name).write_text(name)
    (disk.place / "folder").mkdir()
    (disk.place / "folder" / "kept").write_text("kept")
    durable.settle(disk.place / "folder")
    durable.settle(disk.place / "kept")
    disk.cut()
    disk.back()
    assert (disk.place / "kept").read_text() == (disk.place / "folder" / "kept").read_text() == "kept"
    lost = disk.place / "lost"
    assert not lost.exists() or lost.read_text() == ""


def test_token_package_and_vnf_are_there(disk: Disk) -> None:
    agent = Agent(disk.place / "state")
    try:
        agent.start()
        token = agent.token
        status, package = agent.ask("POST", "/v1/packages", data=pack(FIREWALL))
        assert status == 201, package
        assert agent.ask("POST", "/v1/vnfs", {"name": "fw", "package": package["id"]})[0] == 201
        packages = agent.state / "packages"
        before = contents(packages)
        disk.cut()
        agent.kill()
        disk.back()
        shutil.rmtree(agent.state / "run", ignore_errors=True)  # which is in memory elsewhere
        agent.start()
        assert agent.token == token
        assert contents(packages) == before and len(before) > 3
        assert [each["id"] for each in agent.ask("GET", "/v1/packages")[1]["packages"]] == [package["id"]]
        assert agent.ask("GET", "/v1/vnfs/fw")[0] == 200
    finally:
        agent.clean()


def test_the_prototypes_packages_are_there(disk: Disk) -> None:
    shelf = Shelf(disk.place / "shelf")
    data = pack(FIREWALL)
    for _ in range(2):  # the second takes the first one's place
        shelf.keep("fw", io.BytesIO(data))
        shelf.install("fw")
    before = contents(disk.place / "shelf")
    disk.cut()
    disk.back()
    again = Shelf(disk.place / "shelf")
    assert contents(disk.place / "shelf") == before and len(before) > 4
    assert again.installed("fw") is not None


def test_the_appliances_certificate_is_there(disk: Disk) -> None:
    machine = Machine(Places(disk.place / "state", disk.place / "run"))
    machine.places.state.mkdir()
    mistakes: list[object] = []
    made = tls.identity(certificate(machine, Wanted(), "10.0.0.1", mistakes)).fingerprint  # type: ignore[arg-type]
    disk.cut()
    disk.back()
    kept = tls.identity(certificate(machine, Wanted(), "10.0.0.1", mistakes)).fingerprint  # type: ignore[arg-type]
    assert (kept, mistakes) == (made, [])
