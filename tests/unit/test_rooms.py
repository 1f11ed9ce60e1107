"""The house's one rule: imports and includes run downwards. Reads the sources, runs nothing of them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

#: A room, and the rooms next below it: it may use these, what they may use, and itself.
BELOW = {
    "itf": (),
    "vns": ("itf",),
    "nshp": ("itf",),
    "agents": ("itf",),
    "pps": ("itf",),
    "coven.base": ("itf",),
    "coven.package": ("coven.base", "pps"),
    "coven.keeper": ("coven.package", "pps", "vns", "nshp", "agents"),
    "coven.run": ("coven.keeper",),
    "coven.cases": ("coven.run",),
    "coven.lab": ("coven.cases",),
    "coven.agent": ("coven.package", "coven.keeper"),
    "coven.rest": ("coven.agent",),
    "coven.web": ("coven.rest",),
    "coven.serve": ("coven.web",),
    "coven.image": ("coven.serve",),
    "coven.cli": ("coven.image", "coven.lab"),
    "coven": ("coven.cli", "vns", "nshp"),  # stages.c, __main__.py
}

#: Where only some files of a room are for others: (room that asks, room asked), and its doors there.
DOORS = {
    ("coven.agent", "coven.keeper"): {
        "client", "events", "plan", "recovery", "forwarder.service_paths", "health.state",
    },
    ("coven.rest", "coven.keeper"): {"client", "forwarder.service_paths", "health.state"},
    ("coven.serve", "coven.keeper"): {"client", "recovery"},
    ("coven.package", "pps"): {"frameworks"},
}

#: not of the house: written for authors, or read as data
GUESTS = re.compile(r"/(templates|sdk|runtime)/")

MODULE = re.compile(r"\b(?:itf|vns|nshp|agents|pps|coven)\b")


@cache
def modules() -> dict[str, Path]:
    """Python modules of the house by dotted name."""
    found = {}
    for room in ("itf", "vns", "nshp", "agents", "pps", "coven"):
        for path in (ROOT / room).rglob("*.py"):
            if not GUESTS.search(str(path.relative_to(ROOT))):
                parts = path.relative_to(ROOT).with_suffix("").parts
                found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def room_of(name: str) -> str:
    """The room of a module or of a file's path with dots."""
    parts = name.split(".")
    inner = ".".join(parts[:2])
    return inner if inner in BELOW else parts[0]


@cache
def allowed(room: str) -> frozenset[str]:
    return frozenset({room}.union(*(allowed(below) for below in BELOW[room])))


def imports(name: str, path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules())
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                if whole in modules():
                    yield whole
                elif node.module in modules():
                    yield node.module
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "import_module":
            yield from (str(given.value) for given in node.args if isinstance(given, ast.Constant))


@cache
def python_arrows() -> dict[str, frozenset[str]]:
    return {name: frozenset(imports(name, path)) - {name} for name, path in modules().items()}


@cache
def c_arrows() -> dict[str, frozenset[str]]:
    """File to the files that it includes, as paths from the root."""
    arrows = {}
    for room in ("itf", "vns", "nshp", "agents", "pps", "coven"):
        for path in [*(ROOT / room).rglob("*.[ch]")]:
            here = path.relative_to(ROOT)
            if GUESTS.search(str(here)):
                continue
            found = set()
            for name in re.findall(r'^#include "([^"]+)"', path.read_text(), re.M):
                target = ROOT / name if (ROOT / name).is_file() else path.parent / name
                if target.is_file():
                    found.add(str(target.relative_to(ROOT)))
            arrows[str(here)] = frozenset(found)
    return arrows


def up(source: str, target: str) -> str | None:
    """What is wrong with the arrow between two dotted names, or None."""
    room, other = room_of(source), room_of(target)
    if other not in allowed(room):
        return f"{source} must not use {target}: {room} is not above {other}"
    doors = DOORS.get((room, other))
    inside = target.removeprefix(f"{other}.")
    if doors is not None and inside not in doors:
        return f"{source} uses {target}, which is no door of {other} for {room}: {', '.join(sorted(doors))}"
    return None


def circles(arrows: dict[str, frozenset[str]]) -> list[list[str]]:
    """Groups of files of which each reaches each (Tarjan's strongly connected components)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        order[name] = low[name] = len(order)
        stack.append(name)
        for target in arrows.get(name, ()):
            if target not in order:
                visit(target)
                low[name] = min(low[name], low[target])
            elif target in stack:
                low[name] = min(low[name], order[target])
        if low[name] == order[name]:
            at = stack.index(name)
            if len(stack) - at > 1:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for name in arrows:
        if name not in order:
            visit(name)
    return found


def test_no_arrow_goes_up() -> None:
    wrong = [up(source, target) for source, targets in python_arrows().items() for target in targets]
    for source, targets in c_arrows().items():
        wrong += [up(source.replace("/", "."), target.replace("/", ".")) for target in targets]
    assert not [each for each in wrong if each]


def test_no_circle_between_files() -> None:
    assert not circles(python_arrows())
    assert not circles(c_arrows())


def test_every_module_has_a_room() -> None:
    homeless = [name for name in modules() if room_of(name) == "coven" and name not in ("coven", "coven.__main__")]
    assert not homeless


def test_the_rule_sees_what_it_should() -> None:
    """An import up, a circle, and a way round a door would be found."""
    assert "must not use" in str(up("itf.segment", "coven.base.places"))
    assert "must not use" in str(up("vns.port", "pps.frameworks"))
    assert "no door" in str(up("coven.agent.lifecycle", "coven.keeper.life.vnf"))
    assert up("coven.keeper.life.vnf", "itf.segment") is None and up("coven.cli.main", "itf.segment") is None
    ring = {"a": frozenset("b"), "b": frozenset("c"), "c": frozenset("a"), "d": frozenset("a")}
    assert circles(ring) == [["a", "b", "c"]]
    assert len(python_arrows()) > 100 and len(c_arrows()) > 50
