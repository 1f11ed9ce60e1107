"""What `coven check` finds because it loads VNFCs: in their confinement, without a packet, each in its language."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PYTHON = "from vnfc import drop, forward, reason\n"
JAVASCRIPT = 'const { drop, forward, reason } = require("vnfc");\n'
JAVA = "import coven.*;\nclass %s extends Vnfc {\n"

#: VNFC: (source's suffix, source, line, found, remedy); a source without a suffix is an executable
WRONG: dict[str, tuple[str, str, int | None, str, str]] = {
    "no-such-module": (
        "py", PYTHON + "import requests\ndef handle(packet):\n    return forward()\n", 2,
        "No module named 'requests'", "the standard library, NumPy, Scapy",
    ),
    "two-handlers": (
        "py", PYTHON + "def handle(packet):\n    return forward()\ndef handle_burst(burst):\n    pass\n", 4,
        "both handle and handle_burst", "take one of them out",
    ),
    "reason-py": ("py", PYTHON + 'x = reason("Tel Net", "x")\ndef handle(packet): return drop(x)\n', 2, "Tel Net", ""),
    "reason-js": ("js", JAVASCRIPT + 'const x = reason("Tel Net");\nexports.handle = () => drop(x);\n', 2,
                  "Tel Net", ""),
    "reason-c": ("c", '#include <coven/vnfc.h>\nVNFC_REASON(died, "x");\nVNFC_HANDLE { return VNFC_DROP(died); }\n', 2,
                 "died", "choose another name"),
    "Reasons": ("java", JAVA % "Reasons" + '  final Reason r = reason("Tel Net", "x");\n'
                "  @Override public Verdict handle(Packet p) { return drop(r); }\n}\n", 3, "Tel Net", ""),
    "handel-js": ("js", JAVASCRIPT + "\nexports.handel = () => forward();\n", 3,
                  "did you mean 'handle'?", "export one"),
    "import-js": ("js", 'const { forwad } = require("vnfc");\nexports.handle = () => forwad();\n', 1,
                  "vnfc has no 'forwad': did you mean 'forward'?", ""),
    "module-js": ("js", JAVASCRIPT + 'require("nosuch");\nexports.handle = () => forward();\n', 2, "nosuch", "vendor/"),
    "Nothing": ("java", JAVA % "Nothing" + "}\n", None, "neither handle nor handleBurst", "define one of them"),
    "no-handler": ("c", "#include <coven/vnfc.h>\nint x(void) { return 1; }\n", None, "no VNFC_HANDLE", "VNFC_FORWARD"),
    "no-interpreter": ("", "print(1)\n", None, "nor a script with a #! line", "#!/usr/bin/env python3"),
    "other-interpreter": ("", "#!/usr/bin/nosuch\n", None, "its interpreter is not there", ""),
    "no-component": ("", "#!/bin/sh\nexit 7\n", None, "exit status 7", "docs/exec.md"),
    "output": ("click", "FromDevice(in)\n  -> ToDevice(out2);\n", 2, "ToDevice: out2", ""),
}  # fmt: skip
if not os.environ.get("COVEN_SANITIZE"):  # which tell it in their own words
    WRONG["crash-c"] = (
        "c", "#include <coven/vnfc.h>\nVNFC_INIT { __builtin_trap(); }\nVNFC_HANDLE { return VNFC_FORWARD; }\n", 2,
        "in VNFC_INIT: killed by SIGILL", "",
    )  # fmt: skip


def write(folder: Path) -> None:
    folder.mkdir()
    lines = ['name: t\nversion: "1"\nvnfcs:\n']
    for name, (suffix, source, *_) in WRONG.items():
        vnfc, file = name.lower(), f"{name}.{suffix}" if suffix else name
        lines.append(f"  {vnfc}: {{source: {file}{'' if suffix else ', language: exec'}}}\n")
        (folder / file).write_text(source)
    lines.append(f"chain: in -> {' -> '.join(map(str.lower, WRONG))} -> out\n")
    (folder / "vnf.yaml").write_text("".join(lines))


def check(folder: Path, state: Path, *before: str) -> tuple[int, dict[str, list[dict[str, str | int | None]]]]:
    done = subprocess.run(
        [*before, sys.executable, "-m", "coven", "check", "--json", str(folder)],
        cwd=ROOT, env={**os.environ, "COVEN_STATE": str(state)}, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def test_all_that_only_loading_tells(tmp_path: Path) -> None:
    """All VNFCs of one package, at once; each is wrong once, at its place, by the author's names."""
    write(tmp_path / "p")
    status, said = check(tmp_path / "p", tmp_path / "state")
    assert status == 1
    by_file = {str(error["file"]): error for error in said["errors"]}
    assert len(said["errors"]) == len(WRONG), [error["found"] for error in said["errors"]]
    for name, (suffix, _, line, found, remedy) in WRONG.items():
        error = by_file[f"{name}.{suffix}" if suffix else name]
        assert (error["line"], name) == (line, name)
        assert found in str(error["found"]), error
        assert remedy in (error["remedy"] or ""), error
    assert "/run-" not in json.dumps(said), "no file of ours, which is gone by now"


def test_what_is_loaded_leaves_nothing(tmp_path: Path) -> None:
    """Memory groups, processes and folders of a trial end with it."""
    write(tmp_path / "p")
    run = Path("/run/coven") if os.geteuid() == 0 else None
    check(tmp_path / "p", tmp_path / "state")
    assert run is None or not list(run.glob("run-*"))


@pytest.mark.root
def test_without_root() -> None:
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    if subprocess.run([*nobody, sys.executable, "-c", "import coven"], cwd=ROOT, check=False).returncode:
        pytest.skip("nobody may not read this checkout")
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / "p")
        for path in (folder, f"{folder}/p"):
            os.chmod(path, 0o777)
        status, said = check(Path(folder) / "p", Path(folder) / "state", *nobody)
        assert status == 1 and len(said["errors"]) == len(WRONG), said["errors"]
