"""What a component can rely on whatever its language: the languages that the contract is tried in
(tests/unit/pps/test_contract.py), each with the same components in its own words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pps.framework import Framework
from tests.rigs import java, javascript, python_host
from tests.rigs.contract import in_java, in_javascript, in_python
from tests.rigs.python_host import Host


@dataclass(frozen=True)
class Language:
    """`command` gives the command of a host that runs a component of that text, which it writes into a folder."""

    name: str
    framework: Framework
    why: str  #: it cannot be run here; "" if it can
    command: Callable[[Path, str], list[str]]
    texts: Mapping[str, str]
    file: str  #: of the component
    configure_line: int  #: where the component of "configuration" refuses one
    says: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  #: what the log of a component must hold
    nothing: str = ""  #: what is found where its run time is not installed

    @contextmanager
    def host(self, folder: Path, what: str, config: dict[str, Any] | None = None, **options: Any) -> Iterator[Host]:
        with Host(self.command(folder, self.texts[what]), **options) as running:
            assert running.init(config)["op"] == "ready", running.close()
            yield running


def _java(folder: Path, text: str) -> list[str]:
    artifact, errors = java.build(folder, java.component(text))
    assert not errors, errors
    return java.FRAMEWORK.host_command(artifact, "component")


def _javascript(folder: Path, text: str) -> list[str]:
    source = folder / "component.js"
    source.write_text(javascript.component(text))
    return javascript.FRAMEWORK.host_command(source, "component")


def _python(folder: Path, text: str) -> list[str]:
    source = folder / "component.py"
    source.write_text("from vnfc import *" + text)
    return python_host.FRAMEWORK.host_command(source, "component")


LANGUAGES = (
    Language(
        "java", java.FRAMEWORK, java.WHY, _java, in_java.TEXTS, "Component.java", 9,
        {
            "verdicts": (
                "Component.java: handle returned null", "IllegalStateException: oh",
                "at Component.java:17 in handle", "there is no output 'nowhere'",
            ),
            "changing": ("offset 59 in a packet of 59 bytes",),
        },
        "no javac",
    ),
    Language(
        "javascript", javascript.FRAMEWORK, javascript.WHY, _javascript, in_javascript.TEXTS, "component.js", 6,
        {
            "verdicts": (
                "component.js: handle returned undefined", "TypeError: oh", "component.js:7:",
                'there is no output "nowhere"',
            ),
            "changing": ("offset 59 in a packet of 59 bytes",),
        },
        "no node",
    ),
    Language(
        "python", python_host.FRAMEWORK, "", _python, in_python.TEXTS, "component.py", 6,
        {"verdicts": ("component.py:10: handle returned None", "KeyError: 'oh'", "nowhere")},
    ),
)  # fmt: skip
