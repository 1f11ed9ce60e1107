"""Grading the exercises of docs/labs: `coven lab check N`.

Packets go through the real forwarder from captures, so nothing needs root.
"""

from __future__ import annotations

import ast
import json
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from coven.base.terminal import progress
from coven.base.version import VERSION
from coven.base.yaml12 import read
from coven.cases.runner import Case, run_case
from coven.lab.answers import judge, judge_figures
from coven.lab.exercise import Exercise, digest, exercise
from coven.lab.measure import rates
from coven.package.descriptor import load
from coven.package.model import Vnfc
from coven.run.foreground import many_runs
from itf.mistakes import Mistake, Refused, suggest

SHOWN = 2  #: failures that are shown whole; of the others only the case
PASSED, FAILED = 0, 1
MEASURED_PACKETS = 1 << 18  #: enough to tell a burst from a loop


@dataclass(frozen=True)
class Chosen:
    """What of an exercise is graded: all, or one case, or that with one descriptor."""

    case: str | None = None
    descriptor: str | None = None
    explain: bool = False

    @property
    def all(self) -> bool:
        return self.case is None and self.descriptor is None


@dataclass
class Grade:
    """What came of one point: a case with a descriptor, an answer, or something asked of the files."""

    what: str
    failures: list[str]
    settings: list[str] = field(default_factory=list)
    explained: list[str] = field(default_factory=list)
    again: str | None = None


def check(number: int, package: Path, chosen: Chosen = Chosen()) -> int:
    """Grade a package; prints each point as it is known and a line for the report. 0 passed, 1 not.

    Raises Refused when the folder is no package of this exercise.
    """
    wanted = exercise(number)
    _is_attempt(wanted, package)
    _is_there(wanted, chosen)
    failed = count = 0
    for each in grade(wanted, package, chosen):
        count += 1
        failed += bool(each.failures)
        progress("")
        print(f"{'FAILED' if each.failures else 'ok    '} {each.what}")
        for line in _more(each, chosen.explain, shown=failed <= SHOWN):
            print(f"       {line}", flush=True)
    progress("")
    if chosen.all:
        print(report_line(wanted, package, count - failed, count))
    return FAILED if failed else PASSED


def _more(point: Grade, explain: bool, shown: bool) -> list[str]:
    if not explain and not (point.failures and shown):
        return []
    found = [line for text in point.failures for line in text.splitlines()]
    if point.settings:
        found.append(f"configuration: {', '.join(point.settings)}")
    if explain:
        return found + point.explained
    return found + ([f"again: {point.again}"] if point.again else [])


def report_line(about: Exercise, package: Path, good: int, all_: int) -> str:
    """The line for a report: what was handed in, and what it was checked with, can be told by the digests."""
    word = "PASSED" if good == all_ else "FAILED"
    when = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return (
        f"coven lab {about.number} ({about.title}): {word}, {good} of {all_} points, package {digest(package)}, "
        f"check {digest(about.check)[:8]}, coven {VERSION}, {when}"
    )


def _is_attempt(about: Exercise, package: Path) -> None:
    """Raises Refused, with everything that is missing, unless the folder looks like an attempt."""
    remedy = f"begin with a copy: coven lab begin {about.number} mine; then --package mine"
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


def _is_there(about: Exercise, chosen: Chosen) -> None:
    cases, descriptors = [case.name for case in about.cases(None)], [*about.descriptors, *about.swapped]
    mistakes = [
        Mistake(field=option, found=found, expected=f"one of {', '.join(known)}", remedy=suggest(found, known))
        for option, found, known in (("--case", chosen.case, cases), ("--with", chosen.descriptor, descriptors))
        if found is not None and found not in known
    ]
    if mistakes:
        raise Refused(mistakes, title="no such case")


