"""Packages run out of their CSARs, and their indicators are what running VNFCs offer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from coven.package.archive import is_descriptor, pack_csar
from coven.package.descriptor import load
from tests.rigs.csar_rig import author
from tests.rigs.packages import capture, datagram

ROOT = Path(__file__).resolve().parents[3]
DESCRIPTORS = sorted(path for path in (ROOT / "packages").glob("*/*.yaml") if is_descriptor(path))
#: one of each package; the others, which take their compilers' time, under --long
FIRST = {path.parent.name: path for path in reversed(DESCRIPTORS)}
PACKETS = 20


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVEN_STATE", str(tmp_path / "state"))


def coven(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "coven", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300, check=False)
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.parametrize(
    "descriptor",
    [pytest.param(path, marks=() if path in FIRST.values() else pytest.mark.long) for path in DESCRIPTORS],
    ids=lambda path: f"{path.parent.name}-{path.stem}",
)
def test_every_example_runs_as_csar(descriptor: Path, tmp_path: Path) -> None:
    file, figures = tmp_path / "x.csar", tmp_path / "figures.json"
    file.write_bytes(pack_csar(descriptor))
    first = next(iter(load(descriptor).ports))
    packets = capture(tmp_path / "in.pcap", [datagram(1000 + n, 100) for n in range(PACKETS)])
    done = coven("run", file, "--port", f"{first}={packets}", "--json", figures)
    assert done.returncode == 0, done.stderr
    status = json.loads(figures.read_text())
    assert status["received"] == PACKETS and status["unaccounted"] == 0 and status["in_flight"] == 0


def test_its_tests_are_in_it(tmp_path: Path) -> None:
    file = tmp_path / "fw.csar"
    file.write_bytes(pack_csar(author(tmp_path / "package")))
    done = coven("test", file)
    assert done.returncode == 0, done.stdout
    assert coven("check", file).returncode == 0


def test_an_indicator_that_no_vnfc_offers(tmp_path: Path) -> None:
    """Packing executes nothing, so it is instantiation that finds out."""
    folder = author(tmp_path / "package")
    text = (folder / "vnf.yaml").read_text()
    (folder / "vnf.yaml").write_text(text.replace("[filter.hits]", "[filter.hits, filter.hist, filter.rate]"))
    file = tmp_path / "fw.csar"
    file.write_bytes(pack_csar(folder))
    packets = capture(tmp_path / "in.pcap", [datagram(1000, 100)])
    done = coven("run", file, "--in", packets)
    assert done.returncode == 1
    assert "indicators[1]: found filter.hist" in done.stderr and "did you mean hits?" in done.stderr
    assert "vnf.yaml:14: indicators[2]: found filter.rate" in done.stderr and "indicators[0]" not in done.stderr
    (folder / "vnf.yaml").write_text(text)
    assert coven("run", folder, "--in", packets).returncode == 0
