"""VNFCs in C++: built with g++ where it is installed, refused with a remedy where it is not."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from itf.segment import C
from pps.c import framework as c
from pps.c.framework import CFramework
from pps.mistakes import BuildError
from tests.rigs.fake_forwarder import FakeForwarder
from tests.rigs.python_host import tcp

ROOT = Path(__file__).resolve().parents[3]
needs_gpp = pytest.mark.skipif(not shutil.which("g++"), reason="needs g++")


def compile_(folder: Path, *sources: Path) -> subprocess.CompletedProcess[str]:
    words = CFramework().build_command(list(sources), folder, folder / "vnfc.so", [])
    assert words[0] == "g++"
    return subprocess.run(words, capture_output=True, text=True, check=False)


@needs_gpp
def test_the_example_runs_and_answers(tmp_path: Path) -> None:
    done = compile_(tmp_path, ROOT / "packages" / "counter-cpp" / "counter.cc")
    assert done.returncode == 0 and "warning" not in done.stderr, done.stderr
    with FakeForwarder(CFramework().host_command(tmp_path / "vnfc.so", "counter")) as f:
        assert f.init({"limit": 1})["op"] == "ready"
        f.send(tcp(), tcp(), tcp(payload=b"x" * 100))
        assert {b.verdict for b in f.collect(3)} == {C.VERDICT_FORWARD}
        answer = f.ask("request", name="top", args=[])["value"]
        assert answer == [{"address": "10.0.0.1", "packets": 3, "bytes": 2 * len(tcp()) + 154}]
        refused = f.ask("configure", config={"limit": 0})
        assert not refused["ok"] and refused["errors"][0]["field"] == "config.limit"
        assert f.end() == 0


@needs_gpp
def test_mistakes_have_file_and_line(tmp_path: Path) -> None:
    source = tmp_path / "wrong.cpp"
    source.write_text("#include <coven/vnfc.h>\nVNFC_HANDLE { std::string s; return VNFC_FORWARD; }\n")
    done = compile_(tmp_path, source)
    assert done.returncode != 0
    [error, *_] = CFramework().parse_errors(done.stderr, tmp_path)
    assert (error.file, error.line) == ("wrong.cpp", 2) and "string" in str(error.found)


def test_without_a_compiler_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(c.shutil, "which", lambda name: None)
    with pytest.raises(BuildError) as refused:
        CFramework().build_command([tmp_path / "a.cc"], tmp_path, tmp_path / "a.so", [])
    [error] = refused.value.mistakes
    assert "a.cc" in str(error.found) and "install g++" in str(error.remedy)
    assert CFramework().build_command([tmp_path / "a.c"], tmp_path, tmp_path / "a.so", [])[0] == "gcc"
