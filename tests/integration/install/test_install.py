"""`make install` into a folder: complete, relocatable, and systemd understands the unit."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """DESTDIR with an installation for /usr/local in it."""
    destdir = tmp_path_factory.mktemp("destdir")
    make("install", destdir)
    return destdir


def make(act: str, destdir: Path) -> None:
    words = [sys.executable, "install/install.py", act, "--destdir", str(destdir), "--prefix", "/usr/local"]
    subprocess.run(words, cwd=ROOT, check=True, capture_output=True)


def test_it_runs_from_where_it_was_put(installed: Path) -> None:
    lib = installed / "usr/local/lib/coven"
    code = "import coven.package.descriptor, itf.segment, numpy, scapy, sys; print(itf.segment.__file__, sys.prefix)"
    words = [str(lib / "runtime/bin/python"), "-P", "-c", code]
    said = subprocess.run(words, cwd="/", env={}, check=True, capture_output=True, text=True).stdout.split()
    assert all(Path(path).is_relative_to(lib) for path in said)
    assert (lib / "build/coven-forwarder").exists()
    assert not list(lib.glob("runtime/lib/python*/site-packages/pytest"))


def test_nothing_in_it_names_the_folder_that_it_was_made_in(installed: Path) -> None:
    """So that two builds are the same bytes (install/image/build.py), and nobody learns where."""
    made = [str(folder).encode() for folder in (ROOT, installed)]
    files = [file for file in installed.rglob("*") if file.suffix != ".pyc" and file.is_file()]
    assert len(files) > 1000
    assert [file for file in files if any(folder in file.read_bytes() for folder in made)] == []


def test_configuration_survives_a_second_install_and_uninstall(installed: Path) -> None:
    config = installed / "etc/coven/coven.yaml"
    config.write_text(config.read_text() + "# mine\n")
    make("install", installed)
    assert config.read_text().endswith("# mine\n")
    assert not list((installed / "usr/local/lib").glob("coven.*"))


def test_state_folder_is_for_its_owner_only(installed: Path) -> None:
    assert (installed / "var/lib/coven").stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")
def test_systemd_understands_the_unit(installed: Path, tmp_path: Path) -> None:
    unit = (installed / "etc/systemd/system/coven.service").read_text()
    assert "KillMode=process" in unit and "@" not in unit
    # verify wants the program to exist: look for it in DESTDIR
    (tmp_path / "coven.service").write_text(unit.replace("/usr/local/bin", f"{installed}/usr/local/bin"))
    words = ["systemd-analyze", "verify", "--man=no", str(tmp_path / "coven.service")]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ, "LANG": "C"})
    assert done.returncode == 0, done.stderr
    assert "coven.service" not in done.stderr


def test_uninstall_leaves_configuration_and_state(tmp_path: Path) -> None:
    make("install", tmp_path)
    make("uninstall", tmp_path)
    left = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if not p.is_dir()}
    assert left == {"etc/coven/coven.yaml"}
