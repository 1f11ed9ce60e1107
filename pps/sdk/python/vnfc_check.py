"""Look at a component before it runs: `python -I -S -B vnfc_check.py ROOT OUTPUT FILE...`

On stderr one line a mistake, `FILE:LINE:COLUMN: found | expected | remedy`, and status 1. If there is none,
OUTPUT notes where the package (ROOT) and the component (the first FILE) lie, for vnfc_host.py. The files are
compiled, and names taken from vnfc are compared with what vnfc has. Nothing of the author's is run.
"""

from __future__ import annotations

import ast
import difflib
import json
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path


def offered() -> list[str]:
    """The names in vnfc.__all__, read from its source: vnfc itself needs the extension."""
    tree = ast.parse((Path(__file__).parent / "vnfc.py").read_text())
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            return list(ast.literal_eval(node.value))
    raise AssertionError("vnfc.py has no __all__")


def unknown(tree: ast.AST, offers: list[str]) -> Iterator[tuple[int, int, str]]:
    """(line, column, name) of each name that is taken from vnfc and not there."""
    known = {*offers, "PacketGone", "*"}
    called: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            called |= {alias.asname or "vnfc" for alias in node.names if alias.name == "vnfc"}
        if isinstance(node, ast.ImportFrom) and node.module == "vnfc":
            for alias in node.names:
                if alias.name not in known:
                    yield alias.lineno, alias.col_offset + 1, alias.name
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or getattr(node.value, "id", None) not in called:
            continue
        if node.attr not in known and not node.attr.startswith("_"):
            yield node.lineno, node.col_offset + 1, node.attr


def indentation(error: IndentationError, code: str) -> str:
    """found | expected | remedy of a line that begins at the wrong column."""
    what = error.msg or ""
    if isinstance(error, TabError):
        return f"tabs and spaces mixed: {code} | spaces only | replace the tabs by spaces, in the whole file"
    if what.startswith("expected an indented block"):
        rest = what.removeprefix("expected an indented block ")
        return f"not indented: {code} | a line indented {rest} | put four more spaces in front of it"
    if what.startswith("unindent does not match"):
        return (
            f"indented like no line above: {code} | as many spaces as the lines that it belongs with | "
            "count the spaces in front of it and of those"
        )
    return f"{what}: {code} | a line indented like the one before | take the extra spaces in front of it away"


def check(path: Path, shown: str) -> list[str]:
    """The mistakes in one file, as lines."""
    try:
        text = path.read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text, shown)
            compile(tree, shown, "exec", dont_inherit=True)
    except SyntaxError as error:
        where = f"{shown}:{error.lineno or 0}:{error.offset or 0}"
        code = (error.text or "").strip()
        if isinstance(error, IndentationError):
            return [f"{where}: {indentation(error, code)}"]
        version = ".".join(map(str, sys.version_info[:2]))
        return [f"{where}: {error.msg}{': ' + code if code else ''} | valid Python {version} | mend the line"]
    except (OSError, ValueError) as error:
        return [f"{shown}:0:0: {error} | a readable Python file | "]
    known = offered()
    found = []
    for line, column, name in unknown(tree, known):
        close = difflib.get_close_matches(name, known, 1)
        hint = f": did you mean {close[0]!r}?" if close else ""
        found.append(f"{shown}:{line}:{column}: vnfc has no {name!r}{hint} | one of {', '.join(known)} | ")
    return found


def main(argv: list[str]) -> int:
    root, output, *files = argv
    found = [line for name in files for line in check(Path(name), os.path.relpath(name, root))]
    if found:
        print("\n".join(found), file=sys.stderr)
        return 1
    note = {"source": os.path.abspath(files[0]), "root": os.path.abspath(root)}
    Path(output).write_text(json.dumps(note) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
