"""From scopes to a flat graph: compound elements are expanded, tunnels joined, parameters put in."""

from __future__ import annotations

from dataclasses import dataclass, field

from pps.click.arguments import Argument, split, substitute, words
from pps.click.lexer import Config
from pps.click.mistakes import Mistakes, Place
from pps.click.scope import Compound, Connection, Declared, Definition, Scope

MOST_ELEMENTS = 4096
End = tuple[str, int]


@dataclass
class Flat:
    """An element of a primitive class."""

    name: str
    klass: str
    arguments: list[Argument]
    place: Place


@dataclass
class Wire:
    source: str
    output: int
    target: str
    input: int
    place: Place


@dataclass
class FlatGraph:
    elements: dict[str, Flat] = field(default_factory=dict)
    wires: list[Wire] = field(default_factory=list)


@dataclass
class Environment:
    """The parameters that hold in one expansion of a scope."""

    scope: Scope
    values: dict[str, str]
    parent: Environment | None = None

    def of(self, scope: Scope | None) -> Environment | None:
        """The environment of an enclosing scope."""
        here: Environment | None = self
        while here is not None and here.scope is not scope:
            here = here.parent
        return here


@dataclass
class Expansion:
    mistakes: Mistakes
    graph: FlatGraph = field(default_factory=FlatGraph)
    tunnels: dict[str, Place] = field(default_factory=dict)
    links: list[Connection] = field(default_factory=list)

    def run(self, scope: Scope, values: dict[str, str] | None = None) -> FlatGraph:
        """`values` are parameters from outside: they override global definitions."""
        self._scope(scope, "", {**(values or {})}, None)
        self._join()
        return self.graph

    # ---- elements --------------------------------------------------------------------------------------

    def _scope(self, scope: Scope, prefix: str, given: dict[str, str], parent: Environment | None) -> None:
        outer = parent.values if parent else {}
        own = {name: substitute(value, {**outer, **given}) for name, value in scope.definitions.items()}
        environment = Environment(scope, {**outer, **own, **given}, parent)
        if len(self.graph.elements) > MOST_ELEMENTS:
            return
        for element in scope.elements.values():
            self._element(element, scope, prefix, environment)
        for link in scope.connections:
            source, target = (
                self._end_name(link.source, scope, prefix, True),
                self._end_name(link.target, scope, prefix, False),
            )
            self.links.append(Connection(source, link.output, target, link.input, link.place))
        self._pseudo_ports(scope)

    def _end_name(self, name: str, scope: Scope, prefix: str, is_source: bool) -> str:
        element = scope.elements[name]
        if not element.tunnel and isinstance(element.klass, Compound):
            return f"{prefix}{name}/{'output' if is_source else 'input'}"
        return prefix + name

    def _pseudo_ports(self, scope: Scope) -> None:
        for link in scope.connections:
            if scope.parent is not None and link.target == "input":
                self.mistakes.add(link.place, "a connection to `input`", "connections from `input` only")
            if scope.parent is not None and link.source == "output":
                self.mistakes.add(link.place, "a connection from `output`", "connections to `output` only")

    def _element(self, element: Declared, scope: Scope, prefix: str, environment: Environment) -> None:
        name = prefix + element.name
        if element.tunnel:
            self.tunnels[name] = element.place
            return
        arguments = self._arguments(element.config, environment)
        if isinstance(element.klass, Compound):
            counts = scope.ports(element.name, outputs=False), scope.ports(element.name, outputs=True)
            self._compound(element, name, arguments, counts, environment)
        elif name in self.graph.elements:
            self.mistakes.add(element.place, f"element {name} for a second time", "each name once")
        else:
            self.graph.elements[name] = Flat(name, element.klass, arguments, element.place)

    def _arguments(self, config: Config | None, environment: Environment) -> list[Argument]:
        out: list[Argument] = []
        for argument in split(config):
            text = substitute(argument.text, environment.values)
            if text == argument.text:
                out.append(argument)
            else:
                parts = split(Config(text, argument.place))
                out += [Argument(part.text, argument.place) for part in parts]
        return out

    # ---- compounds --------------------------------------------------------------------------------------

    def _compound(
        self, element: Declared, name: str, arguments: list[Argument], counts: tuple[int, int],
        environment: Environment,
    ) -> None:  # fmt: skip
        compound: Compound | str | None = element.klass
        only = isinstance(compound, Compound) and len(compound.definitions) == 1 and compound.extends is None
        while isinstance(compound, Compound):
            for definition in compound.definitions:
                values = assign(definition, arguments)
                if values is not None and (definition.counts() == counts):
                    self._scope(definition.scope, name + "/", values, environment.of(compound.within))
                    return
            compound = compound.extends
        if isinstance(compound, str):  # `...` after a primitive class
            self.graph.elements[name] = Flat(name, compound, arguments, element.place)
            self.tunnels[f"{name}/input"] = self.tunnels[f"{name}/output"] = element.place
            for port in range(counts[0]):
                self.links.append(Connection(f"{name}/input", port, name, port, element.place))
            for port in range(counts[1]):
                self.links.append(Connection(name, port, f"{name}/output", port, element.place))
            return
        assert isinstance(element.klass, Compound)
        signatures = [_signature(d) for d in element.klass.definitions]
        found = f"{name} :: {element.klass.name or '{...}'} with {_many(*counts, len(arguments))}"
        self.mistakes.add(element.place, found, " or ".join(signatures))
        for end in ("input", "output"):
            self.tunnels[f"{name}/{end}"] = element.place
        if only:  # its inside may have mistakes as well
            self._scope(element.klass.definitions[0].scope, name + "/", {}, environment.of(element.klass.within))

    # ---- tunnels ----------------------------------------------------------------------------------------

    def _join(self) -> None:
        into: dict[End, list[Connection]] = {}
        used: set[End] = set()
        for link in self.links:
            if link.source in self.tunnels:
                into.setdefault((link.source, link.output), []).append(link)
            if link.target in self.tunnels:
                used.add((link.target, link.input))
        for name, place in self.tunnels.items():
            last = max((p for n, p in [*used, *into] if n == name), default=-1)
            what, _, end = name.rpartition("/")
            for port in range(last + 1):
                if (name, port) not in into and (name, port) in used:
                    inside = f"{what or 'the group'}: {end} port {port} is connected on one side only"
                    self.mistakes.add(place, inside, "a connection on the other side too")
                elif (name, port) not in used and (name, port) in into and last >= 0:
                    inside = f"{what or 'the group'}: {end} port {port} is connected on one side only"
                    self.mistakes.add(into[name, port][0].place, inside, "a connection on the other side too")
        seen: set[tuple[str, int, str, int]] = set()
        for link in self.links:
            if link.source in self.tunnels:
                continue
            for target, entry in self._follow((link.target, link.input), into, set()):
                key = (link.source, link.output, target, entry)
                if key not in seen:
                    seen.add(key)
                    self.graph.wires.append(Wire(*key, link.place))

    def _follow(self, end: End, into: dict[End, list[Connection]], way: set[End]) -> list[End]:
        if end[0] not in self.tunnels:
            return [end]
        if end in way:
            return []
        found: list[End] = []
        for link in into.get(end, []):
            found += self._follow((link.target, link.input), into, way | {end})
        return found


