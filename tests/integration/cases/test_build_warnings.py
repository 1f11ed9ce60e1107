"""What is told of a build: warnings, which stop nothing, and libraries that the operator does not allow."""

from __future__ import annotations

from pathlib import Path

import pytest
from scapy.utils import wrpcap

from coven.cases.check import check, show
from coven.run.foreground import run_captures
from tests.rigs.java import MISSING, WHY

DESCRIPTOR = """name: w
version: "1"
vnfcs:
  first:
    source: first.c
    libs:
      - zlib
  second: {source: first.c}
chain: in -> first -> second -> out
"""
SOURCE = "#include <coven/vnfc.h>\nVNFC_HANDLE {\n    int unused;\n    return VNFC_FORWARD;\n}\n"
WARNING = "warning: first.c:3:9: unused variable"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "w"
    folder.mkdir(mode=0o755)
    (folder / "vnf.yaml").write_text(DESCRIPTOR)
    (folder / "first.c").write_text(SOURCE)
    monkeypatch.setenv("COVEN_CONFIG", str(tmp_path / "coven.yaml"))
    return folder


def test_warnings_are_shown_and_stop_nothing(package: Path) -> None:
    checked = check(package)
    assert not checked.mistakes
    [warning] = checked.warnings  # of a source that two VNFCs share
    assert (warning.file, warning.line, warning.column) == ("first.c", 3, 9)
    assert "-Wunused-variable" in str(warning.expected)
    assert WARNING in show(checked)
    capture = package.parent / "in.pcap"
    wrpcap(str(capture), [bytes(60)], linktype=1)
    status = run_captures(package / "vnf.yaml", {"in": {"read": str(capture)}, "out": {}}, {}, 1)
    assert status["unaccounted"] == 0
    assert {line["vnfc"] for line in status["logs"] if line["line"].startswith(WARNING)} == {"first", "second"}


@pytest.mark.skipif(MISSING is not None, reason=WHY)
def test_warnings_of_javac(package: Path) -> None:
    handle = "public Verdict handle(Packet packet) { return forward(); }"
    source = f"import coven.*;\nclass First extends Vnfc {{\n    java.util.List unused;\n    {handle}\n}}\n"
    (package / "First.java").write_text(source)
    (package / "vnf.yaml").write_text(
        'name: w\nversion: "1"\nvnfcs: {first: {source: First.java}}\nchain: in -> first -> out\n'
    )
    checked = check(package)
    assert not checked.mistakes
    [warning] = checked.warnings
    assert (warning.file, warning.line, warning.column) == ("First.java", 3, 14)
    assert "raw type" in str(warning.found)


def test_the_operator_says_which_libraries(package: Path, tmp_path: Path) -> None:
    (tmp_path / "coven.yaml").write_text("libs: [jansson]\n")
    [mistake] = check(package).mistakes
    assert (mistake.file, mistake.line, mistake.column) == ("vnf.yaml", 7, 9)
    assert (mistake.field, mistake.found) == ("vnfcs.first.libs[0]", "zlib")
    assert "jansson" in str(mistake.expected) and "coven.yaml" in str(mistake.remedy)
    (tmp_path / "coven.yaml").write_text("libs: []\nlibz: []\n")
    assert [m.line for m in check(package).mistakes] == [2]
    (tmp_path / "coven.yaml").write_text("libs: [zlib]\n")
    assert not check(package).mistakes
