"""Building C VNFCs: one source or several, as C++, and what the compiler says against it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from itf.segment import C
from pps.c.framework import CFramework
from pps.mistakes import BuildError
from pps.python.framework import PythonFramework
from tests.rigs.fake_forwarder import FakeForwarder
from tests.unit.pps.test_host_c import CONFIG, PACKET


def test_cxx17(tmp_path: Path) -> None:
    source = tmp_path / "vnfc.cc"
    source.write_text("#include <coven/vnfc.h>\n" + CONFIG + "VNFC_STATE(struct { int a, b; });\n")
    command = CFramework().build_command([source], tmp_path, tmp_path / "x.so", [])
    command = ["g++", "-std=c++17", "-Wextra", "-Werror", *(c for c in command[1:] if c != "-std=gnu11")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with FakeForwarder(CFramework().host_command(tmp_path / "x.so", "x")) as f:
        assert f.init({"limit": 100, "block": [], "word": "hi"})["op"] == "ready"
        f.send(PACKET)
        assert [b.verdict for b in f.collect(1)] == [C.VERDICT_FORWARD]


def test_several_sources_are_one_component(tmp_path: Path) -> None:
    one, two, header = tmp_path / "one.c", tmp_path / "two.c", tmp_path / "both.h"
    header.write_text(
        '#include <coven/vnfc.h>\nVNFC_REASON(shared, "in both");\nvnfc_verdict decide(void);\n'
    )
    one.write_text('#include "both.h"\nVNFC_HANDLE { return p->mark ? VNFC_DROP(shared) : decide(); }\n')
    two.write_text('#include "both.h"\nvnfc_verdict decide(void) { vnfc_now(); return VNFC_DROP(shared); }\n')
    output = tmp_path / "x.so"
    subprocess.run(
        CFramework().build_command([one, two], tmp_path, output, []), check=True, capture_output=True
    )
    with FakeForwarder(CFramework().host_command(output, "x")) as f:
        assert f.init()["op"] == "ready"
        f.send(PACKET)
        [back] = f.collect(1)
        assert f.reasons() == {back.arg: "shared"}


@pytest.mark.parametrize(
    ("source", "file", "line", "found", "remedy"),
    [
        ("#include <coven/vnfc.h>\nVNFC_HANDLE { return VNFC_DROP(nope); }\n", "a.c", 2, "nope", None),
        (
            "#include <coven/vnfc.h>\nVNFC_HANDLE { return VNFC_FORWRD; }\n",
            "a.c", 2, "FORWRD", "write VNFC_FORWARD",
        ),
        ("#include <nothing.h>\n", "a.c", 1, "nothing.h", None),
        (
            "#include <coven/vnfc.h>\nvoid gone(void);\nVNFC_HANDLE { gone(); return VNFC_FORWARD; }\n",
            "a.c", 3, "undefined reference to `gone'", "define it, or name its library in `libs`",
        ),
    ],
)  # fmt: skip
def test_compiler_errors(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    source: str,
    file: str,
    line: int,
    found: str,
    remedy: str | None,
) -> None:
    monkeypatch.delenv("COVEN_SANITIZE", raising=False)  # sanitizers let undefined functions through
    (tmp_path / "a.c").write_text(source)
    framework = CFramework()
    command = framework.build_command([tmp_path / "a.c"], tmp_path, tmp_path / "a.so", [])
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    errors = framework.parse_errors(done.stderr, tmp_path)
    assert [(e.file, e.line) for e in errors][:1] == [(file, line)]
    assert found in str(errors[0].found)
    if remedy:
        assert errors[0].remedy == remedy


def test_the_build_folder_is_found_from_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts run elsewhere than whoever says COVEN_BUILD=build/asan."""
    monkeypatch.setenv("COVEN_BUILD", "build/asan")
    for framework in (CFramework(), PythonFramework()):
        assert Path.cwd() / "build" / "asan" in framework.visible()


@pytest.mark.parametrize(
    ("suffix", "line"),
    [
        ("c", "size_t n; vnfc_payload(p, &n);"), ("c", "const uint8_t *data = p->len; (void)data;"),
        ("cc", "size_t n; vnfc_payload(p, &n);"),
    ],
)  # fmt: skip
def test_a_wrong_pointer_is_an_error(tmp_path: Path, suffix: str, line: str) -> None:
    """It would be written to, or read, as what it is not."""
    source = tmp_path / f"a.{suffix}"
    source.write_text(f"#include <coven/vnfc.h>\nVNFC_HANDLE {{ {line} return VNFC_FORWARD; }}\n")
    framework = CFramework()
    command = framework.build_command([source], tmp_path, tmp_path / "a.so", [])
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert [(e.file, e.line) for e in framework.parse_errors(done.stderr, tmp_path)] == [(source.name, 2)]


def test_libs(tmp_path: Path) -> None:
    framework = CFramework()
    with pytest.raises(BuildError) as refused:
        framework.build_command([], tmp_path, tmp_path / "a.so", ["libevil", "zlib"])
    assert refused.value.mistakes[0].found == "libevil"
    assert framework.build_command([], tmp_path, tmp_path / "a.so", [])[-1] == "-lm"
