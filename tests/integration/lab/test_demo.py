"""The demo from beginning to end, interrupted in the middle, and as an ordinary user."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import descendants

ROOT = Path(__file__).resolve().parents[3]
DEMO = [sys.executable, "-m", "coven.lab.demo"]


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a demo leaves is not another's that runs meanwhile."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))


def leftovers() -> set[str]:
    """Folders that demos leave while they run."""
    places = ((os.environ["TMPDIR"], "coven-demo.*"), ("/run/coven", "demo-*"))
    return {str(found) for folder, pattern in places for found in Path(folder).glob(pattern)}


@pytest.mark.root
def test_all_is_as_it_should_be_and_nothing_is_left() -> None:
    before, processes = leftovers(), set(descendants())
    done = subprocess.run(DEMO, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    said = done.stdout
    assert done.returncode == 0, said + done.stderr
    assert "NOT AS IT SHOULD" not in said and done.stderr == ""
    assert said.count("hash intact") == 6
    assert re.search(r"[1-9][\d,]*  filter\.marked", said)
    assert "unaccounted: 0\n" in said
    assert said.count("operation TERMINATE: COMPLETED") == 1
    assert leftovers() == before and set(descendants()) == processes


@pytest.mark.root
def test_interrupted_it_takes_everything_down() -> None:
    before, processes = leftovers(), set(descendants())
    demo = subprocess.Popen(
        DEMO, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert demo.stdout
    for line in demo.stdout:
        if line.strip() == "Traffic":
            break
    os.killpg(demo.pid, signal.SIGINT)
    said, complaint = demo.communicate(timeout=120)
    assert demo.returncode == 130, said + complaint
    assert "everything is taken down" in complaint and "Traceback" not in complaint
    assert "TERMINATE: COMPLETED" in said
    assert leftovers() == before and set(descendants()) == processes


@pytest.mark.root
def test_an_ordinary_user_may_watch_it_too() -> None:
    """Uid 65534 without any privilege. Skipped when the checkout may not be read by others."""
    ordinary = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
    environment = {**os.environ, "HOME": "/nonexistent"}
    can = subprocess.run([*ordinary, sys.executable, "-c", "import coven.lab.demo"], cwd=ROOT, env=environment,
                         capture_output=True, text=True, check=False)  # fmt: skip
    if can.returncode != 0:
        pytest.skip("the checkout may not be read by other users")
    done = subprocess.run([*ordinary, *DEMO], cwd=ROOT, env=environment, capture_output=True, text=True,
                          timeout=300, check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "unaccounted: 0" in done.stdout


@pytest.mark.root
def test_root_without_namespaces_watches_captures(tmp_path: Path) -> None:
    """As root of a container often is: without CAP_SYS_ADMIN."""
    words = ["setpriv", "--bounding-set=-sys_admin", *DEMO]
    environment = {**os.environ, "COVEN_STATE": str(tmp_path / "state")}
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300,
                          check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "filters a capture instead" in done.stdout and "sudo" not in done.stdout
    assert "unaccounted: 0" in done.stdout
