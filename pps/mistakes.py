"""What is wrong with a source, as a framework reports it: one dictionary a mistake.

Checks that we wrote ourselves (coven.Build for Java, check.js) print a line for each:
`FILE:LINE:COLUMN: FOUND | EXPECTED | REMEDY`, files relative to the package's root;
warnings likewise, after `warning: `.
"""

from __future__ import annotations

import re
from typing import Any

LINE = re.compile(
    r"^(?P<file>[^:]+):(?P<line>\d+):(?P<column>\d+): (?P<found>.*) \| (?P<expected>.*) \| (?P<remedy>.*)$"
)
WARNING = "warning: "


class BuildError(Exception):
    """A source cannot be built here at all. `errors` has one entry for each reason."""

    def __init__(self, errors: list[dict[str, Any]]):
        super().__init__("; ".join(f"{e['found']}: expected {e['expected']}" for e in errors))
        self.errors = errors


def mistake(field: str, found: str, expected: str, remedy: str, **place: Any) -> dict[str, Any]:
    """One mistake; `place` is file, line, column where they are known."""
    return {
        "file": None,
        "line": None,
        "column": None,
        "field": field,
        "found": found,
        "expected": expected,
        "remedy": remedy,
        **place,
    }


def read_lines(stderr: str, expected: str) -> list[dict[str, Any]]:
    """The mistakes in what a check wrote; without any, its last line, and what was `expected`."""
    errors = _lines(stderr.splitlines())
    if not errors and stderr.strip():
        errors = [mistake("source", stderr.strip().splitlines()[-1], expected, "")]
    return errors


def read_warnings(stderr: str) -> list[dict[str, Any]]:
    """The warnings in what a check wrote, which stop nothing."""
    return _lines([text.removeprefix(WARNING) for text in stderr.splitlines() if text.startswith(WARNING)])


def _lines(lines: list[str]) -> list[dict[str, Any]]:
    found = []
    for text in lines:
        if said := LINE.match(text):
            place = {"line": int(said["line"]) or None, "column": int(said["column"]) or None}
            texts = said["found"], said["expected"], said["remedy"]
            found.append({**mistake("source", *texts, file=said["file"]), **place})
    return found


def no_libs(libs: list[str], instead: str) -> None:
    """Raises BuildError if there are any: `instead` says where a component's libraries go."""
    if libs:
        raise BuildError([mistake("libs", lib, f"no libs: {instead}", "take it out") for lib in libs])
