"""What is wrong with a source: sources that cannot be built here at all, and what a check wrote.

Checks that we wrote ourselves (coven.Build for Java, check.js, vnfc_check.py, Click's compiler) print a line for each:
`FILE:LINE:COLUMN: FOUND | EXPECTED | REMEDY`, files relative to the package's root; warnings likewise, after
`warning: `.
"""

from __future__ import annotations

import re

from itf.mistakes import Mistake, Refused

LINE = re.compile(
    r"^(?P<file>[^:]+):(?P<line>\d+):(?P<column>\d+): (?P<found>.*) \| (?P<expected>.*) \| (?P<remedy>.*)$"
)
WARNING = "warning: "
SOURCE = "source"  #: the field of what is wrong with a source


class BuildError(Refused):
    """A source cannot be built here at all."""


def read_lines(stderr: str, expected: str) -> list[Mistake]:
    """The mistakes in what a check wrote; without any, its last line, and what was `expected`."""
    return check_lines(stderr) or last_line(stderr, expected)


def check_lines(stderr: str) -> list[Mistake]:
    """The mistakes in what a check wrote, nothing else."""
    return _read(stderr.splitlines())


def read_warnings(stderr: str) -> list[Mistake]:
    """The warnings in what a check wrote, which stop nothing."""
    return _read([text.removeprefix(WARNING) for text in stderr.splitlines() if text.startswith(WARNING)])


def last_line(stderr: str, expected: str) -> list[Mistake]:
    """What a tool said last, if it said anything."""
    lines = stderr.strip().splitlines()[-1:]
    return [Mistake(field=SOURCE, found=line.strip(), expected=expected) for line in lines]


def _read(lines: list[str]) -> list[Mistake]:
    return [
        Mistake(
            file=said["file"], line=int(said["line"]) or None, column=int(said["column"]) or None, field=SOURCE,
            found=said["found"], expected=said["expected"] or None, remedy=said["remedy"] or None,
        )
        for said in map(LINE.match, lines)
        if said
    ]  # fmt: skip


def no_libs(libs: list[str], instead: str) -> None:
    """Raises BuildError if there are any: `instead` says where a component's libraries go."""
    if libs:
        expected = f"no libs: {instead}"
        raise BuildError(Mistake(field="libs", found=lib, expected=expected, remedy="take it out") for lib in libs)
