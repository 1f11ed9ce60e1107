"""VNFCs in JavaScript: how their sources are looked at before they run, and how their host is started."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

from itf.limits import reached
from itf.mistakes import Mistake
from pps.framework import PPS, Framework, build_folder
from pps.mistakes import BuildError, no_libs, read_lines

SDK = PPS / "sdk" / "javascript"
OLDEST = 18
#: quiet, few threads, for nothing waits here, and no settings of TLS, which need not be readable
ENGINE_OPTIONS = ("--no-warnings", "--v8-pool-size=1", "--single-threaded-gc", "--openssl-config=/dev/null")


def node() -> Path | None:
    """Node.js itself, behind all links; None without it."""
    found = shutil.which("node") or shutil.which("nodejs")
    return Path(found).resolve() if found else None


@cache
def major(program: Path) -> int:
    """The major version of that Node.js; 0 if it does not say. Raises OSError when nothing can be started here."""
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=True)
    except subprocess.SubprocessError:
        return 0
    except OSError as error:
        if reached(error):
            raise
        return 0
    version = re.match(r"v(\d+)\.", said.stdout)
    return int(version[1]) if version else 0


class JavascriptFramework(Framework):
    """The framework for JavaScript. The artifact of a build is a note of where source and package lie."""

    name = "javascript"
    suffixes = (".js", ".cjs")
    needs = True

    @classmethod
    def missing(cls, engine: str = "auto") -> Mistake | None:
        program = node()
        expected = f"Node.js {OLDEST} or later"
        found = "no node" if program is None else None
        if program is None:
            remedy = "make setup-languages; or apt install nodejs libnode-dev, then `make native`"
        elif major(program) < OLDEST:
            found, remedy = f"{program} of version {major(program)}", "apt install nodejs"
        elif not (build_folder() / "coven_javascript.node").exists():
            found, expected = "coven_javascript.node is not built", "the native build with Node.js' headers"
            remedy = "make setup-languages"
        if found is None:
            return None
        return Mistake(field="language", found=found, expected=expected, remedy=remedy)

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

    def parse_errors(self, stderr: str, root: Path) -> list[Mistake]:
        """The errors in what the check wrote; files are relative to the package's root already."""
        return read_lines(stderr, "a source that can be checked")


def _node() -> Path:
    if (absent := JavascriptFramework.missing()) is not None:
        raise BuildError(absent)
    program = node()
    assert program is not None
    return program
