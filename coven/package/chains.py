"""Chains: what the lines of `chain:` and `chains:` mean, as graphs that are easy to wire.

A chain is a graph for each ingress port. In a graph every declared output of every VNFC leads somewhere,
nothing leads back, and no VNFC stands twice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from coven.base.reading import Reader
from coven.base.yaml12 import Node, show
from itf.mistakes import suggest


@dataclass(frozen=True)
class Bypass:
    """Out again without any VNFC. `target` is a port; None (in rules) the other one of two."""

    target: str | None


@dataclass(frozen=True)
class Drop:
    """Dropped, as `classifier.rule`."""


@dataclass
class Graph:
    """What happens to packets of one ingress port: `first`, then `next` by (VNFC, output), until a port."""

    ingress: str
    first: str  #: a VNFC or a port
    next: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def vnfcs(self) -> list[str]:
        """The VNFCs that stand in it, each once, in the order in which packets can reach them."""
        found: list[str] = []
        waiting = [self.first]
        successors: dict[str, list[str]] = {}
        for (vnfc, _), target in self.next.items():
            successors.setdefault(vnfc, []).append(target)
        while waiting:
            name = waiting.pop(0)
            if name in successors and name not in found:
                found.append(name)
                waiting += successors[name]
        return found

    @property
    def joins(self) -> bool:
        """Whether some VNFC can be reached over more than one wire."""
        reached = [self.first, *self.next.values()]
        return any(reached.count(name) > 1 for name in self.vnfcs)


Way: TypeAlias = Graph | Bypass | Drop


@dataclass
class Chain:
    name: str
    graphs: dict[str, Way] = field(default_factory=dict)  #: by ingress port


class HasOutputs(Protocol):
    @property
    def outputs(self) -> tuple[str, ...]: ...


LONG_FORM = "state it in the long form: a map from each port to its routes, to bypass, or to drop"
_START = re.compile(r"([^\[\]]*)\[([^\[\]]*)\]")


class ChainReader:
    """Reads chains against the ports and VNFCs that the descriptor declares."""

    def __init__(self, reader: Reader, ports: Mapping[str, object], vnfcs: Mapping[str, HasOutputs]):
        self.reader = reader
        self.ports = ports
        self.vnfcs = vnfcs

    def chain(self, node: Node, name: str, place: str) -> Chain:
        chain = Chain(name)
        if isinstance(node.value, str):
            self._line(chain, node, place, reverse=False)
            stated = set(chain.graphs)
        elif isinstance(node.value, dict) and "reversed" in node.value:
            line = self.reader.map(node, place, {"reversed"})["reversed"]
            if isinstance(line.value, str):
                self._line(chain, line, f"{place}.reversed", reverse=True)
            else:
                self.reader.wrong(line, f"{place}.reversed", line.kind, "a line such as in -> a -> b -> out")
            stated = set(chain.graphs)
        elif isinstance(node.value, dict):
            self._long(chain, node, place)
            stated = set(node.value)
        else:
            self.reader.wrong(
                node, place, node.kind, "a line such as in -> a -> b -> out, or a map from port to routes"
            )
            return chain
        for port in self.ports:
            if stated and port not in stated:
                found = f"nothing about packets that come in by {port}"
                self.reader.wrong(node, place, found, "every ingress port stated", LONG_FORM)
        return chain

    # short form

    def _words(self, node: Node, text: str, field: str) -> list[str] | None:
        words = [word.strip() for word in text.split("->")]
        if all(words) and not any(" " in word for word in words):
            return words
        self.reader.wrong(node, field, show(text), "names with -> between them, such as in -> a -> out")
        return None

    def _known(self, node: Node, field: str, name: str, what: str = "a VNFC") -> bool:
        if name in self.vnfcs:
            return True
        if name in self.ports:
            self.reader.wrong(node, field, f"the port {name} in the middle", "ports at the ends only")
        elif "[" in name:
            self.reader.wrong(
                node,
                field,
                name,
                "a name",
                "an output is named at the start of a route only: inside one the first output is meant",
            )
        else:
            self.reader.wrong(node, field, name, what, suggest(name, [*self.vnfcs, *self.ports]))
        return False

    def _line(self, chain: Chain, node: Node, place: str, reverse: bool) -> None:
        words = self._words(node, node.value, place)
        if words is None:
            return
        ends = [words[0], words[-1]]
        good = True
        if len(words) < 2:
            self.reader.wrong(node, place, show(node), "a line from port to port")
            return
        for end in dict.fromkeys(ends):
            if end not in self.ports:
                self.reader.wrong(node, place, end, "a port at both ends", suggest(end, self.ports))
                good = False
        middle = words[1:-1]
        known = [self._known(node, place, name) for name in middle]  # all of them: every mistake at once
        good = all(known) and good
        good = self._once(node, place, middle) and good
        if not good:
            return
        chain.graphs[ends[0]] = self._straight(ends[0], middle, ends[1])
        if ends[0] != ends[1]:
            chain.graphs[ends[1]] = self._straight(ends[1], middle[::-1] if reverse else middle, ends[0])
        for name in middle:
            self._all_wired(node, place, chain.graphs[ends[0]], name)

    def _once(self, node: Node, place: str, names: list[str]) -> bool:
        twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
        for name in twice:
            self.reader.wrong(
                node, place, f"the VNFC {name} twice", "a VNFC at most once for each ingress port"
            )
        return not twice

    def _straight(self, ingress: str, names: list[str], egress: str) -> Graph:
        line = [*names, egress]
        graph = Graph(ingress, line[0])
        for name, target in zip(names, line[1:], strict=True):
            graph.next[name, self.vnfcs[name].outputs[0]] = target
        return graph

    # long form

    def _long(self, chain: Chain, node: Node, place: str) -> None:
        if not node.value:
            self.reader.wrong(node, place, "an empty map", "every ingress port stated", LONG_FORM)
        for port, routes in node.value.items():
            field = f"{place}.{port}"
            if port not in self.ports:
                self.reader.wrong(node.keys[port], field, port, "a port", suggest(port, self.ports))
                continue
            way = self._routes(port, routes, field)
            if way is not None:
                chain.graphs[port] = way

    def _target(self, node: Node, field: str, text: str, ingress: str) -> Way | None:
        """What `bypass`, `bypass:PORT` or `drop` mean; None with a mistake for another text."""
        way = read_target(self.reader, node, field, text, self.ports)
        if isinstance(way, Bypass) and way.target is None:
            other = [port for port in self.ports if port != ingress]
            way = Bypass(other[0])
        return way

    def _routes(self, ingress: str, node: Node, field: str) -> Way | None:
        if (
            isinstance(node.value, str)
            and "->" not in node.value
            and node.value not in (*self.vnfcs, *self.ports)
        ):
            return self._target(node, field, node.value, ingress)
        lines = [node] if isinstance(node.value, str) else self.reader.list(node, field)
        if not lines:
            if node.value in (None, []):
                self.reader.wrong(node, field, "no route", "a list of routes, bypass, bypass:PORT or drop")
            return None
        before = len(self.reader.mistakes)
        graph: Graph | None = None
        placed: list[str] = []
        for number, line in enumerate(lines):
            place = field if line is node else f"{field}[{number}]"
            if not isinstance(line.value, str):
                self.reader.wrong(line, place, line.kind, "a route such as a -> b -> out")
                continue
            words = self._words(line, line.value, place)
            if words is None:
                continue
            if number == 0:
                # the port itself may be written at the start, as in the short form
                route = words[1:] if len(words) > 1 and words[0] == ingress else words
                graph = Graph(ingress, route[0])
                self._route(graph, placed, line, place, None, route)
            elif graph is not None:
                self._branch(graph, placed, line, place, words)
        if graph is None:
            return None
        if len(self.reader.mistakes) == before:
            for name in placed:
                self._all_wired(node, field, graph, name)
            self._no_cycle(node, field, graph)
        return graph

    def _branch(self, graph: Graph, placed: list[str], line: Node, place: str, words: list[str]) -> None:
        """A route after the first: it starts at NAME[output]."""
        match = _START.fullmatch(words[0])
        if not match:
            self.reader.wrong(
                line,
                place,
                words[0],
                "NAME[output] at the start",
                "only the first route starts at the port; the others say which output they are for",
            )
            return
        name, output = match[1], match[2]
        if name not in placed:
            remedy = (
                "put it after the route that leads there" if name in self.vnfcs else suggest(name, self.vnfcs)
            )
            self.reader.wrong(line, place, name, "a VNFC that an earlier route leads to", remedy)
            return
        if output not in self.vnfcs[name].outputs:
            remedy = (
                "back always leads to the ingress port: it is not wired"
                if output == "back"
                else suggest(output, self.vnfcs[name].outputs)
            )
            self.reader.wrong(line, place, f"the output {output}", f"an output of {name}", remedy)
            return
        if (name, output) in graph.next:
            self.reader.wrong(
                line,
                place,
                f"a second wire at {name}[{output}]",
                "one wire for each output",
                "a wire diverts; copying is what a VNFC does",
            )
            return
        if len(words) < 2:
            self.reader.wrong(line, place, show(line), "a route such as a[other] -> b -> out")
            return
        self._route(graph, placed, line, place, (name, output), words[1:])

    def _route(
        self,
        graph: Graph,
        placed: list[str],
        line: Node,
        place: str,
        at: tuple[str, str] | None,
        words: list[str],
    ) -> None:
        middle, end = words[:-1], words[-1]
        known = [self._known(line, place, name) for name in middle]
        if not all(known) or not self._once(line, place, middle):
            return
        for name in middle:
            if name in placed:
                self.reader.wrong(
                    line,
                    place,
                    f"the VNFC {name} again",
                    "a VNFC at most once for each ingress port",
                    f"end this route at {name} to join there",
                )
                return
        if end not in self.ports and end not in placed and end not in middle:
            if end in self.vnfcs:
                self.reader.wrong(
                    line,
                    place,
                    f"the end {end}",
                    "a port, or a VNFC already wired, at the end",
                    f"go on from {end} to a port",
                )
            else:
                self.reader.wrong(
                    line,
                    place,
                    end,
                    "a port, or a VNFC already wired, at the end",
                    suggest(end, [*self.ports, *self.vnfcs]),
                )
            return
        for name in words:
            if at is not None:
                graph.next[at] = name
            if name in self.ports:
                break
            at = (name, self.vnfcs[name].outputs[0])
        placed += middle

    def _all_wired(self, node: Node, place: str, graph: Way, name: str) -> None:
        assert isinstance(graph, Graph)
        for output in self.vnfcs[name].outputs:
            if (name, output) not in graph.next:
                self.reader.wrong(
                    node,
                    place,
                    f"nothing at the output {name}[{output}]",
                    "every declared output wired",
                    f"add a route {name}[{output}] -> ... (long form), or remove the output",
                )

    def _no_cycle(self, node: Node, place: str, graph: Graph) -> None:
        done: set[str] = set()
        path: list[str] = []

        def visit(name: str) -> list[str] | None:
            if name in path:
                return [*path[path.index(name) :], name]
            if name in done or name in self.ports:
                return None
            path.append(name)
            for output in self.vnfcs[name].outputs:
                target = graph.next.get((name, output))
                if target is not None and (cycle := visit(target)):
                    return cycle
            path.pop()
            done.add(name)
            return None

        if cycle := visit(graph.first):
            self.reader.wrong(node, place, f"the cycle {' -> '.join(cycle)}", "a way that ends at a port")


def read_target(
    reader: Reader, node: Node, field: str, text: str, ports: Mapping[str, object]
) -> Bypass | Drop | None:
    """`bypass`, `bypass:PORT` or `drop`, of a rule or of an ingress port."""
    if text == "drop":
        return Drop()
    if text == "bypass":
        if len(ports) != 2:
            reader.wrong(
                node, field, f"bypass among {len(ports)} ports", "exactly two ports", "say bypass:PORT"
            )
            return None
        return Bypass(None)
    if text.startswith("bypass:"):
        port = text.removeprefix("bypass:").strip()
        if port not in ports:
            reader.wrong(node, field, port, "a port", suggest(port, ports))
            return None
        return Bypass(port)
    reader.wrong(node, field, show(text), "a chain or route, bypass, bypass:PORT or drop")
    return None
