"""The build of a Click VNFC, run inside the confinement: generate C and become the C compiler, or write what a Click
process is to run.

build.py ENGINE CLICK PROJECT PACKAGE GENERATED.c SOURCE... -- gcc ...

CLICK is the path of the Modular Router's click, or empty.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from itf.mistakes import Mistake
    from pps.click.mistakes import Place


def main(arguments: list[str]) -> int:
    at = arguments.index("--")
    engine, click, project, package, generated, *names = arguments[:at]
    _import_from(Path(project))
    from pps.click.compiler import compile_files

    sources = [Path(name) for name in names]
    try:
        if engine != "click":
            text, mistakes = compile_files(sources, Path(package))
            if not mistakes:
                Path(generated).write_text(text, encoding="ascii")
                os.execvp(arguments[at + 1], arguments[at + 1 :])
            lacking = _lacking(sources, Path(package)) if engine == "auto" else {}
            if not lacking or not click:
                return _refuse(_with_hint(mistakes, engine))
            why = f"the compiler lacks {', '.join(lacking)}"
            print(f"{next(iter(lacking.values()))}: note: {why}")
            return _process(sources, Path(package), Path(generated), click, why, mistakes)
        return _process(sources, Path(package), Path(generated), click, "as the descriptor says", [])
    except RecursionError:
        print(f"{sources[0]}:1:1: compounds within compounds without end | fewer levels | ", file=sys.stderr)
        return 1


def _import_from(project: Path) -> None:
    """Make `pps.click` and `itf` importable. Without namespaces only these folders may be listed, and so found things
    in."""
    for name, folder in (("itf", project / "itf"), ("pps", project / "pps"), ("pps.click", project / "pps" / "click")):
        package = ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package


def _with_hint(mistakes: Sequence[Mistake], engine: str) -> Iterable[str]:
    """The mistakes; with `auto`, what else there is for an element that nothing here comes near to."""
    from pps.click.mistakes import as_line
    from pps.click.modular import UNKNOWN_CLASS

    hint = "Click's own can run it: put the Modular Router's click on PATH" if engine == "auto" else ""
    return [
        as_line(replace(each, remedy=each.remedy or hint) if str(each.found).startswith(UNKNOWN_CLASS) else each)
        for each in mistakes
    ]


def _lacking(sources: list[Path], package: Path) -> dict[str, Place]:
    from pps.click.compiler import lacking, read

    return lacking(read(sources, package), sources[0].parent)


def _process(
    sources: list[Path], package: Path, generated: Path, click: str, why: str, compiler_found: Sequence[Mistake]
) -> int:
    from pps.click.compiler import read
    from pps.click.mistakes import as_line
    from pps.click.modular import UNKNOWN_CLASS, judge, prepare

    process, mistakes = prepare(read(sources, package), sources[0].parent)
    mistakes = mistakes or judge(process, Path(click), package)
    if compiler_found and any(UNKNOWN_CLASS in str(mistake.found) for mistake in mistakes):
        mistakes = list(compiler_found)  # nobody knows that element: these have its column, and what it may have meant
    if mistakes:
        return _refuse(map(as_line, mistakes))
    process.write(generated.with_suffix(".json"), Path(click), why)
    return 0


def _refuse(mistakes: Iterable[str]) -> int:
    print("\n".join(mistakes), file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
