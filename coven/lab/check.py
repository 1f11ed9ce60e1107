"""Grading the exercises of docs/labs: `coven lab check N`.

An exercise is a folder `docs/labs/N-NAME/`:

    README.md            question, what to do, hints
    skeleton/            what a student copies and changes
    solution/            one that passes
    check/lab.yaml       title, which descriptors a solution needs, and what it must answer
    check/tests/CASE/    test cases as `coven test` knows them, run over the student's package
    check/package/       optional: laid over a copy of the student's package, to run parts of it elsewhere

Packets go through the real forwarder from captures, so nothing needs root.
"""

from __future__ import annotations

import ast
import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from coven.base.version import VERSION
from coven.base.yaml12 import read
from coven.cases.packets import write_captures
from coven.cases.runner import Case, find_cases, run_case
from coven.lab.answers import judge
from coven.lab.furniture import ROOT
from coven.package.descriptor import load
from coven.run.foreground import many_runs
from itf.mistakes import Mistake, Refused, suggest

LABS = ROOT / "docs" / "labs"
SHOWN = 2  #: failures that are shown whole; of the others only the case
PASSED, FAILED = 0, 1


@dataclass(frozen=True)
class Exercise:
    number: int
    folder: Path
    title: str
    descriptors: list[str]  #: that a solution must have
    added: list[str] = field(default_factory=list)  #: that the grader lays over it
    answers: dict[str, Any] = field(default_factory=dict)  #: what lab_answers.py judges

    @property
    def check(self) -> Path:
        return self.folder / "check"

    def cases(self) -> list[Case]:
        return find_cases(self.check)


@dataclass
class Grade:
    """What came of one point: a case with a descriptor, or an answer."""

    what: str
    failures: list[str]


def exercise(number: int) -> Exercise:
    """Raises Refused if there is no such exercise here."""
    folders = sorted(LABS.glob(f"{number}-*/check/lab.yaml"))
    if not folders:
        known = sorted(path.name.partition("-")[0] for path in LABS.glob("*-*") if path.is_dir())
        mistake = Mistake(field="N", found=str(number), expected=", ".join(known) or f"{LABS} with exercises")
        raise Refused(mistake, title="no such exercise")
    about: Any = read(folders[0].read_bytes(), str(folders[0])).plain()
    return Exercise(
        number, folders[0].parent.parent, about["title"], about["descriptors"],
        about.get("added", []), about.get("answers", {}),
    )  # fmt: skip


def check(number: int, package: Path) -> int:
    """Grade a package; prints what is wrong with it and a line for the report. 0 passed, 1 not.

    Raises Refused when the folder is no package of this exercise.
    """
    wanted = exercise(number)
    _is_attempt(wanted, package)
    grades = list(grade(wanted, package))
    failed = [each for each in grades if each.failures]
    for each in grades:
        print(f"{'FAILED' if each.failures else 'ok    '} {each.what}")
        if each in failed[:SHOWN]:
            for text in each.failures:
                print("\n".join(f"       {line}" for line in text.splitlines()))
    if failed and len(failed[0].what.split(" with ")) == 2:
        case = failed[0].what.split()[0]
        print(f"to see these packets: coven lab capture {number} --case {case} -o {case}.pcap")
    print(line(wanted, package, len(grades) - len(failed), len(grades)))
    return FAILED if failed else PASSED


def line(about: Exercise, package: Path, good: int, all_: int) -> str:
    """The line for a report: what was handed in can be told by the digest of its files."""
    word = "PASSED" if good == all_ else "FAILED"
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return (
        f"coven lab {about.number} ({about.title}): {word}, {good} of {all_} points, "
        f"package {digest(package)}, coven {VERSION}, {when}"
    )


def digest(package: Path) -> str:
    """The first 16 hex digits of SHA-256 over names and contents of the package's files."""
    total = hashlib.sha256()
    for path in sorted(path for path in package.rglob("*") if path.is_file()):
        if path.suffix not in (".pcap", ".pcapng", ".pyc"):  # captures that were written while trying
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            total.update(f"{path.relative_to(package)} {content}\n".encode())
    return total.hexdigest()[:16]


