"""What the parser makes of a file: scopes with elements, connections, definitions and element classes."""

from __future__ import annotations

from dataclasses import dataclass, field

from pps.click.lexer import Config
from pps.click.mistakes import Place


@dataclass
class Declared:
    """An element as it is declared. A tunnel is `input`, `output`, or an end of an element group: what is
    connected to its inputs goes on to what its outputs are connected to."""

    name: str
    klass: Compound | str  #: a compound class, or the name of a primitive one
    config: Config | None
    place: Place
    tunnel: bool = False


@dataclass(frozen=True)
class Connection:
    source: str
    output: int
    target: str
    input: int
    place: Place


@dataclass
class Formal:
    variable: str
    keyword: str = ""  #: "" for a positional one


@dataclass
class Definition:
    """One overloading of a compound class."""

    formals: list[Formal]
    scope: Scope
    place: Place

    def counts(self) -> tuple[int, int]:
        """Numbers of input and output ports."""
        return self.scope.ports("input", outputs=True), self.scope.ports("output", outputs=False)


@dataclass
class Compound:
    name: str
    definitions: list[Definition]
    extends: Compound | str | None = None  #: what `|| ...` goes on with
    within: Scope | None = None  #: the scope it is written in


@dataclass
class Scope:
    parent: Scope | None = None
    elements: dict[str, Declared] = field(default_factory=dict)
    connections: list[Connection] = field(default_factory=list)
    definitions: dict[str, str] = field(default_factory=dict)
    classes: dict[str, Compound | str] = field(default_factory=dict)
    groups: int = 0

    def __post_init__(self) -> None:
        if self.parent is not None:
            nowhere = Place("", 0, 0)
            for name in ("input", "output"):
                self.elements[name] = Declared(name, "", None, nowhere, tunnel=True)

    def klass(self, name: str) -> Compound | str:
        """The element class that the name means here: the name itself if it is a primitive one."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.classes:
                return scope.classes[name]
            scope = scope.parent
        return name

    def is_class(self, name: str) -> bool:
        scope: Scope | None = self
        while scope is not None:
            if name in scope.classes:
                return True
            scope = scope.parent
        return False

    def unused_name(self, stem: str) -> str:
        """CLASS@NUMBER for an anonymous element, counted as Click counts."""
        number = sum(not e.tunnel for e in self.elements.values()) + 1
        while f"{stem}@{number}" in self.elements:
            number += 1
        return f"{stem}@{number}"

    def ports(self, name: str, *, outputs: bool) -> int:
        """How many output (input) ports of an element the connections of this scope use."""
        if outputs:
            return max((c.output + 1 for c in self.connections if c.source == name), default=0)
        return max((c.input + 1 for c in self.connections if c.target == name), default=0)
