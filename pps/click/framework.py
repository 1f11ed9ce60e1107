"""VNFCs in Click: a configuration becomes C, built and run as a C VNFC is; or a Click process runs it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from itf.mistakes import Mistake
from pps.c.framework import CFramework
from pps.click import router
from pps.exec.framework import bridged
from pps.framework import ROOT, Framework, build_folder
from pps.mistakes import BuildError, check_lines, no_libs
from pps.python.framework import INTERPRETER_OPTIONS, interpreter

HERE = Path(__file__).resolve().parent
LACKS = re.compile(r"^(?P<file>[^:\n]+):(?P<line>\d+):(?P<column>\d+): note: (?P<why>.*)$", re.MULTILINE)


class ClickFramework(Framework):
    """The framework for Click configurations."""

    name = "click"
    suffixes = (".click",)
    engines = ("compiled", "click")
    light = True

    def __init__(self) -> None:
        self.c = CFramework()
        self.engine = "auto"
        self.click = router.find()

    def choose_engine(self, engine: str) -> None:
        """`compiled`, `click` (a Click process), or `auto`: a Click process only for what the compiler lacks."""
        self.engine = engine

    @classmethod
    def missing(cls, engine: str = "auto") -> Mistake | None:
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
        if (absent := self.missing(self.engine)) is not None:
            raise BuildError(absent)
        no_libs(libs, "a Click configuration has none")
        generated = output.with_suffix(".c")
        compiler = self.c.build_command([generated], HERE / "runtime", output, [])
        python = [str(interpreter()), *INTERPRETER_OPTIONS, str(HERE / "build.py"), self.engine, str(self.click or "")]
        return [*python, str(ROOT), str(include), str(generated), *map(str, sources), "--", *compiler]

    def parse_errors(self, stderr: str, root: Path) -> list[Mistake]:
        """The mistakes in what the build wrote; files are relative to the package's root already."""
        return check_lines(stderr) or self.c.parse_errors(stderr, root)

    def parse_warnings(self, output: str, root: Path) -> list[Mistake]:
        """Whether `auto` has chosen a Click process, and why."""
        lacks = LACKS.search(output)
        if lacks is None:
            return []
        return [
            Mistake(
                file=lacks["file"], line=int(lacks["line"]), column=int(lacks["column"]), field="engine",
                found=f"it runs in a Click process: {lacks['why']}", expected="elements that are compiled",
                remedy="packets are copied: see docs/click.md",
            )
        ]  # fmt: skip

    def engine_of(self, command: Sequence[str]) -> str | None:
        return bridged(command) or "compiled"
