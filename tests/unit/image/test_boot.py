"""The parts of an appliance's boot that need no appliance."""

from __future__ import annotations

import os
import sqlite3
import ssl
from contextlib import closing
from pathlib import Path

import pytest

from coven.agent.store import VERSION
from coven.base import troubles
from coven.base.places import Places
from coven.image import boot, console
from coven.image.machine import Machine, release
from coven.image.nics import Nic, nics
from coven.image.status import upgrades
from coven.image.userdata import Wanted
from coven.serve import tls
from itf.mistakes import Mistake, Refused


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    places = Places(tmp_path / "state", tmp_path / "run").make()
    return Machine(places, tmp_path / "cloud", tmp_path / "image", tmp_path / "issue")


def test_its_own_certificate_is_made_once_for_its_address(machine: Machine) -> None:
    mistakes: list[Mistake] = []
    files = boot.certificate(machine, Wanted(), "192.0.2.7", mistakes)
    assert mistakes == []
    text = ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert(Path(files.certificate).read_text()))
    assert Path(files.key).stat().st_mode & 0o077 == 0
    again = boot.certificate(machine, Wanted(), "192.0.2.8", mistakes)
    assert again == files and text == Path(files.certificate).read_text()
    assert tls.identity(files).warning is None


def test_a_given_certificate_is_gone_by_unless_it_cannot_be(machine: Machine, tmp_path: Path) -> None:
    boot._sign(tls.Files(str(tmp_path / "a.pem"), str(tmp_path / "a.key")), "192.0.2.7")
    boot._sign(tls.Files(str(tmp_path / "b.pem"), str(tmp_path / "b.key")), "192.0.2.7")
    text = {name: (tmp_path / name).read_text() for name in ("a.pem", "a.key", "b.key")}
    mistakes: list[Mistake] = []
    given = boot.certificate(machine, Wanted(certificate=text["a.pem"], key=text["a.key"]), "192.0.2.7", mistakes)
    assert mistakes == [] and Path(given.certificate).name == "given.pem"
    own = boot.certificate(machine, Wanted(certificate=text["a.pem"], key=text["b.key"]), "192.0.2.7", mistakes)
    assert Path(own.certificate).name == "own.pem" and "the key of another certificate" in str(mistakes[0])


def test_a_token_is_told_only_when_it_was_made_now(machine: Machine) -> None:
    made = boot.token(machine, Wanted())
    assert made and machine.places.token.read_text().strip() == made
    assert machine.places.token.stat().st_mode & 0o777 == 0o600
    assert boot.token(machine, Wanted(token="another-of-sixteen")) is None
    assert machine.places.token.read_text().strip() == made
    machine.places.token.unlink()
    assert boot.token(machine, Wanted(token="another-of-sixteen")) is None
    assert machine.places.token.read_text() == "another-of-sixteen\n"


def test_interfaces_are_in_the_order_of_their_pci_addresses(tmp_path: Path) -> None:
    devices = {"eth9": "0000:00:03.0/virtio0", "eth1": "0000:00:1f.0/virtio7", "eth0": "0000:02:00.0/0000:03:01.1",
               "lo": None}  # fmt: skip
    folder = tmp_path / "net"
    for name, device in devices.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "address").write_text("02:00:00:00:00:01\n")
        if device:
            target = tmp_path / "devices" / "pci0000:00" / device
            target.mkdir(parents=True)
            (folder / name / "device").symlink_to(target)
    address = "02:00:00:00:00:01"
    assert nics(folder) == [
        Nic("eth9", address, "0000:00:03.0"), Nic("eth1", address, "0000:00:1f.0"), Nic("eth0", address, "0000:03:01.1")
    ]  # fmt: skip


def test_ports_that_have_no_interface_are_all_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boot, "nics", lambda: [Nic("lo", "02:00:00:00:00:01", "0000:00:03.0")])
    wanted = {"in": {"interface": "02:00:00:00:00:01"}, "out": {"interface": "eth2"}}
    assert boot.ports({"in": 0, "out": "eth2"}) == wanted
    with pytest.raises(Refused) as refused:
        boot.ports({"in": 1, "out": 7, "more": "eth2"})
    assert [mistake.field for mistake in refused.value.mistakes] == ["coven.vnf.ports.in", "coven.vnf.ports.out"]
    assert "0 lo (02:00:00:00:00:01)" in str(refused.value)