def grade(about: Exercise, package: Path, chosen: Chosen = Chosen()) -> Iterator[Grade]:
    """Every point of an exercise, in order."""
    good = True
    if chosen.all:
        for point in _files(about, package):
            good = good and not point.failures
            yield point
    with tempfile.TemporaryDirectory(prefix="coven-lab-check-") as place, many_runs() as run:
        copy = Path(place) / "package"
        shutil.copytree(package, copy, ignore=shutil.ignore_patterns("*.pcap", "__pycache__", "tests"))
        cases = about.cases(package)
        for name in [*about.descriptors, *about.swapped]:
            if chosen.descriptor not in (None, name):
                continue
            try:
                if name in about.swapped:
                    _swap(about, copy, name)
                _names(about, cases, copy / name)
            except Refused as refused:
                good = False
                yield Grade(name, [_shorter(str(refused), copy)])
                continue
            for case in cases:
                if chosen.case not in (None, case.name) or name not in (case.expect.descriptors or [name]):
                    continue
                progress(f"{case.name} with {name}")
                result = run_case(case, copy / name, run, chosen.explain)
                failures = [_shorter(text, copy) for text in result.failures]
                if failures and (about_case := _about(case)):
                    failures.insert(0, about_case)
                again = (
                    f"coven lab check {about.number} --package {shlex.quote(str(package))} --case {case.name} "
                    f"--with {name} --explain"
                )
                good = good and not failures
                yield Grade(f"{case.name} with {name}", failures, result.settings, result.explained,
                            None if result.error else again)  # fmt: skip
                if result.error:
                    break  # it does not build: the other cases would say the same
        if chosen.all:
            for what, failures in judge(about.answers, package):
                yield Grade(what, failures)
            if about.measured:
                yield from _measured(about, package, copy, good)


def _files(about: Exercise, package: Path) -> Iterator[Grade]:
    """Whether the files are what the exercise asks for: untouched ones, and each VNFC in its language and its way."""
    for name in about.unchanged:
        wrong, given = [], package / name
        if not given.is_file() or given.read_bytes() != (about.skeleton / name).read_bytes():
            remedy = f"cp {shlex.quote(str(about.skeleton / name))} {shlex.quote(str(given))}"
            wrong = [str(Mistake(
                file=name, found="a changed file" if given.exists() else "no such file",
                expected="the file of the skeleton", remedy=remedy
            ))]  # fmt: skip
        yield Grade(f"{name} as it was given", wrong)
    for name, vnfcs in about.descriptors.items():
        try:
            have = load(package / name, name).vnfcs
        except Refused:
            continue  # told with its cases
        for vnfc, asked in vnfcs.items():
            if vnfc in have:
                yield Grade(f"{vnfc} of {name} is in {_words(asked)}", _not_as_asked(have[vnfc], asked, package, name))


def _words(asked: dict[str, str]) -> str:
    return asked["language"] + (f", with {asked['defines']}" if "defines" in asked else "")


def _not_as_asked(vnfc: Vnfc, asked: dict[str, str], package: Path, file: str) -> list[str]:
    if vnfc.language != asked["language"]:
        return [str(Mistake(
            file=file, line=vnfc.line, field=f"vnfcs.{vnfc.name}.source",
            found=f"{', '.join(vnfc.sources)}, in {vnfc.language}", expected=f"a VNFC in {asked['language']}"
        ))]  # fmt: skip
    wanted = asked.get("defines")
    if wanted is None:
        return []
    for source in vnfc.sources:
        try:
            parsed = ast.parse((package / source).read_bytes())
        except (OSError, SyntaxError, ValueError):
            return []  # told with its cases
        if any(isinstance(each, ast.FunctionDef) and each.name == wanted for each in parsed.body):
            return []
    return [str(Mistake(file=vnfc.sources[0], found=f"no function {wanted}", expected=f"def {wanted}(...)"))]


def _swap(about: Exercise, copy: Path, name: str) -> None:
    """Write the descriptor that is the student's with one VNFC of the grader's. Raises Refused."""
    swap = about.swapped[name]
    load(copy / swap["of"], swap["of"])  # what is wrong with it is told by its own lines
    descriptor: Any = read((copy / swap["of"]).read_bytes(), swap["of"]).plain()
    present = descriptor["vnfcs"].get(swap["vnfc"])
    if present is None:
        mistake = Mistake(file=swap["of"], field="vnfcs", found=f"no {swap['vnfc']}", expected=f"a VNFC {swap['vnfc']}")
        raise Refused(mistake, title="other names than the exercise's")
    descriptor["vnfcs"][swap["vnfc"]] = {"source": swap["by"], "config": present.get("config") or {}}
    shutil.copyfile(about.check / "package" / swap["by"], copy / swap["by"])
    (copy / name).write_text(json.dumps(descriptor))  # JSON is YAML


def _measured(about: Exercise, package: Path, copy: Path, good: bool) -> Iterator[Grade]:
    """Figures say something about VNFCs that decide alike."""
    if not good:
        yield Grade("speed", ["measured when all of the above is as asked"])
        return
    here: dict[str, float] = {}
    for name in about.descriptors:
        progress(f"measuring {name}")
        here[name.removesuffix(".yaml")] = rates(copy / name, MEASURED_PACKETS)
    for what, failures in judge_figures(about.measured, package, here):
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
    asked |= set(about.descriptors.get(path.name, {}))
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
