"""What exercises ask beside a package: answers in a file, compared with what the forwarder does, and figures
that a student measured, held against wide bounds.

    file: answers.yaml
    facts: {received: 12}         questions with their answers
    ratios: {c: [1.5, 5000]}      measured figures: each against the one named `single`
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from coven.base.yaml12 import Node, read, show
from itf.mistakes import Mistake, Refused

BASE = "single"  #: the figure that others are held against

Points = Iterator[tuple[str, list[str]]]


def judge(about: dict[str, Any], package: Path) -> Points:
    """Each answer: what was asked, and what is wrong with it. `about`: `answers` of lab.yaml."""
    if not about:
        return
    file = str(about["file"])
    try:
        root = read((package / file).read_bytes(), file)
        given = root.plain() or {}
    except OSError as error:
        yield file, [str(Mistake.of(
            error, file=file, expected="your answers", remedy="copy it from the skeleton"
        ))]  # fmt: skip
        return
    except Refused as refused:
        yield file, [str(refused)]
        return
    if not isinstance(given, dict):
        yield file, [str(Mistake(file=file, line=1, found=show(given), expected="KEY: ANSWER, a line each"))]
        return
    for key, right in about.get("facts", {}).items():
        yield f"{key} in {file}", _wrong(root, given, file, key, right)
    if "ratios" in about:
        yield from _ratios(root, given, file, about["ratios"])


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


def _ratios(root: Node, given: dict[str, Any], file: str, bounds: dict[str, list[float]]) -> Points:
    """Figures of one machine against each other: what a machine can do at all is nobody's merit."""
    base, wrong = _figure(root, given, file, BASE)
    yield f"{BASE} in {file}", wrong
    for name, (low, high) in bounds.items():
        figure, wrong = _figure(root, given, file, name)
        ratio = figure / base if base else 0.0
        if base and figure and not low <= ratio <= high:
            remedy = "measure all of them again, on a machine that does nothing else"
            if ratio < low:
                remedy = f"{name} should be clearly faster than {BASE}: does it loop over packets?"
            found, expected = f"{ratio:.2f} times {BASE}", f"{low:g} to {high:g} times"
            wrong = [str(Mistake(
                file=file, line=root.at([name]).line, field=name, found=found, expected=expected, remedy=remedy
            ))]
        yield f"{name} against {BASE} in {file}", wrong


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
