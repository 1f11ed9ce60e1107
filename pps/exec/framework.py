"""VNFCs that are executables of their own: any program that speaks one of two protocols (docs/exec.md)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from itf.mistakes import Mistake
from pps.framework import Framework, build_folder
from pps.mistakes import last_line


class ExecFramework(Framework):
    """The framework for executables. A build copies the first source to where it may be executed: a zip has
    no such bit."""

    name = "exec"
    engines = ("framed", "coven-socket")
    tcp = True

    def __init__(self) -> None:
        self.engine = self.engines[0]

    def choose_engine(self, engine: str) -> None:
        """How packets are carried: one of `engines`, or `auto`, which is the first."""
        self.engine = self.engines[0] if engine == "auto" else engine

    def artifact_name(self, vnfc: str) -> str:
        return vnfc

    def host_command(self, artifact: Path, name: str) -> list[str]:
        """The bridge's command, to which `--fds POOL,HOP,BELL,CONTROL` is appended."""
        bridge = str(build_folder() / "coven-host-exec")
        return [bridge, "--artifact", str(artifact), "--engine", self.engine, "--name", name]

    def visible(self) -> list[Path]:
        """What build and bridge must be able to read, beside the package and the system."""
        return [build_folder(), *Path("/etc").glob("java-*")]  # Debian's JDK keeps its settings there

    def build_command(self, sources: list[Path], include: Path, output: Path, libs: list[str]) -> list[str]:
        """The command that puts the executable into place, to be run inside the confinement."""
        return ["install", "-m", "0755", str(sources[0]), str(output)]

    def parse_errors(self, stderr: str, root: Path) -> list[Mistake]:
        """What `install` had to say."""
        return last_line(stderr, "a file that can be copied")

    def engine_of(self, command: Sequence[str]) -> str | None:
        return bridged(command)


def bridged(command: Sequence[str]) -> str | None:
    """The engine that a bridge's command names; None for another program's."""
    return command[command.index("--engine") + 1] if "--engine" in command else None
