"""Figures and lists that pages or programs state, held against what they are taken from."""

from __future__ import annotations

import configparser
import re
import shutil
from pathlib import Path

import pytest

from coven.cli import doctor
from coven.cli.commands import COMMANDS
from itf.segment import C

ROOT = Path(__file__).resolve().parents[3]
#: distribution -> module, where they differ
MODULES = {"ruamel.yaml": "ruamel.yaml", "pyyaml": "yaml", "jsonschema-rs": "jsonschema_rs"}
PLACEHOLDERS = {"vns/NAME.c", "vns/NAME.py", "pps/LANGUAGE/"}


def test_the_largest_frame() -> None:
    said = re.search(r"A frame is at most (\d+) bytes", (ROOT / "README.md").read_text())
    assert said and int(said[1]) == 4096 - C.FRAME_HEADROOM - C.FRAME_TAILROOM


def test_paths_of_the_architecture_are_there() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    named = set(re.findall(r"`((?:agents|coven|itf|nshp|pps|tests|vns)/[\w./]*)", text))
    assert "coven/keeper/life/turns.py" in named and len(named) > 40
    assert [name for name in sorted(named - PLACEHOLDERS) if not (ROOT / name).exists()] == []


def test_every_command_that_is_named_is_there() -> None:
    pages = [*(ROOT / "docs").rglob("*.md"), *(ROOT / "docs").rglob("*.yaml"), ROOT / "README.md",
             *(ROOT / "agents").rglob("*.py"), *(ROOT / "coven").rglob("*.py")]  # fmt: skip
    call = re.compile(r"(?:`|^    (?:\$ )?(?:sudo )?(?:\.venv/bin/)?)coven ([a-z]+)\b", re.M)
    named = {(word, page.name) for page in pages for word in call.findall(page.read_text())}
    assert {("health", "alerts.yaml"), ("trace", "README.md"), ("bottleneck", "alerts.yaml")} <= named
    assert sorted(each for each in named if each[0] not in COMMANDS) == []


def test_doctor_looks_for_every_python_package() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    wanted = re.findall(r"^[\w.-]+", setup["options"]["install_requires"], re.M)
    assert {MODULES.get(name, name.replace("-", "_")) for name in wanted} == set(doctor.MODULES)


@pytest.mark.parametrize("program", doctor.PROGRAMS)
def test_doctor_names_a_program_that_is_missing(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = shutil.which
    monkeypatch.setattr("shutil.which", lambda name, path=None: None if name == program else real(name, path=path))
    found = {finding.what: finding for finding in doctor._software()}
    package = doctor.PROGRAMS[program][0]
    assert found[program].level in ("bad", "note") and found[program].remedy == f"apt install {package}"