def test_what_is_wrong_is_kept_once_and_told_on_every_console(tmp_path: Path) -> None:
    troubles.add(tmp_path, ["a\n    b", "c", "c"])
    troubles.add(tmp_path, ["c", "d"])
    assert troubles.read(tmp_path) == ["a; b", "c", "d"] and troubles.read(tmp_path / "none") == []
    (tmp_path / "active").write_text("tty0 ttyS0\n")
    assert console.consoles(tmp_path / "active") == [Path("/dev/tty0"), Path("/dev/ttyS0")]
    (tmp_path / "tty").touch()
    console.tell(["a", "b"], [tmp_path / "none" / "x", tmp_path / "tty"])
    assert (tmp_path / "tty").read_bytes() == b"coven: a\r\ncoven: b\r\n"


def test_a_console_that_nobody_reads_holds_nothing_up() -> None:
    master, slave = os.openpty()
    try:
        console.tell(["x" * 100] * 5000, [Path(os.ttyname(slave))])
    finally:
        os.close(master)
        os.close(slave)


def test_a_host_name_that_no_certificate_can_have(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boot.socket, "gethostname", lambda: "a,b:c")
    mistakes: list[Mistake] = []
    files = boot.certificate(machine, Wanted(), "192.0.2.7", mistakes)
    assert len(mistakes) == 1 and "a,b:c" in str(mistakes[0])
    assert tls.identity(files).warning is None


def test_without_openssl_the_machine_comes_up_on_loopback(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(boot.console, "tell", told.extend)
    monkeypatch.setattr(boot, "release", lambda: {"VERSION": "1", "COMMIT": "c"})
    monkeypatch.setattr(boot, "management", lambda where: "192.0.2.7")
    monkeypatch.setenv("PATH", "/nowhere")
    assert boot.boot(machine) == 0
    assert (machine.run / "serve").read_text() == f"COVEN_SERVE=--listen 127.0.0.1:{Wanted().port}\n"
    assert any("openssl" in line for line in told)


def test_a_state_that_the_agent_will_refuse_is_told(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an agent there is no API that could say it."""
    told: list[str] = []
    monkeypatch.setattr(boot.console, "tell", told.extend)
    monkeypatch.setattr(boot, "release", lambda: {"VERSION": "1", "COMMIT": "c"})
    monkeypatch.setattr(boot, "management", lambda where: "127.0.0.1")
    with closing(sqlite3.connect(machine.places.database)) as db:
        db.execute("PRAGMA user_version=99")
    assert boot.boot(machine) == 0
    assert [line for line in told if line.startswith("wrong: ")] == [
        f"wrong: {machine.places.database}: found version 99, expected version {VERSION}; "
        "it was written by another Coven: use that, or another --state DIR"
    ]


def test_what_apt_would_do_is_what_is_old() -> None:
    said = """Reading package lists...
Inst libssl3 [3.0.15-1~deb12u1] (3.0.17-1~deb12u2 Debian-Security:12/oldstable-security [amd64])
Inst base-files [12.4+deb12u11] (12.4+deb12u12 Debian:12.12/oldstable [amd64]) []
Inst linux-image-6.1.0-40-amd64 (6.1.153-1 Debian:12.12/oldstable [amd64])
Conf libssl3 (3.0.17-1~deb12u2 Debian-Security:12/oldstable-security [amd64])
"""
    assert upgrades(said) == [
        {"name": "libssl3", "is": "3.0.15-1~deb12u1", "newest": "3.0.17-1~deb12u2", "security": True},
        {"name": "base-files", "is": "12.4+deb12u11", "newest": "12.4+deb12u12", "security": False},
    ]


def test_another_machine_is_no_appliance(tmp_path: Path) -> None:
    (tmp_path / "release").write_text("VERSION=0.1.0\nCOMMIT=abc\nEPOCH=1\n")
    assert release(tmp_path / "release") == {"VERSION": "0.1.0", "COMMIT": "abc", "EPOCH": "1"}
    with pytest.raises(Refused, match="appliance"):
        release(tmp_path / "none")
