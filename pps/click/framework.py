"""VNFCs in Click: a configuration becomes C, built and run as a C VNFC is; or a Click process runs it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pps.c.framework import CFramework, build_folder
from pps.click import router
from pps.mistakes import BuildError, mistake, no_libs
from pps.python.framework import INTERPRETER_OPTIONS, interpreter

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
MISTAKE = re.compile(
    r"^(?P<file>[^:]+):(?P<line>\d+):(?P<column>\d+): (?P<found>.*) \| (?P<expected>.*) \| (?P<remedy>.*)$"
)
LACKS = re.compile(r"^(?P<file>[^:\n]+):(?P<line>\d+):(?P<column>\d+): note: (?P<why>.*)$", re.MULTILINE)


class ClickFramework:
    """The framework for Click configurations."""

    name = "click"
    suffixes = (".click",)

    def __init__(self) -> None:
        self.c = CFramework()
        self.engine = "auto"
        self.click = router.find()

    def choose_engine(self, engine: str) -> None:
        """`compiled`, `click` (a Click process), or `auto`: a Click process only for what the compiler lacks."""
        self.engine = engine

    @staticmethod
    def missing_engine(engine: str) -> tuple[str, str, str] | None:
        """What `engine` needs and this machine does not have."""
        return router.absent() if engine == "click" and router.find() is None else None

    def artifact_name(self, vnfc: str) -> str:
        return self.c.artifact_name(vnfc)

    def host_command(self, artifact: Path, name: str) -> list[str]:
        process = artifact.with_suffix(".json")
        if not process.exists():
            return self.c.host_command(artifact, name)
        bridge = str(build_folder() / "coven-host-exec")
        return [bridge, "--artifact", str(process), "--engine", "click", "--name", name]

    def visible(self) -> list[Path]:
        """What compilers and host must be able to read, beside the package and the system."""
        click = [self.click] if self.click and self.engine != "compiled" else []
        return [HERE, *self.c.visible(), *click]

    def build_command(self, sources: list[Path], include: Path, output: Path, libs: list[str]) -> list[str]:
        """The command that turns configurations into `output`, to be run inside the confinement.

        Raises BuildError.
        """
        if (absent := self.missing_engine(self.engine)) is not None:
            raise BuildError([mistake("engine", *absent)])
        no_libs(libs, "a Click configuration has none")
        generated = output.with_suffix(".c")
        compiler = self.c.build_command([generated], HERE / "runtime", output, [])
        python = [str(interpreter()), *INTERPRETER_OPTIONS, str(HERE / "build.py"), self.engine, str(self.click or "")]
        return [*python, str(ROOT), str(include), str(generated), *map(str, sources), "--", *compiler]

    def parse_errors(self, stderr: str, root: Path) -> list[dict[str, Any]]:
        """The mistakes in what the build wrote; files are relative to the package's root already."""
        errors: list[dict[str, Any]] = []
        for line in stderr.splitlines():
            if found := MISTAKE.match(line):
                place = {"file": found["file"], "line": int(found["line"]), "column": int(found["column"])}
                errors.append({**mistake("source", found["found"], found["expected"], found["remedy"]), **place})
        return errors or self.c.parse_errors(stderr, root)

    def parse_warnings(self, output: str, root: Path) -> list[dict[str, Any]]:
        """Whether `auto` has chosen a Click process, and why."""
        lacks = LACKS.search(output)
        if lacks is None:
            return []
        found = f"it runs in a Click process: {lacks['why']}"
        error = mistake("engine", found, "elements that are compiled", "packets are copied: see docs/click.md")
        return [{**error, "file": lacks["file"], "line": int(lacks["line"]), "column": int(lacks["column"])}]
