"""VNFCs in Python: how their sources are looked at before they run, and how their host is started."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from pathlib import Path
from typing import Any

from pps.mistakes import mistake, no_libs

HERE = Path(__file__).resolve().parents[1]
ROOT = HERE.parent
SDK = HERE / "sdk" / "python"
#: what a component may import beside the standard library
PACKAGES = ("numpy", "scapy")
#: isolated from environment and user, no site, no bytecode written: sys.path holds what the host puts there
INTERPRETER_OPTIONS = ("-I", "-S", "-B")

MISTAKE = re.compile(
    r"^(?P<file>[^:]+):(?P<line>\d+):(?P<column>\d+): (?P<found>.*) \| (?P<expected>.*) \| (?P<remedy>.*)$"
)


def build_folder() -> Path:
    """Where native products lie: COVEN_BUILD, or build/ of the project."""
    return Path(os.environ.get("COVEN_BUILD", ROOT / "build")).absolute()


def interpreter() -> Path:
    """The interpreter itself, not a virtual environment's link to it: such a link leads nowhere confined."""
    return Path(os.path.realpath(getattr(sys, "_base_executable", sys.executable)))


def package_folders() -> list[Path]:
    """The folders of NumPy and Scapy, as far as they are installed."""
    specs = [importlib.util.find_spec(name) for name in PACKAGES]
    return [
        Path(s.submodule_search_locations[0]).resolve() for s in specs if s and s.submodule_search_locations
    ]


def library_folders() -> list[Path]:
    """The shared libraries that wheels bring along beside their package (numpy.libs)."""
    beside = [folder.with_name(f"{folder.name}.libs") for folder in package_folders()]
    return [folder for folder in beside if folder.is_dir()]


class PythonFramework:
    """The framework for Python. The artifact of a build is a note of where source and package lie."""

    name = "python"
    suffixes = (".py",)

    def artifact_name(self, vnfc: str) -> str:
        return f"{vnfc}.python.json"

    def host_command(self, artifact: Path, name: str) -> list[str]:
        """The host's command, to which `--fds POOL,HOP,BELL,CONTROL` is appended. `artifact` may also be a
        source that was not built; its folder is the package then."""
        command = [str(interpreter()), *INTERPRETER_OPTIONS, str(SDK / "vnfc_host.py")]
        command += ["--extension", str(build_folder())]
        for folder in package_folders():
            command += ["--package", str(folder)]
        return [*command, "--artifact", str(artifact), "--name", name]

    def visible(self) -> list[Path]:
        """What check and host must be able to read, beside the package and the system."""
        own = [SDK, build_folder(), *package_folders(), *library_folders()]
        prefix = Path(sys.base_prefix).resolve()
        return own if prefix in (Path("/usr"), Path("/")) else [*own, prefix]

    def build_command(self, sources: list[Path], include: Path, output: Path, libs: list[str]) -> list[str]:
        """The command that checks `sources` (the first is the component) and writes the artifact `output`.

        It is to be run inside the confinement. `include` is the package's root. Raises BuildError.
        """
        no_libs(libs, "Python components bring modules in the package's vendor/ folder")
        check = [str(interpreter()), *INTERPRETER_OPTIONS, str(SDK / "vnfc_check.py")]
        return [*check, str(include), str(output), *map(str, sources)]

    def parse_errors(self, stderr: str, root: Path) -> list[dict[str, Any]]:
        """The errors in what the check wrote; files are relative to the package's root already."""
        errors: list[dict[str, Any]] = []
        for text in stderr.splitlines():
            if found := MISTAKE.match(text):
                place = {"line": int(found["line"]) or None, "column": int(found["column"]) or None}
                texts = found["found"], found["expected"], found["remedy"]
                errors.append({**mistake("source", *texts, file=found["file"]), **place})
        if not errors and stderr.strip():
            errors = [mistake("source", stderr.strip().splitlines()[-1], "a source that can be checked", "")]
        return errors
