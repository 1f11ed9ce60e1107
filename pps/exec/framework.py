"""VNFCs that are executables of their own: any program that speaks one of two protocols (docs/exec.md)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from itf.mistakes import Mistake
from pps.framework import Framework, build_folder
from pps.mistakes import SOURCE, BuildError, last_line
from pps.sources import head_of

MOST_BYTES = 4096  #: of a file, to see its first line


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
        if (line := _first_line(sources[0], include)).endswith(b"\r"):
            source = str(sources[0].relative_to(include))
            raise BuildError(Mistake(
                file=source, line=1, field=SOURCE, found=f"{line[:-1].decode(errors='replace')} and a carriage return",
                expected="no carriage return: the kernel takes it for a part of the interpreter's name",
                remedy=f"save it with Unix line ends: sed -i 's/\\r$//' {source}",
            ))  # fmt: skip
        return ["install", "-m", "0755", str(sources[0]), str(output)]

    def parse_errors(self, stderr: str, root: Path) -> list[Mistake]:
        """What `install` had to say."""
        return last_line(stderr, "a file that can be copied")

    def engine_of(self, command: Sequence[str]) -> str | None:
        return bridged(command)


def _first_line(source: Path, package: Path) -> bytes:
    """That says by which interpreter a script runs; nothing if it does not."""
    head = head_of(source, package, MOST_BYTES) or b""
    return head.partition(b"\n")[0] if head.startswith(b"#!") else b""


def bridged(command: Sequence[str]) -> str | None:
    """The engine that a bridge's command names; None for another program's."""
    return command[command.index("--engine") + 1] if "--engine" in command else None
