"""`make bundle`: one archive that installs Coven in a room without network.

    coven-VERSION-RELEASE-ARCHITECTURE.tar     such as coven-0.1.0-debian-12-amd64.tar
        install-offline     installs from this folder alone
        RELEASE             what it is for: ID VERSION_ID ARCHITECTURE
        INDEX               SHA-256 of every other file, as sha256sum writes it
        coven/              the sources
        wheels/             every Python package that Coven needs, and what builds Coven itself
        debs/               every Debian package of install/apt-run.txt with all that these need, and an index

Made on a machine of the release and architecture that it is for, with network: the packages come from its own
apt and pip. Needs no root.
"""

from __future__ import annotations

import argparse
import configparser
import gzip
import hashlib
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
INDEX, RELEASE, INSTALLER = "INDEX", "RELEASE", "install-offline"
BUILDERS = ("setuptools >= 66", "wheel")  #: what pip needs to build Coven's own package
CHUNK = 1 << 20


class BundleError(Exception):
    """The bundle cannot be made; the text says why."""


def release() -> tuple[str, str, str]:
    """ID, VERSION_ID and Debian architecture of this machine. Raises BundleError where there is no dpkg."""
    facts = platform.freedesktop_os_release()
    try:
        said = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        raise BundleError("no dpkg here: bundles are made on Debian or Ubuntu, for the same release") from None
    return facts["ID"], facts.get("VERSION_ID", "testing"), said.stdout.strip()


def settings() -> configparser.ConfigParser:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    return config


def requirements() -> list[str]:
    """What `make setup` installs into .venv, and what builds it."""
    return [*settings()["options"]["install_requires"].split("\n")[1:], *BUILDERS]


def debian_packages() -> list[str]:
    """The names in install/apt-run.txt."""
    lines = (ROOT / "install" / "apt-run.txt").read_text().splitlines()
    return [name for line in lines for name in line.partition("#")[0].split()]


def run(*words: str | Path) -> None:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    if done.returncode:
        tail = "\n".join((done.stderr or done.stdout).strip().splitlines()[-5:])
        raise BundleError(f"{words[0]}: status {done.returncode}: {tail}")


# the parts


def sources(folder: Path) -> None:
    """The files that git knows, or would know: no products, no .venv."""
    words = ["git", "-C", str(ROOT), "ls-files", "-coz", "--exclude-standard"]
    names = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)


def charts(folder: Path) -> None:
    """What set-up took from npm for the page, where it did: the room has no npm."""
    for file in [*(ROOT / "build").glob("uPlot.*"), *(ROOT / "build").glob(".uplot")]:
        (folder / "build").mkdir(exist_ok=True)
        shutil.copy2(file, folder / "build")


def wheels(folder: Path) -> None:
    """Only wheels: what is in the room must not need a compiler for them."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    run(*pip, "download", "-q", "--only-binary", ":all:", "-d", folder, *requirements())


def debs(folder: Path) -> None:
    """With an empty list of installed packages, apt fetches everything down to libc: it is enough anywhere."""
    with tempfile.TemporaryDirectory(prefix="coven-bundle-apt-") as place:
        status = Path(place) / "status"
        status.touch()
        (folder / "partial").mkdir(parents=True)
        run(
            "apt-get", "-q", "-y", "--download-only", "--no-install-recommends",
            "-o", f"Dir::State::status={status}", "-o", f"Dir::Cache::archives={folder}/",
            "-o", f"Dir::State::extended_states={place}/extended", "-o", "Debug::NoLocking=1",
            "-o", "APT::Sandbox::User=", "-o", f"Dir::Log={place}",
            "install", *debian_packages(),
        )  # fmt: skip
    shutil.rmtree(folder / "partial")
    (folder / "lock").unlink(missing_ok=True)
    index_debs(folder)


def index_debs(folder: Path) -> None:
    """The file that makes a folder of packages an apt repository."""
    entries = []
    for deb in sorted(folder.glob("*.deb")):
        said = subprocess.run(["dpkg-deb", "-f", str(deb)], capture_output=True, text=True, check=True).stdout
        facts = f"Filename: ./{deb.name}\nSize: {deb.stat().st_size}\nSHA256: {digest(deb)}\n"
        entries.append(said.rstrip("\n") + "\n" + facts)
    (folder / "Packages.gz").write_bytes(gzip.compress("\n".join(entries).encode(), mtime=0))


def digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def index(folder: Path) -> None:
    """INDEX: every file but itself."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != INDEX)
    lines = [f"{digest(path)}  {path.relative_to(folder)}\n" for path in files]
    (folder / INDEX).write_text("".join(lines))


def missing(folder: Path) -> list[str]:
    """What the index lacks, what it has too much, and what differs from it: nothing in a whole bundle."""
    said = dict(reversed(line.split("  ", 1)) for line in (folder / INDEX).read_text().splitlines())
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    files.pop(INDEX)
    wrong = [f"{name}: not in the index" for name in files.keys() - said.keys()]
    wrong += [f"{name}: not there" for name in said.keys() - files.keys()]
    wrong += [f"{name}: differs" for name in files.keys() & said.keys() if digest(files[name]) != said[name]]
    return sorted(wrong)


def make(output: Path, parts: tuple[str, ...] = ("wheels", "debs")) -> Path:
    """Make the archive in the folder `output`; its path. Raises BundleError."""
    made_for = release()
    name = f"coven-{settings()['metadata']['version']}-{'-'.join(made_for)}"
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="coven-bundle-", dir=output) as place:
        folder = Path(place) / name
        sources(folder / "coven")
        charts(folder / "coven")
        for part in parts:
            print(f"bundle: {part}", flush=True)
            (folder / part).mkdir()
            {"wheels": wheels, "debs": debs}[part](folder / part)
        shutil.copy2(ROOT / "install" / INSTALLER, folder / INSTALLER)
        (folder / RELEASE).write_text(" ".join(made_for) + "\n")
        index(folder)
        archive = output / f"{name}.tar"
        with tarfile.open(archive.with_suffix(".new"), "w") as tar:
            tar.add(folder, name)
        archive.with_suffix(".new").rename(archive)
    return archive


def main() -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bundle", help="folder")
    given = parser.parse_args()
    try:
        archive = make(given.output)
    except (BundleError, subprocess.CalledProcessError, OSError) as error:
        print(f"bundle: {error}", file=sys.stderr)
        return 1
    print(f"bundle: {archive}, {archive.stat().st_size / 1e6:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
