"""The build of a Click VNFC, run inside the confinement: generate C, then become the C compiler.

build.py PROJECT PACKAGE GENERATED.c SOURCE... -- gcc ...
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    at = arguments.index("--")
    project, package, generated, *sources = arguments[:at]
    sys.path.insert(0, project)
    from pps.click.compiler import compile_files

    try:
        text, mistakes = compile_files([Path(s) for s in sources], Path(package))
    except RecursionError:
        print(f"{sources[0]}:1:1: compounds within compounds without end | fewer levels | ", file=sys.stderr)
        return 1
    if mistakes:
        print("\n".join(map(str, mistakes)), file=sys.stderr)
        return 1
    Path(generated).write_text(text, encoding="ascii")
    os.execvp(arguments[at + 1], arguments[at + 1 :])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
