"""`coven run --capture`: what passes a VNF in the foreground, as pcapng, at the places that `coven capture` knows."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Iterator

from coven.base.problem import Misuse
from coven.base.report import missing
from coven.keeper.watching.captures import Captures
from coven.run.foreground import Foreground
from coven.run.options import STREAM
from itf.mistakes import Mistake, Refused

_HOW = {"at": "--at", "drops": "--drops", "filter": "--filter"}


def check(given: argparse.Namespace) -> None:
    """Raises Misuse for what says of no capture what it is to have, and for a second thing on standard output."""
    mistakes: list[Mistake] = []
    if given.capture is None:
        mistakes += [Mistake(field=option, found=f"{option} without a capture", expected="--capture FILE beside it")
                     for key, option in _HOW.items() if getattr(given, key)]  # fmt: skip
    elif given.capture == STREAM and given.piped:
        mistakes.append(Mistake(field="--capture", found="- twice", expected="one thing on standard output"))
    elif given.capture == STREAM and sys.stdout.isatty():
        mistakes.append(Mistake(field="--capture", found="a terminal", expected="a pipe or a file",
                                remedy="--capture - | wireshark -k -i -"))  # fmt: skip
    if mistakes:
        raise Misuse(mistakes)


@contextlib.contextmanager
def captured(run: Foreground, given: argparse.Namespace) -> Iterator[None]:
    """Capture meanwhile, if that was asked for. Raises Refused."""
    if given.capture is None:
        yield
        return
    captures = Captures(run.vnf)
    at = [word for word in (given.at or "").split(",") if word]
    asked = captures.judge({"at": at, "drops": given.drops, "filter": given.filter})
    try:
        fd = os.dup(1) if given.capture == STREAM else os.open(
            given.capture, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666
        )  # fmt: skip
    except OSError as problem:
        found = Mistake.of(problem, file=given.capture, field="--capture", expected="a file that can be written")
        raise Refused(found, title="not captured") from None
    try:
        captures.begin(asked, fd)
    finally:
        os.close(fd)
    try:
        yield
    finally:
        captures.end()
    if (mistake := missing(captures.missed)) is not None:
        print(f"coven: {mistake}", file=sys.stderr)
