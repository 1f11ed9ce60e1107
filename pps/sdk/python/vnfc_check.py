"""Look at a component before it runs: `python -I -S -B vnfc_check.py ROOT OUTPUT FILE...`

On stderr one line a mistake, `FILE:LINE:COLUMN: found | expected | remedy`, and status 1. If there is none,
OUTPUT notes where the package (ROOT) and the component (the first FILE) lie, for vnfc_host.py. The files are
compiled, names taken from vnfc are compared with what vnfc has, and names that nothing defines, and modules that
are nowhere, are looked for. Nothing of the author's is run.
"""

from __future__ import annotations

import ast
import builtins
import difflib
import json
import keyword
import os
import symtable
import sys
import warnings
from collections.abc import Iterator
from importlib.util import decode_source
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


SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.GeneratorExp, ast.ListComp, ast.SetComp,
          ast.DictComp)  # fmt: skip
OF_MODULES = {"__file__", "__name__", "__doc__", "__spec__", "__package__", "__loader__", "__builtins__"}
#: whoever uses one of these may define names in ways that no reader sees
MAKERS = {"exec", "eval", "globals", "vars", "setattr", "NameError", "__getattr__"}


def tables(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    """A scope and all within it."""
    yield table
    for child in table.get_children():
        yield from tables(child)


def defined(module: symtable.SymbolTable) -> set[str] | None:
    """The names that a module has at its top, sooner or later; None if that cannot be said."""
    names: set[str] = set()
    for table in tables(module):
        for symbol in table.get_symbols():
            if symbol.get_name() in MAKERS:
                return None
            bound = symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()
            if bound and (table is module or symbol.is_declared_global()):
                names.add(symbol.get_name())
    return names


def of_scope(scope: ast.AST) -> Iterator[ast.Name]:
    """The names read in a scope, without those of scopes within it."""
    waiting = list(ast.iter_child_nodes(scope))
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            yield node
        if not isinstance(node, SCOPES):
            waiting += ast.iter_child_nodes(node)


def undefined(tree: ast.Module, module: symtable.SymbolTable, names: set[str]) -> Iterator[tuple[int, int, str]]:
    """(line, column, name) of the first place in each scope that reads a name that nothing defines."""
    known = names | set(dir(builtins)) | OF_MODULES
    for table in tables(module):
        # by what a name is not: `is_global` takes a function named `top` for the module, whose table has that name
        lost = {s.get_name() for s in table.get_symbols()
                if s.is_referenced() and not (table is not module and (s.is_local() or s.is_free()))
                and s.get_name() not in known}  # fmt: skip
        if not lost:
            continue
        line = table.get_lineno()
        scopes = [tree] if table is module else [
            n for n in ast.walk(tree) if isinstance(n, SCOPES) and n.lineno == line
        ]  # fmt: skip
        for scope in scopes:
            for node in of_scope(scope):
                if node.id in lost:
                    lost.discard(node.id)
                    yield node.lineno, node.col_offset + 1, node.id


def about_names(tree: ast.Module, text: bytes, shown: str, component: bool) -> Iterator[str]:
    """found | expected | remedy of names that nothing defines, and of a `component` without its handler."""
    module = symtable.symtable(decode_source(text), shown, "exec")
    names = defined(module)
    if names is None or any(isinstance(n, ast.ImportFrom) and n.names[0].name == "*" for n in ast.walk(tree)):
        return
    offers = offered()
    for line, column, name in sorted(set(undefined(tree, module, names))):
        close = difflib.get_close_matches(name, [*sorted(names), *offers, *keyword.kwlist, *dir(builtins)], 1)
        remedy = f"from vnfc import {name}" if name in offers else f"did you mean {close[0]!r}?" if close else \
            "define it, or import it"  # fmt: skip
        yield f"{shown}:{line}:{column}: {name!r} is not defined | a name that is | {remedy}"
    if component and not names & {"handle", "handle_burst"}:
        functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
        near = next((f for f in functions if difflib.get_close_matches(f.name, ["handle", "handle_burst"], 1)), None)
        line, found = (near.lineno, f"the function {near.name!r}") if near else (0, "neither handle nor handle_burst")
        yield f"{shown}:{line}:0: {found} | def handle(packet): or def handle_burst(burst): | define one of them"
    both = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name in ("handle", "handle_burst")]
    if component and len({function.name for function in both}) > 1:
        yield f"{shown}:{both[-1].lineno}:0: both handle and handle_burst | one of them | take one of them out"


PLACES = "a component may use the standard library, NumPy, Scapy and the package's own vendor/ folder"
GIVEN = {"numpy", "scapy", "vnfc", "_vnfc"}


def about_imports(tree: ast.Module, path: Path, root: Path, shown: str) -> Iterator[str]:
    """found | expected | remedy of the modules that a file imports whatever happens, and that are nowhere."""
    attributes = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    if any((node.attr, getattr(node.value, "id", "")) == ("path", "sys") for node in attributes):
        return  # it says itself where modules are
    for node in tree.body:
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        for name in {each.partition(".")[0]: None for each in names}:
            folders = (path.parent, root / "vendor")
            there = any(folder.exists() and any(folder.glob(f"{name}*")) for folder in folders)
            if name not in GIVEN and name not in sys.stdlib_module_names and not there:
                where = f"{shown}:{node.lineno}:{node.col_offset + 1}"
                yield f"{where}: No module named {name!r} | a module that is there | {PLACES}"


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


def check(path: Path, root: Path, shown: str, component: bool = False) -> list[str]:
    """The mistakes in one file of the package `root`, as lines; `component`: it is the one that handles packets."""
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
        first = (code.split() or [""])[0]
        near = [] if keyword.iskeyword(first) else difflib.get_close_matches(first, keyword.kwlist, 1, 0.7)
        remedy = f"did you mean {near[0]!r} instead of {first!r}?" if near else "mend the line"
        return [f"{where}: {error.msg}{': ' + code if code else ''} | valid Python {version} | {remedy}"]
    except (OSError, ValueError) as error:
        return [f"{shown}:0:0: {error} | a readable Python file | "]
    known = offered()
    found = []
    for line, column, name in unknown(tree, known):
        close = difflib.get_close_matches(name, known, 1)
        hint = f": did you mean {close[0]!r}?" if close else ""
        found.append(f"{shown}:{line}:{column}: vnfc has no {name!r}{hint} | one of {', '.join(known)} | ")
    found += about_imports(tree, path, root, shown)
    return found + list(about_names(tree, text, shown, component))


def main(argv: list[str]) -> int:
    root, output, *files = argv
    found = [line for name in files for line in
             check(Path(name), Path(root), os.path.relpath(name, root), name == files[0])]  # fmt: skip
    if found:
        print("\n".join(found), file=sys.stderr)
        return 1
    note = {"source": os.path.abspath(files[0]), "root": os.path.abspath(root)}
    Path(output).write_text(json.dumps(note) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
