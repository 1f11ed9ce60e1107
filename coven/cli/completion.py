"""What shells and man(1) are told of the command line, made from its parser: `coven completion SHELL`, coven.1."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from coven.cli.parser import parser

SHELLS = ("bash", "zsh", "tcsh")
FILES = {"PACKAGE", "FILE", "JSON", "X", "Y"}  #: metavars of what is a file or a folder
FOLDERS = {"DIR", "FOLDER"}


def completion(shell: str) -> str:
    """A script for that shell: `source <(coven completion bash)`."""
    import shtab

    whole = parser()
    for action in _actions(whole):
        if action.metavar in FILES | FOLDERS:
            action.complete = shtab.FILE if action.metavar in FILES else shtab.DIRECTORY  # type: ignore[attr-defined]
    return str(shtab.complete(whole, shell=shell))


def manual() -> str:
    """coven(1), in roff."""
    from argparse_manpage.manpage import Manpage

    whole = parser()
    whole.man_short_description = "packages of VNFCs, chained and run"  # type: ignore[attr-defined]
    return str(Manpage(whole))


def _actions(whole: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in whole._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from _actions(inner)
