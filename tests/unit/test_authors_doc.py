"""The components in docs/authors.md are whole: C compiles without a warning, Python starts in a host."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests import java_rig, javascript_rig
from tests.fake_forwarder import FakeForwarder
from tests.python_rig import FRAMEWORK, tcp

ROOT = Path(__file__).resolve().parents[2]

TEXT = (ROOT / "docs" / "authors.md").read_text()
C_BLOCKS = [block for block in re.findall(r"```c\n(.*?)```", TEXT, re.S) if "#include" in block]
JAVA_BLOCKS = re.findall(r"```java\n(.*?)```", TEXT, re.S)
JAVASCRIPT_BLOCKS = re.findall(r"```javascript\n(.*?)```", TEXT, re.S)
PYTHON_BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.S)


def title(block: str) -> str:
    """Something to know a block by: the first name that it declares."""
    found = re.search(r"(?:VNFC_(?:REASON|COUNTER)\(|(?:reason|counter)\(\"|def )(\w+)", block)
    return found[1] if found else block.splitlines()[-1]


def test_there_are_components() -> None:
    assert len(C_BLOCKS) >= 5 and len(PYTHON_BLOCKS) >= 5


@pytest.mark.parametrize("block", C_BLOCKS, ids=title)
def test_c(block: str) -> None:
    argv = ["gcc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-x", "c", "-",
            f"-I{ROOT}/pps/sdk/include", f"-I{ROOT}", "-o", "/dev/null"]  # fmt: skip
    done = subprocess.run(argv, input=block, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("block", PYTHON_BLOCKS, ids=title)
def test_python(block: str, tmp_path: Path) -> None:
    source = tmp_path / "component.py"
    source.write_text(block)
    with FakeForwarder(FRAMEWORK.host_command(source, "component")) as host:
        assert host.init({})["op"] == "ready", host.close()
        host.send(tcp(dport=80))
        [back] = host.collect(1)
        assert back.verdict == 1, "port 80 is forwarded by each of them"
        assert host.end() == 0


def starts_and_forwards(command: list[str]) -> None:
    with FakeForwarder(command) as host:
        assert host.init({})["op"] == "ready", host.close()
        host.send(tcp(dport=80))
        [back] = host.collect(1)
        assert back.verdict == 1, "port 80 is forwarded by each of them"
        assert host.end() == 0


@pytest.mark.skipif(java_rig.MISSING is not None, reason=java_rig.WHY)
@pytest.mark.parametrize("block", JAVA_BLOCKS, ids=title)
def test_java(block: str, tmp_path: Path) -> None:
    found = re.search(r"class (\w+)", block)
    assert found is not None
    artifact, errors = java_rig.build(tmp_path, block, found[1])
    assert not errors
    starts_and_forwards(java_rig.FRAMEWORK.host_command(artifact, "component"))


@pytest.mark.skipif(javascript_rig.MISSING is not None, reason=javascript_rig.WHY)
@pytest.mark.parametrize("block", JAVASCRIPT_BLOCKS, ids=title)
def test_javascript(block: str, tmp_path: Path) -> None:
    source = tmp_path / "component.js"
    source.write_text(block)
    starts_and_forwards(javascript_rig.FRAMEWORK.host_command(source, "component"))
