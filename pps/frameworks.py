"""The languages that VNFCs can be written in: one line a language.

A framework says how sources become an artifact (`build_command`, run in confinement; `parse_errors` reads
what it wrote), how the host of an artifact is started (`host_command`), and what both must be able to read
(`visible`). One with a heap of its own also says how it is bounded (`limit_heap`), one that
knows several engines takes the descriptor's choice (`choose_engine`).
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from pps.c.framework import CFramework
from pps.click.framework import ClickFramework
from pps.exec.framework import ExecFramework
from pps.java.framework import JavaFramework
from pps.javascript.framework import JavascriptFramework
from pps.python.framework import PythonFramework


class Framework(Protocol):
    name: str
    suffixes: Any  #: of file names, a tuple

    def artifact_name(self, vnfc: str) -> str: ...
    def build_command(
        self, sources: list[Path], include: Path, output: Path, libs: list[str]
    ) -> list[str]: ...
    def parse_errors(self, stderr: str, root: Path) -> list[dict[str, Any]]: ...
    def host_command(self, artifact: Path, name: str) -> list[str]: ...
    def visible(self) -> list[Path]: ...


FRAMEWORKS: dict[str, type[Framework]] = {
    "c": CFramework,
    "click": ClickFramework,
    "exec": ExecFramework,
    "java": JavaFramework,
    "javascript": JavascriptFramework,
    "python": PythonFramework,
}

SUFFIXES = {suffix: name for name, framework in FRAMEWORKS.items() for suffix in framework.suffixes}


def language_of(source: str) -> str | None:
    """The language that a source's suffix says, or None."""
    return SUFFIXES.get(PurePosixPath(source).suffix)


def missing(language: str, engine: str = "auto") -> tuple[str, str, str] | None:
    """(found, expected, remedy) if what runs this language, by that engine, is not on this machine; None if it is."""
    framework = FRAMEWORKS[language]
    if engine != "auto" and (by_engine := getattr(framework, "missing_engine", None)) is not None:
        return by_engine(engine)
    look = getattr(framework, "missing", None)
    return look() if look is not None else None
