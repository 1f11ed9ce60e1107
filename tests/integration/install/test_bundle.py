"""`make bundle`: its index is complete, and what is in it installs without network."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bundle", ROOT / "install" / "bundle.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


bundle = load()
pytestmark = pytest.mark.skipif(not Path("/usr/bin/dpkg").exists(), reason="no dpkg here: nothing to bundle for")


def unpacked(archive: Path) -> Path:
    subprocess.run(["tar", "-xf", archive.name], cwd=archive.parent, check=True)
    return archive.with_suffix("")


def test_it_is_named_for_release_and_architecture_and_its_index_is_complete(tmp_path: Path) -> None:
    archive = bundle.make(tmp_path, parts=())
    release = "-".join(bundle.release())
    assert archive.name == f"coven-{bundle.settings()['metadata']['version']}-{release}.tar"
    assert [path.name for path in tmp_path.iterdir()] == [archive.name]
    folder = unpacked(archive)
    assert bundle.missing(folder) == []
    assert subprocess.run(["sha256sum", "--quiet", "-c", "INDEX"], cwd=folder, check=False).returncode == 0
    for needed in ("Makefile", "itf/segment.h", "coven/cli/main.py", "install/apt-run.txt", "packages/forward/c.yaml"):
        assert (folder / "coven" / needed).is_file(), needed
    taken = {path.name for path in (folder / "coven" / "build").glob("*")}
    assert taken <= {"uPlot.esm.js", "uPlot.min.css", ".uplot"}, "of what is built: the page's charts"
    assert not (folder / "coven" / ".venv").exists()

    (folder / "coven" / "Makefile").write_text("all:\n")
    (folder / "coven" / "setup.cfg").unlink()
    (folder / "more").touch()
    assert bundle.missing(folder) == [
        "coven/Makefile: differs", "coven/setup.cfg: not there", "more: not in the index"
    ]  # fmt: skip


def test_the_installer_refuses_another_release_and_a_damaged_copy(tmp_path: Path) -> None:
    folder = unpacked(bundle.make(tmp_path, parts=()))

    def run() -> str:
        done = subprocess.run(["./install-offline"], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        return done.stdout

    (folder / "coven" / "Makefile").write_text("setup:\n\ttouch ran\n")
    assert "files differ from INDEX" in run()
    (folder / "RELEASE").write_text("debian 99 riscv64\n")
    assert "for debian 99 on riscv64, this machine is" in run() and not (folder / "coven" / "ran").exists()


def test_it_asks_for_all_that_setup_installs() -> None:
    assert any(each.startswith("scapy") for each in bundle.requirements())
    assert {"setuptools >= 66", "wheel"} <= set(bundle.requirements())
    assert {"gcc", "bubblewrap", "python3-venv", "make"} <= set(bundle.debian_packages())
    assert "#" not in " ".join(bundle.debian_packages())


def test_a_folder_of_debs_becomes_a_repository(tmp_path: Path) -> None:
    control = tmp_path / "made" / "DEBIAN" / "control"
    control.parent.mkdir(parents=True)
    control.write_text("Package: made\nVersion: 1\nArchitecture: all\nMaintainer: m <m@example.org>\nDescription: d\n")
    debs = tmp_path / "debs"
    debs.mkdir()
    words = ["dpkg-deb", "--root-owner-group", "-b", str(control.parent.parent), str(debs / "made_1_all.deb")]
    subprocess.run(words, check=True, capture_output=True)
    bundle.index_debs(debs)
    (tmp_path / "lists" / "partial").mkdir(parents=True)
    (tmp_path / "status").touch()
    (tmp_path / "sources.list").write_text(f"deb [trusted=yes] file:{debs} ./\n")
    options = {
        "Dir::Etc::sourcelist": tmp_path / "sources.list", "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": tmp_path / "lists", "Dir::State::status": tmp_path / "status",
        "Dir::Cache": tmp_path, "APT::Sandbox::User": "", "Debug::NoLocking": "1",
        "Acquire::CompressionTypes::Order::": "gz",
    }  # fmt: skip
    given = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    subprocess.run(["apt-get", "-q", *given, "update"], check=True, capture_output=True)
    words = ["apt-get", "-q", *given, "-s", "install", "made"]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    assert "Inst made (1 " in done.stdout


@pytest.mark.long
def test_pip_and_apt_are_content_with_what_is_in_it(tmp_path: Path) -> None:
    """The true thing, 200 MB: it needs network to be made, and none to be installed."""
    try:
        folder = unpacked(bundle.make(tmp_path))
    except bundle.BundleError as error:
        pytest.skip(f"no network to make a bundle with: {error}")
    assert bundle.missing(folder) == []
    assert len(list((folder / "debs").glob("*.deb"))) > len(bundle.debian_packages())
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    environment = {**os.environ, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder / "wheels")}
    alone = ["unshare", "--net"] if os.geteuid() == 0 else []
    pip = [str(tmp_path / "venv" / "bin" / "python"), "-m", "pip"]
    words = [*alone, *pip, "install", "-q", "-e", str(folder / "coven")]
    subprocess.run(words, env=environment, check=True)
    said = subprocess.run([str(tmp_path / "venv" / "bin" / "coven"), "--version"], capture_output=True, text=True,
                          check=True).stdout  # fmt: skip
    assert said.startswith("coven ")
