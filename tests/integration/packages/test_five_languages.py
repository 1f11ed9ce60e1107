"""All five languages in one chain, in several rotations: TCP passes whole, every packet is accounted for."""

from __future__ import annotations

import shutil
from collections import deque
from pathlib import Path

import pytest

from tests.rigs.keeper import KeeperRig
from tests.rigs.languages import here

ROOT = Path(__file__).resolve().parents[3]
FORWARD = ROOT / "packages" / "forward"
MEGABYTES, MEGABYTES_LONG = 20, 1000  #: of each rotation
EVERY = 2  #: of the rotations so many are left out between two, but under --long

#: language -> its line in a descriptor
LINES = {
    "c": "{source: forward.c}",
    "python": "{source: forward.py, config: {block: []}}",
    "click": "{source: forward.click}",
    "java": "{source: Forward.java}",
    "javascript": "{source: forward.js}",
}
pytestmark = pytest.mark.root


def rotations() -> list[tuple[str, ...]]:
    ring, found = deque(here()), []
    for _ in range(len(ring)):
        found.append(tuple(ring))
        ring.rotate(-1)
    return found


def chain_package(folder: Path, order: tuple[str, ...]) -> Path:
    folder.mkdir(mode=0o755, parents=True)
    for source in FORWARD.iterdir():
        if source.is_file() and source.suffix not in (".yaml", ".md"):
            shutil.copy(source, folder)
    vnfcs = "".join(f"  {language}: {LINES[language]}\n" for language in order)
    chain = " -> ".join(["in", *order, "out"])
    (folder / "vnf.yaml").write_text(f'name: five\nversion: "1"\nvnfcs:\n{vnfcs}chain: {chain}\n')
    return folder


def test_rotations_of_all_languages_pass_tcp(
    tmp_path_factory: pytest.TempPathFactory, long_run: bool
) -> None:
    megabytes = MEGABYTES_LONG if long_run else MEGABYTES
    for order in rotations() if long_run else rotations()[:: EVERY + 1]:
        folder = tmp_path_factory.mktemp("five")
        with KeeperRig(folder / "k", chain_package(folder / "p", order)) as rig:
            assert rig.said == {"ok": True}, rig.said
            rig.call("start")
            rig.wait_ping()
            rig.transfer(megabytes)
            status = rig.status()
            packets = megabytes * 1000000 // 1500
            for language in order:
                vnfc = status["vnfcs"][language]
                assert (vnfc["language"], vnfc["state"], vnfc["restarts"]) == (language, "running", 0)
                assert vnfc["forwarded"] > packets, f"{language} in {order}"
        shutil.rmtree(folder)  # a built chain is large


def test_all_languages_are_installed_here() -> None:
    missing = sorted(set(LINES) - set(here()))
    if missing:
        pytest.skip(f"not installed, so left out of the chains above: {', '.join(missing)}")
