"""`make install` and `make uninstall`: copies Coven and what it runs on under a prefix.

    PREFIX/lib/coven/     the rooms of the house, build/, packages/, and runtime/: a virtual environment
                          with the Python packages that Coven needs and nothing that only tests need
    PREFIX/bin/coven      starts it
    PREFIX/share/         coven(1), and what bash completes
    /etc/coven/coven.yaml (kept when it is there), /etc/systemd/system/coven.service, /var/lib/coven

Nothing is downloaded: the packages come out of the .venv that `make setup` made.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("coven", "itf", "vns", "nshp", "pps", "agents", "packages", "docs")
NOT_COPIED = shutil.ignore_patterns("__pycache__", "*.pyc")

LAUNCHER = """#!/bin/sh
exec {lib}/runtime/bin/python -P -m coven.cli "$@"
"""


def needed(name: str, found: dict[str, metadata.Distribution]) -> None:
    """Collect a distribution and all that it needs, extras left out."""
    from pip._vendor.packaging.requirements import Requirement  # .venv has pip, and uninstall runs without

    dist = metadata.distribution(name)
    key = dist.metadata["Name"].lower()
    if key in found:
        return
    found[key] = dist
    for requirement in map(Requirement, dist.requires or []):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            needed(requirement.name, found)


def copy_distributions(target: Path) -> None:
    found: dict[str, metadata.Distribution] = {}
    needed("coven", found)
    del found["coven"]  # its rooms are copied beside
    for dist in found.values():
        for file in dist.files or []:
            if ".." in file.parts or file.suffix == ".pyc":
                continue
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(str(dist.locate_file(file)), target / file)
            if file.name == "RECORD":  # of the programs that are not copied it holds hashes that name this folder
                lines = (target / file).read_text().splitlines(keepends=True)
                (target / file).write_text("".join(line for line in lines if not line.startswith("../")))


def install(destdir: str, prefix: str) -> None:
    from coven.cli.completion import completion, manual  # uninstall runs without .venv

    def at(path: str) -> Path:
        return Path(destdir + path)

    final = f"{prefix}/lib/coven"
    lib, new, old = at(final), at(final + ".new"), at(final + ".old")
    for leftover in (new, old):
        shutil.rmtree(leftover, ignore_errors=True)
    new.mkdir(parents=True)
    for room in ROOMS:
        if (ROOT / room).is_dir():
            shutil.copytree(ROOT / room, new / room, ignore=NOT_COPIED)
    # of build/ only the products: its folders are what the build, bundles and images are made in
    (new / "build").mkdir()
    for product in (ROOT / "build").iterdir():
        if product.is_file() and product.suffix not in (".new", ".d"):
            shutil.copy2(product, new / "build")
    runtime = new / "runtime"
    subprocess.run(["/usr/bin/python3", "-m", "venv", "--without-pip", str(runtime)], check=True)
    for script in runtime.glob("bin/[Aa]ctivate*"):  # nobody activates it, and they name this folder
        script.unlink()
    about = runtime / "pyvenv.cfg"
    lines = about.read_text().splitlines(keepends=True)
    about.write_text("".join(line for line in lines if not line.startswith("command")))
    site = next(runtime.glob("lib/python*/site-packages"))
    copy_distributions(site)
    # A line of a .pth file is relative to the folder it is in, so DESTDIR may go.
    (site / "coven.pth").write_text("../../../..\n")
    if lib.exists():
        lib.rename(old)
    new.rename(lib)
    shutil.rmtree(old, ignore_errors=True)

    launcher = at(f"{prefix}/bin/coven")
    launcher.parent.mkdir(parents=True, exist_ok=True)
    launcher.write_text(LAUNCHER.format(lib=final))
    launcher.chmod(0o755)

    config = at("/etc/coven/coven.yaml")
    config.parent.mkdir(parents=True, exist_ok=True)
    if not config.exists():
        shutil.copy(ROOT / "install/coven.yaml", config)
    documents = {
        at(f"{prefix}/share/man/man1/coven.1"): manual(),
        at(f"{prefix}/share/bash-completion/completions/coven"): completion("bash"),
    }
    for file, text in documents.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    at("/var/lib/coven").mkdir(parents=True, exist_ok=True, mode=0o700)
    unit = at("/etc/systemd/system/coven.service")
    unit.parent.mkdir(parents=True, exist_ok=True)
    unit.write_text((ROOT / "install/coven.service").read_text().replace("@PREFIX@", prefix))
    print(f"install: {launcher}, {lib}, {config}, {unit}")
    print("install: systemctl enable --now coven    starts the agent now and at boot")


def uninstall(destdir: str, prefix: str) -> None:
    own = ("lib/coven", "bin/coven", "share/man/man1/coven.1", "share/bash-completion/completions/coven")
    for path in (*(f"{prefix}/{name}" for name in own), "/etc/systemd/system/coven.service"):
        victim = Path(destdir + path)
        if victim.is_dir():
            shutil.rmtree(victim)
        else:
            victim.unlink(missing_ok=True)
    print("uninstall: done; /etc/coven and /var/lib/coven are kept")


def main() -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("act", choices=("install", "uninstall"))
    parser.add_argument("--destdir", default="")
    parser.add_argument("--prefix", default="/usr/local")
    given = parser.parse_args()
    try:
        {"install": install, "uninstall": uninstall}[given.act](given.destdir.rstrip("/"), given.prefix)
    except PermissionError as error:
        print(f"{error.filename}: permission denied. As root: sudo make {given.act}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
