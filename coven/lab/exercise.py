"""The exercises of docs/labs, as they are on disk.

An exercise is a folder `docs/labs/N-NAME/`:

    README.md            question, what to do, hints
    skeleton/            what a student copies and changes
    solution/            one that passes
    check/lab.yaml       what a solution needs, and what it must answer
    check/tests/CASE/    test cases as `coven test` knows them, run over the student's package
    check/package/       optional: sources that are swapped into it

lab.yaml:

    title: ...
    descriptors: {c.yaml: {filter: {language: c, defines: handle}}}   that a solution must have, and what of each VNFC
    swapped: {stamped.yaml: {of: c.yaml, vnfc: analyzer, by: stamp.py}}   the student's descriptor with one VNFC of the
                         grader's, so that each of the others shows that it does its own part
    unchanged: [gate.py]    files that stay as they are in the skeleton
    answers: {file: answers.yaml, facts: {received: 12}}      questions with their answers
    measured: {file: measured.yaml, faster: {c: 1.5}}         figures, and how much faster than `single` others must be
"""

from __future__ import annotations

import hashlib
import shlex
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coven.base.yaml12 import read
from coven.cases.packets import write_captures
from coven.cases.runner import Case, find_cases, written
from coven.lab.furniture import ROOT
from itf.mistakes import Mistake, Refused, suggest

LABS = ROOT / "docs" / "labs"
TRIED = (".pcap", ".pcapng", ".pyc")  #: what trying leaves in a package


@dataclass(frozen=True)
class Exercise:
    number: int
    folder: Path
    title: str
    descriptors: dict[str, dict[str, dict[str, str]]]
    swapped: dict[str, dict[str, str]] = field(default_factory=dict)
    unchanged: list[str] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=dict)
    measured: dict[str, Any] = field(default_factory=dict)

    @property
    def check(self) -> Path:
        return self.folder / "check"

    @property
    def skeleton(self) -> Path:
        return self.folder / "skeleton"

    def cases(self, package: Path | None) -> list[Case]:
        """Its cases; what they draw by lot is drawn by the package's content, the same again and again."""
        cases = find_cases(self.check)
        if package is not None:
            seed = int(digest(package), 16) % 2**32
            for case in cases:
                case.seed = seed
        return cases


def exercise(number: int) -> Exercise:
    """Raises Refused if there is no such exercise here."""
    folders = sorted(LABS.glob(f"{number}-*/check/lab.yaml"))
    if not folders:
        known = sorted(path.name.partition("-")[0] for path in LABS.glob("*-*") if path.is_dir())
        mistake = Mistake(field="N", found=str(number), expected=", ".join(known) or f"{LABS} with exercises")
        raise Refused(mistake, title="no such exercise")
    about: Any = read(folders[0].read_bytes(), str(folders[0])).plain()
    return Exercise(number, folders[0].parent.parent, **about)


def digest(package: Path) -> str:
    """The first 16 hex digits of SHA-256 over names and contents of a folder's files."""
    total = hashlib.sha256()
    for path in sorted(path for path in package.rglob("*") if path.is_file()):
        if path.suffix not in TRIED:
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            total.update(f"{path.relative_to(package)} {content}\n".encode())
    return total.hexdigest()[:16]


def begin(number: int, folder: Path) -> int:
    """Copy an exercise's skeleton, to be changed. Raises Refused if something is there."""
    about = exercise(number)
    if folder.exists() or folder.is_symlink():
        mistake = Mistake(file=str(folder), found="something there already", expected="the name of a new folder")
        raise Refused(mistake, title="nothing copied")
    try:
        shutil.copytree(about.skeleton, folder, ignore=shutil.ignore_patterns("__pycache__"))
    except OSError as error:
        raise Refused(Mistake.of(error, file=str(folder)), title="nothing copied") from None
    print("\n".join(str(path) for path in sorted(folder.iterdir())))
    print(f"\nwhat to do: {about.folder / 'README.md'}\nthen: coven lab check {number} --package {folder}")
    return 0


def write_capture(number: int, output: Path, name: str | None = None, package: Path | None = None) -> int:
    """Write what arrives by the port `in` in one case of an exercise (the first). Raises Refused."""
    cases = {case.name: case for case in exercise(number).cases(package)}
    if name is not None and name not in cases:
        mistake = Mistake(field="--case", found=name, expected="a case of the exercise", remedy=suggest(name, cases))
        raise Refused(mistake, title="no such case")
    case = cases[name] if name else next(iter(cases.values()))
    arriving = case.packets()
    packets = [packet for packet in arriving if packet.port in (None, "in")]
    if not packets:
        mistake = Mistake(field="--case", found=case.name, expected="packets by the port in")
        raise Refused(mistake, title="nothing to write")
    with tempfile.TemporaryDirectory(prefix="coven-lab-capture-") as place:
        made = write_captures(packets, Path(place), "in")["in"]
        try:
            shutil.copyfile(made, output)
        except OSError as error:
            raise Refused(Mistake.of(error, file=str(output)), title="nothing written") from None
    print(f"{output}: {len(packets)} packets, case {case.name} of exercise {number}")
    if len(packets) < len(arriving):
        print(f"{len(arriving) - len(packets)} packets by other ports are not in it")
    if settings := written(case.configuration()):
        print(f"the case's configuration: {' '.join(f'--set {shlex.quote(word)}' for word in settings)}")
    if others := [other for other in cases if other != case.name]:
        print(f"other cases: {', '.join(others)} (--case)")
    return 0
