"""docs/packages.md tells the rules as they are, and its session of signing works."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from coven.base.signatures import POLICIES
from coven.package.csar.rules import RULES
from tests.unit.package.test_csar_rules import FAULTS
from tests.unit.package.test_csar_sign import FAULTS as SIGNED_FAULTS

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "packages.md").read_text()


def test_the_table() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (.*) \| (.*) \| (refused|warned) \| (refused|warned) \| ([RS]) \|$", PAGE,
                      re.MULTILINE)  # fmt: skip
    assert rows == [
        (rule.id, rule.clause, rule.what, rule.strict, rule.lenient, "S" if rule.id in SIGNED_FAULTS else "R")
        for rule in RULES.values()
    ]
    assert all(row[0] in (SIGNED_FAULTS if row[5] == "S" else FAULTS) for row in rows)


def test_policies() -> None:
    table = PAGE[PAGE.index("| policy |") :].split("\n\n")[0]
    assert tuple(re.findall(r"^\| `(.*?)` \|", table, re.MULTILINE)) == POLICIES


def test_the_session(tmp_path: Path) -> None:
    block = PAGE[PAGE.index("    openssl req -x509") : PAGE.index("\n`--cert` may hold")]
    commands = re.sub(r"(?m)^    ", "", block).replace("packages/", f"{ROOT}/packages/")
    commands = commands.replace("2026-06-30T00:00:00Z", "$(date -u -d tomorrow +%Y-%m-%dT%H:%M:%SZ)")
    (tmp_path / "coven").write_text(f'#!/bin/sh\nexec {sys.executable} -m coven "$@"\n')
    (tmp_path / "coven").chmod(0o755)
    done = subprocess.run(
        ["sh", "-e", "-c", commands], cwd=tmp_path, capture_output=True, text=True, timeout=120,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT),
             "COVEN_CONFIG": "/nonexistent"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("signature: good, in the manifest, by CN=me,O=Acme") == 2
    assert (tmp_path / "meter-1.0.0.zip").is_file()
