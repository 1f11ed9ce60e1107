"""What exercises ask beside a package: answers in a file, compared with what the forwarder does, and figures
that a student measured, held against those that the grader measures of the same package.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from coven.base.yaml12 import Node, read, show
from itf.mistakes import Mistake, Refused

BASE = "single"  #: the figure that others are held against
OTHER_MACHINE = 30.0  #: times that another machine may be faster or slower than this one
OTHER_RATIO = 8.0  #: and may be better or worse at one language than at another

Points = Iterator[tuple[str, list[str]]]


def judge(about: dict[str, Any], package: Path) -> Points:
    """Each answer: what was asked, and what is wrong with it. `about`: `answers` of lab.yaml."""
    if not about:
        return
    file = str(about["file"])
    try:
        root, given = _given(package, file)
    except Refused as refused:
        yield file, [str(refused)]
        return
    for key, right in about["facts"].items():
        yield f"{key} in {file}", _wrong(root, given, file, key, right)


def judge_figures(about: dict[str, Any], package: Path, here: dict[str, float]) -> Points:
    """`about`: `measured` of lab.yaml; `here`: packets a second of each descriptor, as measured by the grader."""
    for name, least in about["faster"].items():
        ratio, wrong = here[name] / here[BASE], []
        if ratio < least:
            found, expected = f"{ratio:.2f} times {BASE}, measured just now", f"{least:g} times at least"
            remedy = "does it loop over packets?"
            wrong = [str(Mistake(file=f"{name}.yaml", found=found, expected=expected, remedy=remedy))]
        yield f"{name} is faster than {BASE}", wrong
    file = str(about["file"])
    try:
        root, given = _given(package, file)
    except Refused as refused:
        yield file, [str(refused)]
        return
    base, _ = _figure(root, given, file, BASE)
    for name, rate in here.items():
        figure, wrong = _figure(root, given, file, name)
        line = root.at([name]).line if name in given else None
        ratio, right = (figure / base if base else 0.0), rate / here[BASE]
        found = expected = ""
        if figure and not rate / OTHER_MACHINE <= figure <= rate * OTHER_MACHINE:
            found, expected = show(given[name]), f"what any machine could measure: here it is {rate:.0f}"
        elif figure and base and not right / OTHER_RATIO <= ratio <= right * OTHER_RATIO:
            found, expected = f"{ratio:.2f} times {BASE}", f"what any machine could measure: here it is {right:.2f}"
        if expected:
            remedy = "measure all of them again, on a machine that does nothing else"
            wrong = [str(Mistake(file=file, line=line, field=name, found=found, expected=expected, remedy=remedy))]
        yield f"{name} in {file}", wrong


def _given(package: Path, file: str) -> tuple[Node, dict[str, Any]]:
    """What a student filled in. Raises Refused."""
    try:
        root = read((package / file).read_bytes(), file)
    except OSError as error:
        mistake = Mistake.of(error, file=file, expected="your answers", remedy="copy it from the skeleton")
        raise Refused(mistake, title="no answers") from None
    given: Any = root.plain()
    if given is not None and not isinstance(given, dict):
        mistake = Mistake(file=file, line=1, found=show(given), expected="KEY: ANSWER, a line each")
        raise Refused(mistake, title="no answers")
    return root, given or {}


def _wrong(root: Node, given: dict[str, Any], file: str, key: str, right: Any) -> list[str]:
    """What is wrong with one answer, without giving the right one away."""
    answer = given.get(key)
    line = root.at([key]).line if key in given else None
    if answer is None:
        remedy = "fill it in; `coven run --explain` shows it"
        text = Mistake(file=file, line=line, field=key, found="no answer", expected="one", remedy=remedy)
    elif type(answer) is not type(right):
        text = Mistake(file=file, line=line, field=key, found=show(answer), expected=f"something like {_like(right)}")
    elif answer != right:
        hint = "look again at the lines of `coven run --explain`, and at the sum below them"
        if isinstance(right, dict):
            names, wanted = set(answer), set(right)
            amiss = sorted(names - wanted)
            hint = f"{amiss[0]} is no drop name here" if amiss else hint
            if not amiss and wanted - names:
                hint = f"there are {len(wanted)} drop names, you have {len(names)}"
        text = Mistake(file=file, line=line, field=key, found=show(answer), expected="another answer", remedy=hint)
    else:
        return []
    return [str(text)]


def _like(right: Any) -> str:
    if isinstance(right, dict):
        return "{gate.some_reason: 2, other.reason: 1}"
    return "a number" if isinstance(right, int) else "forward, or a drop name such as gate.some_reason"


def _figure(root: Node, given: dict[str, Any], file: str, name: str) -> tuple[float, list[str]]:
    """A measured figure, 0 if there is none, and what is wrong with it."""
    value = given.get(name)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e12:
        return float(value), []
    line = root.at([name]).line if name in given else None
    found = "no figure" if value is None else show(value)
    remedy = "`coven lab measure FOLDER` prints it"
    return 0.0, [str(Mistake(
        file=file, line=line, field=name, found=found, expected="packets a second", remedy=remedy
    ))]
