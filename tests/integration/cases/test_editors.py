"""What editors put into sources beside what their authors wrote."""

from __future__ import annotations

import codecs
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from coven.package import scaffold
from pps.frameworks import FRAMEWORKS

ROOT = Path(__file__).resolve().parents[3]


def coven(*words: str, state: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "coven", *words],
        cwd=ROOT, env={**os.environ, "COVEN_STATE": str(state)}, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("language", sorted(set(scaffold.languages()) - {"exec"}))
def test_a_byte_order_mark_is_not_the_authors(tmp_path: Path, language: str) -> None:
    if "c" != language != "c++" and FRAMEWORKS[language].missing() is not None:
        pytest.skip(f"no {language} here")
    if language == "c++" and shutil.which("g++") is None:
        pytest.skip("no g++ here")
    assert coven("new", str(tmp_path / "p"), "--language", language, state=tmp_path)[0] == 0
    name = scaffold.languages()[language].name
    source = next(file for file in (tmp_path / "p").rglob("*") if file.suffix == Path(name).suffix and file.suffix)
    source.write_bytes(codecs.BOM_UTF8 + source.read_bytes())
    status, said = coven("test", str(tmp_path / "p"), state=tmp_path)
    assert (status, said.splitlines()[-1]) == (0, "1 run, all as expected"), said


def test_a_carriage_return_behind_the_interpreters_name(tmp_path: Path) -> None:
    """The kernel would look for an interpreter whose name ends with it, and say that the script does not exist."""
    folder = tmp_path / "p"
    folder.mkdir()
    (folder / "vnf.yaml").write_text(
        'name: p\nversion: "1"\nvnfcs:\n  one: {source: one, language: exec}\nchain: in -> one -> out\n'
    )
    (folder / "one").write_bytes(b"#!/usr/bin/env python3\r\nprint()\r\n")
    status, said = coven("check", str(folder), state=tmp_path)
    assert status == 1 and "one:1: vnfcs.one.source: found #!/usr/bin/env python3 and a carriage return" in said
    assert "sed -i 's/\\r$//' one" in said and "1 mistake" in said
    (folder / "one").write_bytes(b"#!/usr/bin/env python3\nprint()\r\n")
    assert "carriage return" not in coven("check", str(folder), state=tmp_path)[1]
