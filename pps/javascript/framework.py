"""VNFCs in JavaScript: how their sources are looked at before they run, and how their host is started."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from pps.mistakes import BuildError, mistake, no_libs, read_lines

HERE = Path(__file__).resolve().parents[1]
ROOT = HERE.parent
SDK = HERE / "sdk" / "javascript"
OLDEST = 18
#: quiet, few threads, for nothing waits here, and no settings of TLS, which need not be readable
ENGINE_OPTIONS = ("--no-warnings", "--v8-pool-size=1", "--single-threaded-gc", "--openssl-config=/dev/null")


def build_folder() -> Path:
    """Where native products lie: COVEN_BUILD, or build/ of the project."""
    return Path(os.environ.get("COVEN_BUILD", ROOT / "build")).absolute()


def node() -> Path | None:
    """Node.js itself, behind all links; None without it."""
    found = shutil.which("node") or shutil.which("nodejs")
    return Path(found).resolve() if found else None


@cache
def major(program: Path) -> int:
    """The major version of that Node.js; 0 if it does not say."""
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return 0
    version = re.match(r"v(\d+)\.", said.stdout)
    return int(version[1]) if version else 0


def missing() -> tuple[str, str, str] | None:
    """(found, expected, remedy) if JavaScript VNFCs cannot be had here; None if they can."""
    program = node()
    expected = f"Node.js {OLDEST} or later"
    if program is None:
        return "no node", expected, "apt install nodejs, then `make setup-dev`"
    if major(program) < OLDEST:
        return f"{program} of version {major(program)}", expected, "apt install nodejs"
    if not (build_folder() / "coven_javascript.node").exists():
        return (
            "coven_javascript.node is not built",
            "the native build with Node.js' headers",
            "make setup-dev",
        )
    return None


class JavascriptFramework:
    """The framework for JavaScript. The artifact of a build is a note of where source and package lie."""

    name = "javascript"
    suffixes = (".js", ".cjs")
    missing = staticmethod(missing)

    def artifact_name(self, vnfc: str) -> str:
        return f"{vnfc}.javascript.json"

    def host_command(self, artifact: Path, name: str) -> list[str]:
        """The host's command, to which `--fds POOL,HOP,BELL,CONTROL` is appended. `artifact` may also be a
        source that was not checked; its folder is the package then. Raises BuildError."""
        command = [str(_node()), *ENGINE_OPTIONS, str(SDK / "host.js")]
        command += ["--library", str(build_folder() / "coven_javascript.node")]
        return [*command, "--artifact", str(artifact), "--name", name]

    def limit_heap(self, command: list[str], memory_mb: int) -> list[str]:
        """The host's command with a heap that leaves a third of `memory_mb` (MiB) to Node.js itself."""
        return [command[0], f"--max-old-space-size={max(8, memory_mb * 2 // 3)}", *command[1:]]

    def visible(self) -> list[Path]:
        """What check and host must be able to read, beside the package and the system."""
        program = node()
        own = [SDK, build_folder()]
        if program is not None and not program.is_relative_to("/usr"):
            own.append(program.parents[1] if program.parent.name == "bin" else program)
        return own

    def build_command(self, sources: list[Path], include: Path, output: Path, libs: list[str]) -> list[str]:
        """The command that checks `sources` (the first is the component) and writes the artifact `output`.

        It is to be run inside the confinement. `include` is the package's root. Raises BuildError.
        """
        no_libs(libs, "JavaScript components bring modules in the package's vendor/ folder")
        check = [str(_node()), *ENGINE_OPTIONS, str(SDK / "check.js")]
        return [*check, str(include), str(output), *map(str, sources)]

    def parse_errors(self, stderr: str, root: Path) -> list[dict[str, Any]]:
        """The errors in what the check wrote; files are relative to the package's root already."""
        return read_lines(stderr, "a source that can be checked")


def _node() -> Path:
    absent = missing()
    if absent is not None:
        raise BuildError([mistake("language", *absent)])
    program = node()
    assert program is not None
    return program
