"""A Python VNFC built and run in confinement, at every level that this machine has."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pps.confine import confinement as confine
from tests.rigs.confined import build_and_run
from tests.rigs.python_host import FRAMEWORK

BUILD = Path(__file__).resolve().parents[3] / "build"
COMPONENT = """
import numpy
from scapy.layers.dns import DNS
from scapy.layers.inet import IP
from scapy.layers.l2 import Ether
from vnfc import emit, forward, log, new_packet, request
import helper, theirs

@request
def uid():
    import os
    return os.getuid()

def handle(packet):
    assert packet.scapy()["TCP"].dport == 80
    emit(new_packet(Ether() / IP(dst="192.0.2.1")))
    log("sum", numpy.arange(3).sum(), helper.x, theirs.y)
    return forward()
"""


@pytest.fixture
def package() -> Iterator[Path]:
    """A package's folder that another uid may read."""
    with tempfile.TemporaryDirectory(prefix="coven-test.") as name:
        root = Path(name)
        root.chmod(0o755)
        (root / "vendor").mkdir()
        (root / "vendor" / "theirs.py").write_text("y = 2\n")
        (root / "helper.py").write_text("x = 1\n")
        (root / "component.py").write_text(COMPONENT)
        yield root


def test_build_and_run(package: Path, confinement: confine.Confinement, monkeypatch: pytest.MonkeyPatch) -> None:
    said = build_and_run(
        confinement, FRAMEWORK, package, "component.py", monkeypatch,
        lambda artifact: FRAMEWORK.host_command(artifact, "component"),
    )  # fmt: skip
    assert said == "sum 3 1 2\n"