def assign(definition: Definition, arguments: list[Argument]) -> dict[str, str] | None:
    """The values of a definition's parameters, or None if these are not its arguments."""
    values: dict[str, str] = {}
    keywords = {f.keyword: f.variable for f in definition.formals if f.keyword and f.keyword != "__REST__"}
    rest = next((f.variable for f in definition.formals if f.keyword == "__REST__"), None)
    left: list[str] = []
    for argument in arguments:
        first = (words(argument.text) or [""])[0]
        if first in keywords and keywords[first] not in values:
            values[keywords[first]] = argument.text[len(first) :].strip()
        else:
            left.append(argument.text)
    positional = [f.variable for f in definition.formals if not f.keyword]
    if len(left) < len(positional) or len(values) < len(keywords):
        return None
    if len(left) > len(positional) and rest is None:
        return None
    values.update(zip(positional, left, strict=False))
    if rest is not None:
        values[rest] = ", ".join(left[len(positional) :])
    return values


def _many(inputs: int, outputs: int, arguments: int) -> str:
    return ", ".join(
        f"{n} {what}{'' if n == 1 else 's'}"
        for n, what in ((inputs, "input"), (outputs, "output"), (arguments, "argument"))
    )


def _signature(definition: Definition) -> str:
    inputs, outputs = definition.counts()
    formals = ", ".join(f"{f.keyword} ${f.variable}".strip() for f in definition.formals)
    return f"({formals}) with {inputs} in, {outputs} out"
