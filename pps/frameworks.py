"""The languages that VNFCs can be written in: one line a language."""

from __future__ import annotations

from pathlib import PurePosixPath

from itf.mistakes import Mistake
from pps.c.framework import CFramework
from pps.click.framework import ClickFramework
from pps.exec.framework import ExecFramework
from pps.framework import Framework
from pps.java.framework import JavaFramework
from pps.javascript.framework import JavascriptFramework
from pps.python.framework import PythonFramework

FRAMEWORKS: dict[str, type[Framework]] = {
    framework.name: framework
    for framework in (
        CFramework, PythonFramework, ClickFramework, JavaFramework, JavascriptFramework, ExecFramework,
    )
}  # fmt: skip

SUFFIXES = {suffix: name for name, framework in FRAMEWORKS.items() for suffix in framework.suffixes}


def language_of(source: str) -> str | None:
    """The language that a source's suffix says, or None."""
    return SUFFIXES.get(PurePosixPath(source).suffix)


def missing(language: str, engine: str = "auto") -> Mistake | None:
    """What runs this language, by that engine, and is not on this machine; None if it is."""
    return FRAMEWORKS[language].missing(engine)
