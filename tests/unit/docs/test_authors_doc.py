"""The components in docs/authors.md are whole: C compiles without a warning, the others start in their hosts, and the
smallest of each language does with a capture what the page says."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from scapy.layers.l2 import Ether

from coven.run.foreground import run_captures
from pps.click.elements import load as load_elements
from pps.frameworks import missing
from tests.rigs import click as click_rig
from tests.rigs import java as java_rig
from tests.rigs import javascript as javascript_rig
from tests.rigs.fake_forwarder import FakeForwarder
from tests.rigs.packages import capture, datagram, package
from tests.rigs.python_host import FRAMEWORK, tcp

ROOT = Path(__file__).resolve().parents[3]

TEXT = (ROOT / "docs" / "authors.md").read_text()
C_BLOCKS = [block for block in re.findall(r"```c\n(.*?)```", TEXT, re.S) if "#include" in block]
JAVA_BLOCKS = re.findall(r"```java\n(.*?)```", TEXT, re.S)
JAVASCRIPT_BLOCKS = re.findall(r"```javascript\n(.*?)```", TEXT, re.S)
PYTHON_BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.S)
CLICK_BLOCKS = re.findall(r"```click\n(.*?)```", TEXT, re.S)
#: fence -> name of the source, language
SMALLEST = {
    "c": ("block.c", "c"), "cpp": ("block.cc", "c"), "python": ("block.py", "python"), "java": ("Block.java", "java"),
    "javascript": ("block.js", "javascript"), "click": ("block.click", "click"), "py": ("block", "exec"),
}  # fmt: skip


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


def test_click(tmp_path: Path) -> None:
    for n, block in enumerate(CLICK_BLOCKS):
        (tmp_path / str(n)).mkdir()
        with click_rig.Running(tmp_path / str(n), block, {"open": 0} if "Settings(open" in block else {}) as running:
            assert running.ready["op"] == "ready", running.ready
            assert [back.verdict for back in running.send(tcp(dport=80))] == [1]


@pytest.mark.parametrize("fence", SMALLEST)
def test_the_smallest_with_a_capture(fence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, language = SMALLEST[fence]
    lacking = missing(language)
    if lacking is not None or (fence == "cpp" and not shutil.which("g++")):
        pytest.skip(str(lacking.found) if lacking is not None else "needs g++")
    block = re.search(rf"```{fence}\n(.*?)```", TEXT, re.S)
    assert block is not None
    descriptor = f"vnfcs: {{block: {{source: {source}, language: {language}}}}}\nchain: in -> block -> out\n"
    folder = package(tmp_path / "p", descriptor)
    (folder / source).write_text(block[1])
    packets = [datagram(1, 10), Ether(tcp(dport=23)), Ether(tcp(dport=80)), Ether(tcp(dport=23))]
    ports = {"in": {"read": str(capture(tmp_path / "in.pcap", packets))}, "out": {"write": str(tmp_path / "out.pcap")}}
    monkeypatch.setenv("COVEN_STATE", str(tmp_path / "state"))
    status = run_captures(folder / "vnf.yaml", ports, {}, 1)
    assert (status["forwarded"], status["dropped"], status["unaccounted"]) == (2, {"block.telnet": 2}, 0)
    assert status["explanations"]["block.telnet"] == "telnet is not allowed here"


def test_all_elements_of_click_are_listed() -> None:
    text = (ROOT / "docs" / "click.md").read_text()
    section = text.partition("\n## Elements\n")[2].partition("\n## ")[0]
    listed = [name for words in re.findall(r"`(.*?)`", section) for name in words.split()]
    assert sorted(listed) == sorted(load_elements()), "docs/click.md, Elements"