def _is_attempt(about: Exercise, package: Path) -> None:
    """Raises Refused, with everything that is missing, unless the folder looks like an attempt."""
    skeleton = about.folder / "skeleton"
    remedy = f"begin with a copy: cp -r {skeleton} mine; then --package mine"
    if not package.is_dir():
        mistake = Mistake(
            file=str(package), field="--package", found="no such folder", expected="your package", remedy=remedy
        )
        raise Refused(mistake, title="nothing to grade")
    missing = [name for name in about.descriptors if not (package / name).is_file()]
    if missing:
        mistakes = [Mistake(
            file=str(package / name), found="no such file",
            expected=f"a descriptor that exercise {about.number} asks for", remedy=remedy
        )
                    for name in missing]  # fmt: skip
        raise Refused(mistakes, title=f"not a package of exercise {about.number}")


def grade(about: Exercise, package: Path) -> Iterator[Grade]:
    """Every point of an exercise, in order."""
    with tempfile.TemporaryDirectory(prefix="coven-lab-check-") as place, many_runs() as run:
        copy = Path(place) / "package"
        shutil.copytree(package, copy, ignore=shutil.ignore_patterns("*.pcap", "__pycache__", "tests"))
        if (about.check / "package").is_dir():
            shutil.copytree(about.check / "package", copy, dirs_exist_ok=True)
        cases = about.cases()
        for name in [*about.descriptors, *about.added]:
            try:
                _names(about, cases, copy / name)
            except Refused as refused:
                yield Grade(name, [_shorter(str(refused), copy)])
                continue
            for case in cases:
                if name in (case.expect.descriptors or [name]):
                    result = run_case(case, copy / name, run)
                    failures = [_shorter(text, copy) for text in result.failures]
                    if failures and (about_case := _about(case)):
                        failures.insert(0, about_case)
                    yield Grade(f"{case.name} with {name}", failures)
                    if result.error:
                        break  # it does not build: the other cases would say the same
        for what, failures in judge(about.answers, package):
            yield Grade(what, failures)


def _about(case: Case) -> str:
    """What a case is about: the first words of its in.py."""
    if case.generator is None:
        return ""
    return ast.get_docstring(ast.parse(case.generator.read_text())) or ""


def _names(about: Exercise, cases: list[Case], path: Path) -> None:
    """Raises Refused unless the descriptor has the ports and VNFCs that the exercise speaks of."""
    descriptor = load(path, path.name)
    have = {*descriptor.ports, *descriptor.vnfcs}
    asked = {place for case in cases if path.name in (case.expect.descriptors or [path.name])
             for place in case.places()}  # fmt: skip
    mistakes = [
        Mistake(
            file=path.name, field="vnfcs", found=f"no {name}",
            expected=(f"a VNFC {name}: exercise {about.number} "
                "counts its drops"),
            remedy=suggest(name, have)
        )
        for name in sorted(asked - have)
    ]  # fmt: skip
    if mistakes:
        raise Refused(mistakes, title="other names than the exercise's")


def _shorter(text: str, copy: Path) -> str:
    """Without the name of the copy that was graded: the student knows the files by their own names."""
    return text.replace(f"{copy}/", "")


def write_capture(number: int, output: Path, name: str | None = None) -> int:
    """Write what arrives by the port `in` in one case of an exercise (the first). Raises Refused."""
    about = exercise(number)
    cases = {case.name: case for case in about.cases()}
    if name is not None and name not in cases:
        mistake = Mistake(field="--case", found=name, expected="a case of the exercise", remedy=suggest(name, cases))
        raise Refused(mistake, title="no such case")
    case = cases[name] if name else next(iter(cases.values()))
    packets = [packet for packet in case.packets() if packet.port in (None, "in")]
    with tempfile.TemporaryDirectory(prefix="coven-lab-capture-") as place:
        made = write_captures(packets, Path(place), "in")
        if not made:
            mistake = Mistake(field="--case", found=case.name, expected="packets by the port in")
            raise Refused(mistake, title="nothing to write")
        shutil.copyfile(made["in"], output)
    print(f"{output}: {len(packets)} packets, case {case.name} of exercise {number}")
    others = [other for other in cases if other != case.name]
    if others:
        print(f"other cases: {', '.join(others)} (--case)")
    return 0
