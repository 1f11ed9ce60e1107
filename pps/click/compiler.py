"""From the sources of a Click VNFC to C, or to every mistake in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from itf.mistakes import Mistake
from pps.click.elaborate import Expansion, FlatGraph
from pps.click.elements import load
from pps.click.generate import generate
from pps.click.graph import Graph
from pps.click.mistakes import Mistakes, Place
from pps.click.parser import Parser, text_of
from pps.click.scope import Scope


def _flatten(
    sources: Sequence[tuple[str, str]], folder: Path | None, parameters: Mapping[str, str] | None, mistakes: Mistakes
) -> FlatGraph:
    scope = Scope()
    parser = Parser(mistakes, folder)
    for file, text in sources:
        parser.parse(text, file, scope)
    return Expansion(mistakes).run(scope, dict(parameters or {}))


def flatten(sources: Sequence[tuple[str, str]], folder: Path | None = None) -> tuple[FlatGraph, list[Mistake]]:
    """The elements and wires that (file name, text) pairs describe, whatever their classes, and the mistakes in the
    language."""
    mistakes = Mistakes()
    flat = _flatten(sources, folder, None, mistakes)
    return flat, mistakes.found


def lacking(sources: Sequence[tuple[str, str]], folder: Path | None = None) -> dict[str, Place]:
    """The element classes that configurations use and that are not here, and where each is used first."""
    flat, _ = flatten(sources, folder)
    known = load()
    places: dict[str, Place] = {}
    for element in flat.elements.values():
        if element.klass not in known:
            places.setdefault(element.klass, element.place)
    return places


def check(
    sources: Sequence[tuple[str, str]],
    folder: Path | None = None,
    parameters: Mapping[str, str] | None = None,
) -> tuple[Graph, list[Mistake]]:
    """The graph that (file name, text) pairs describe together, and the mistakes in it.

    `folder` is where libraries are looked for, `parameters` override global definitions.
    """
    mistakes = Mistakes()
    flat = _flatten(sources, folder, parameters, mistakes)
    graph = Graph(mistakes)
    graph.build(flat)
    if not graph.elements and not mistakes.found:
        place = Place(sources[0][0], 1, 1)
        mistakes.add(place, "no element", "a configuration", "write FromDevice(in) -> ToDevice(out);")
    return graph, sorted(mistakes.found, key=lambda m: (m.file or "", m.line or 0, m.column or 0))


def read(sources: Sequence[Path], package: Path) -> list[tuple[str, str]]:
    """(file name, text) pairs. File names are given relative to the package."""
    texts = []
    for source in sources:
        name = str(source.relative_to(package)) if source.is_relative_to(package) else str(source)
        texts.append((name, text_of(source)))
    return texts


def compile_files(sources: Sequence[Path], package: Path) -> tuple[str, list[Mistake]]:
    """C and no mistakes, or no C."""
    graph, mistakes = check(read(sources, package), sources[0].parent)
    return ("" if mistakes else generate(graph)), mistakes
