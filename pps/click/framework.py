"""VNFCs in Click: a configuration becomes C, and the C is built and run as a C VNFC is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pps.c import CFramework, LibraryError
from pps.python import INTERPRETER_OPTIONS, interpreter

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
MISTAKE = re.compile(
    r"^(?P<file>[^:]+):(?P<line>\d+):(?P<column>\d+): (?P<found>.*) \| (?P<expected>.*) \| (?P<remedy>.*)$"
)


class ClickFramework:
    """The framework for Click configurations."""

    name = "click"
    suffixes = (".click",)

    def __init__(self) -> None:
        self.c = CFramework()
        self.engine = "auto"

    def choose_engine(self, engine: str) -> None:
        """The descriptor's `engine`: auto and compiled are one here."""
        self.engine = engine

    def artifact_name(self, vnfc: str) -> str:
        return self.c.artifact_name(vnfc)

    def host_command(self, artifact: Path, name: str) -> list[str]:
        return self.c.host_command(artifact, name)

    def visible(self) -> list[Path]:
        """What compilers and host must be able to read, beside the package and the system."""
        return [HERE, *self.c.visible()]

    def build_command(self, sources: list[Path], include: Path, output: Path, libs: list[str]) -> list[str]:
        """The command that turns configurations into `output`, to be run inside the confinement.

        Raises LibraryError.
        """
        if self.engine == "click":
            found = "click, a Click process of its own"
            raise LibraryError([_error("engine", found, "compiled or auto", "take `engine: click` out")])
        if libs:
            raise LibraryError(
                [_error("libs", lib, "no libs for a Click configuration", "take it out") for lib in libs]
            )
        generated = output.with_suffix(".c")
        compiler = self.c.build_command([generated], HERE / "runtime", output, [])
        python = [str(interpreter()), *INTERPRETER_OPTIONS, str(HERE / "build.py")]
        return [*python, str(ROOT), str(include), str(generated), *map(str, sources), "--", *compiler]

    def parse_errors(self, stderr: str, root: Path) -> list[dict[str, Any]]:
        """The mistakes in what the build wrote; files are relative to the package's root already."""
        errors: list[dict[str, Any]] = []
        for line in stderr.splitlines():
            if found := MISTAKE.match(line):
                place = {"file": found["file"], "line": int(found["line"]), "column": int(found["column"])}
                errors.append({**_error("source", found["found"], found["expected"], found["remedy"]), **place})
        return errors or self.c.parse_errors(stderr, root)


def _error(field: str, found: str, expected: str, remedy: str) -> dict[str, Any]:
    return {"file": None, "line": None, "column": None, "field": field, "found": found, "expected": expected,
            "remedy": remedy}  # fmt: skip
