"""Set-up: a copied checkout is on its own, and languages that nobody asked for stop nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from pps.java.framework import JavaFramework, jdk
from pps.javascript.framework import JavascriptFramework, node

ROOT = Path(__file__).resolve().parents[3]
BULK = shutil.ignore_patterns("asan", "arm64", "fresh", "bench")


def test_languages_that_are_here_have_been_built() -> None:
    """Tests leave out what is missing: it must not be missing because it did not compile."""
    if jdk() is not None and (jdk() or ROOT).joinpath("include", "jni.h").exists():
        assert JavaFramework.missing() is None
    if node() is not None and Path("/usr/include/node/node_api.h").exists():
        assert JavascriptFramework.missing() is None


def test_an_optional_language_that_cannot_be_built_stops_nothing(tmp_path: Path) -> None:
    build, home = tmp_path / "build", tmp_path / "jdk"
    shutil.copytree(os.environ.get("COVEN_BUILD", ROOT / "build"), build, ignore=BULK)
    for name in ("include/jni.h", "bin/javac"):
        (home / name).parent.mkdir(parents=True)
        (home / name).write_text("#!/bin/sh\necho broken >&2\nexit 3\n")
    (home / "bin" / "javac").chmod(0o755)
    (build / "coven-java.jar").write_text("of another version\n")
    os.utime(build / "coven-java.jar", (0, 0))
    (build / "coven-launch").unlink()
    words = ["make", "--no-print-directory", "native", f"B={build}", f"JAVA_HOME={home}"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert "broken" in done.stderr and "coven-java.jar cannot be built" in done.stderr
    assert not (build / "coven-java.jar").exists(), "what is left of it is of another version"
    assert (build / "coven-launch").exists()


@pytest.mark.long
def test_a_copied_checkout_installs_into_itself(tmp_path: Path) -> None:
    """The true thing: it needs network."""
    first, second = tmp_path / "first", tmp_path / "second"
    names = subprocess.run(["git", "ls-files", "-coz", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True,
                           check=True).stdout  # fmt: skip
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (first / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, first / name)

    def set_up(folder: Path) -> str:
        done = subprocess.run(["install/setup", "run"], cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode and "No matching distribution" in done.stderr:
            pytest.skip("no network to install Python packages from")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def where(folder: Path) -> str:
        program = [str(folder / ".venv/bin/coven"), "--version"]
        subprocess.run(program, cwd="/", check=True, capture_output=True)
        code = "import coven.cli, sys; print(coven.cli.__file__, sys.prefix)"
        words = [str(folder / ".venv/bin/python"), "-P", "-c", code]
        return subprocess.run(words, cwd="/", capture_output=True, text=True, check=True).stdout.strip()

    assert "making .venv" in set_up(first)
    assert "making .venv" not in set_up(first)
    shutil.copytree(first, second, symlinks=True)
    assert "making .venv" in set_up(second)
    assert where(first) == f"{first}/coven/cli.py {first}/.venv"
    shutil.rmtree(first)
    assert where(second) == f"{second}/coven/cli.py {second}/.venv"
    third = second.rename(tmp_path / "third")
    assert "making .venv" in set_up(third)
    assert where(third) == f"{third}/coven/cli.py {third}/.venv"
