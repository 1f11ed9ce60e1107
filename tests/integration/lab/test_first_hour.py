"""docs/first-hour.md, every command of it, as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.root
ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docs" / "first-hour.md").read_text()
FAILS = re.compile(r"# (times out|fails)")
#: what some of the commands must say
SAYS = {
    "coven lab up my-firewall                                        # fails": "the old package stays",
    "coven lab exec appliance coven stats": "filter.telnet",
    "coven run": "drop filter.telnet",
    "coven lab down                                                  # again": "no lab is up",
    "coven test my-firewall                                          # fails": "packet 1",
}


def commands() -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.strip()]
    return [line.replace("-m 3", "-m 1" if FAILS.search(line) else "-m 30") for line in lines]


def test_by_the_text_alone_ones_own_firewall_drops_ones_own_curl(tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "HOME": str(tmp_path), "COVEN_STATE": str(tmp_path / "state")}
    assert len(commands()) > 20
    try:
        for line in commands():
            done = subprocess.run(
                ["bash", "-o", "pipefail", "-c", line], cwd=tmp_path, env=environment, capture_output=True,
                text=True, timeout=120, check=False,
            )  # fmt: skip
            said = done.stdout + done.stderr
            if not line.startswith("coven doctor"):  # a pipe that head closes
                assert (done.returncode != 0) == bool(FAILS.search(line)), f"{line}\n{said}"
            assert "Traceback" not in said, said
            for start, wanted in SAYS.items():
                if line.startswith(start):
                    assert wanted in said, f"{line}\n{said}"
            if line.startswith("coven lab exec appliance coven stats"):
                assert re.search(r"the whole VNF .* 0$", said, re.MULTILINE), said
    finally:
        words = [sys.executable, "-P", "-m", "coven.cli", "lab", "down", "--all"]
        subprocess.run(words, env=environment, capture_output=True, check=False)
