"""What a language says of itself: `Framework`, which one class a language extends (`frameworks.py` lists them).

A framework says how sources become an artifact (`build_command`, run in confinement; `parse_errors` and
`parse_warnings` read what it wrote), how the host of an artifact is started (`host_command`), and what both must be
able to read (`visible`). Fields of its mistakes are those of a VNFC in the descriptor: `source`, `libs[0]`, `engine`.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar

from itf.mistakes import Mistake

PPS = Path(__file__).resolve().parent
ROOT = PPS.parent


def build_folder() -> Path:
    """Where native products lie: COVEN_BUILD, or build/ of the project."""
    return Path(os.environ.get("COVEN_BUILD", ROOT / "build")).absolute()


class Framework(ABC):
    """One language. `name` is what the descriptor calls it, `suffixes` are those of its sources' names."""

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]] = ()
    engines: ClassVar[tuple[str, ...]] = ()  #: what `engine` may say beside `auto`
    own_libs: ClassVar[bool] = False  #: whether `libs` means something to it
    light: ClassVar[bool] = False  #: its hosts need little of a core, and share the forwarder's
    tcp: ClassVar[bool] = False  #: its components are reached over TCP, on the loopback of their own namespace
    needs: ClassVar[bool] = False  #: something beside Coven itself, that a machine may not have
    stops_itself: ClassVar[bool] = False  #: when debugged, at a breakpoint in the source: nobody has to attach first

    def choose_engine(self, engine: str) -> None:  # noqa: B027 - most have one way to run
        """Take the descriptor's choice: `auto`, or one of `engines`."""

    def allow(self, libs: Iterable[str]) -> None:  # noqa: B027 - most have no libs
        """The pkg-config names that the operator lets components link, instead of the usual ones."""

    @classmethod
    def missing(cls, engine: str = "auto") -> Mistake | None:
        """What this language, by that engine, needs and this machine does not have; None if it can be run here."""
        return None

    @abstractmethod
    def artifact_name(self, vnfc: str) -> str: ...

    @abstractmethod
    def build_command(self, sources: list[Path], include: Path, output: Path, libs: list[str]) -> list[str]:
        """The command that makes `output` of `sources`, of which the first is the component itself.

        It is to be run inside the confinement. `include` is the package's root. Raises BuildError.
        """

    @abstractmethod
    def parse_errors(self, stderr: str, root: Path) -> list[Mistake]:
        """The mistakes in what a build that failed has written, files relative to the package's root."""

    def parse_warnings(self, output: str, root: Path) -> list[Mistake]:
        """What a build has to say that stops nothing."""
        return []

    @abstractmethod
    def host_command(self, artifact: Path, name: str) -> list[str]:
        """The command of the VNFC `name`'s host, to which `--fds POOL,HOP,BELL,CONTROL` is appended. Raises
        BuildError."""

    def limit_heap(self, command: list[str], memory_mb: int) -> list[str]:
        """The host's command, with a heap that fits into `memory_mb` (MiB) where the language has one of its own."""
        return command

    def engine_of(self, command: Sequence[str]) -> str | None:
        """What `auto` came to in a host's command; None where there is no choice."""
        return None

    @abstractmethod
    def visible(self) -> list[Path]:
        """What build and host must be able to read, beside the package and the system."""
