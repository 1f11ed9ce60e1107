"""What an author is told of a mistake: where it is, what was found, what to do."""

from __future__ import annotations

import builtins
import difflib
import os
import re
import traceback
from types import CodeType, TracebackType
from typing import Any

import vnfc

#: (file, line, field, found, expected, remedy)
Mistake = tuple[str | None, int, str | None, str | None, str | None, str | None]

HERE = os.path.dirname(os.path.abspath(__file__))
PLACES = 64  #: places in the author's code whose traceback is shown once in full
_seen: dict[tuple[str, str, int], int] = {}


def relative(path: str, root: str) -> str:
    """The path as the author knows it: from the package's folder."""
    inside = os.path.relpath(path, root)
    return path if inside.startswith("..") else inside


def did_you_mean(name: str, known: Any) -> str:
    """ ": did you mean 'x'?" or ""."""
    close = difflib.get_close_matches(name, [str(k) for k in known], 1)
    return f": did you mean {close[0]!r}?" if close else ""


def place(error: BaseException, root: str) -> tuple[str, int]:
    """The innermost line of the author's (else of anybody's but this host's) that the exception passed."""
    if isinstance(error, SyntaxError) and error.filename:
        return error.filename, error.lineno or 0
    found = ("", 0)
    for frame in traceback.extract_tb(error.__traceback__):
        ours = frame.filename.startswith((HERE, "<frozen"))
        theirs = frame.filename.startswith(root)
        if theirs or (not ours and not found[0].startswith(root)):
            found = (frame.filename, frame.lineno or 0)
    return found


def describe(error: BaseException) -> str:
    """One line: kind and text, with a suggestion where a name looks misspelt."""
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg}"
    text = str(error)
    wrong = re.match(r"cannot import name '(\w+)' from 'vnfc'", text)
    if isinstance(error, ImportError) and wrong:
        return f"vnfc has no {wrong[1]!r}" + did_you_mean(wrong[1], vnfc.__all__)
    hint = ""
    if isinstance(error, NameError) and error.name:
        known: set[str] = set(vnfc.__all__) | set(dir(builtins))
        last = _last(error.__traceback__)
        if last is not None:
            known |= set(last.tb_frame.f_locals) | set(last.tb_frame.f_globals)
        hint = did_you_mean(error.name, known - {error.name})
        if error.name in vnfc.__all__:
            hint = f": add it to `from vnfc import {error.name}`"
    elif isinstance(error, AttributeError) and error.name and "did you mean" not in text:
        hint = did_you_mean(error.name, [n for n in dir(error.obj) if not n.startswith("_")])
    return f"{type(error).__name__}: {text}{hint}" if text else type(error).__name__


def remedy(error: BaseException) -> str:
    """What to do about an exception while the file was loaded."""
    if isinstance(error, ModuleNotFoundError):
        # slow to import, and hardly ever needed
        from vnfc_check import PLACES  # type: ignore[import-not-found]

        return str(PLACES)
    if isinstance(error, ImportError):
        return "see docs/authors.md for what vnfc offers"
    return "mend the line; the traceback is in what it wrote"


def lines(error: BaseException) -> list[str]:
    """The traceback without this host's own frames."""
    report = traceback.TracebackException.from_exception(error)
    inner: traceback.TracebackException | None = report
    while inner is not None:
        kept = [f for f in inner.stack if not f.filename.startswith((HERE, "<frozen"))]
        inner.stack = traceback.StackSummary.from_list(kept)
        inner = inner.__cause__ or inner.__context__
    shown = "".join(report.format()).rstrip().split("\n")
    if not isinstance(error, SyntaxError):
        shown[-1] = describe(error)
    return shown


def report(error: BaseException, root: str) -> list[str]:
    """Lines for the log: a traceback for the first exception of a place, one line for the 10th, 100th..."""
    file, line = place(error, root)
    key = (type(error).__name__, file, line)
    if key not in _seen and len(_seen) >= PLACES:
        return []
    count = _seen[key] = _seen.get(key, 0) + 1
    if count == 1:
        return lines(error)
    if str(count).strip("0") == "1":
        return [f"{relative(file, root)}:{line}: {describe(error)} ({count} times so far)"]
    return []


def nonsense(value: Any, function: Any, root: str) -> str:
    """What to say of a handler's return value that is no verdict."""
    code: CodeType | None = getattr(function, "__code__", None)
    where = f"{relative(code.co_filename, root)}:{code.co_firstlineno}: " if code else ""
    name = getattr(function, "__name__", "handle")
    if name == "handle_burst":
        return (
            f"{where}handle_burst returned {value!r}: it returns nothing, verdicts are given with "
            "burst.forward(mask, output) and burst.drop(mask, reason); its packets are dropped as "
            "bad_verdict (told once)"
        )
    if value is None:
        return (
            f"{where}{name} returned None: some way through it ends without `return forward()` or another "
            "verdict; such packets are dropped as no_verdict (told once)"
        )
    called = getattr(value, "__name__", "")
    if callable(value) and called in vnfc.__all__:
        hint = f"write `return {called}({'reason' if called == 'drop' else ''})`, with the brackets"
    elif type(value).__name__ == "reason":
        hint = "write `return drop(...)` around the reason"
    else:
        hint = "expected forward(), drop(reason), back(), consume() or hold(packet)"
    return f"{where}{name} returned {value!r}: {hint}; such packets are dropped as bad_verdict (told once)"


def _last(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace
