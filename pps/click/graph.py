"""The checked graph: elements with their arguments read, ports counted, push and pull settled."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property

from pps.click.elaborate import FlatGraph, Wire
from pps.click.elements import Element, load
from pps.click.mistakes import Mistakes, close_to
from pps.click.values import Names

_COUNT = re.compile(r"(\d+)?(-)?(\d+)?")
PUSH, PULL, EITHER = "h", "l", "a"
_WORDS = {PUSH: "push", PULL: "pull"}


@dataclass
class Graph:
    mistakes: Mistakes
    elements: dict[str, Element] = field(default_factory=dict)
    wires: list[Wire] = field(default_factory=list)
    names: Names = field(default_factory=Names)

    def c_name(self, element: str, member: str) -> str:
        return f"e{self.elements[element].number}_{member}"

    def build(self, flat: FlatGraph) -> None:
        known = load()
        for item in flat.elements.values():
            cls = known.get(item.klass)
            if cls is None:
                found = f"unknown element class {item.klass} (of {item.name})"
                remedy = close_to(item.klass, [*known, *(n for n in flat.elements if "@" not in n)])
                self.mistakes.add(item.place, found, "a class that is built in or an elementclass", remedy)
                continue
            element = cls(item.name, item.arguments, item.place, self)
            element.number = len(self.elements)
            self.elements[item.name] = element
        self.names.elements = dict(self.elements)
        everything = dict.fromkeys(flat.elements)
        self.wires = [w for w in flat.wires if w.source in everything and w.target in everything]
        for element in self.elements.values():
            element.describe()
        self._count()
        for element in self.elements.values():
            before = len(self.mistakes.found)
            element.read(self.names)
            if len(self.mistakes.found) == before:
                element.configure()
        whole = len(self.elements) == len(flat.elements)
        self.wires = [w for w in self.wires if w.source in self.elements and w.target in self.elements]
        self._ports(whole)
        self._settle()
        self._reuse()
        if not self.mistakes.found:
            for element in self.elements.values():
                element.finish()

    # ---- numbers of ports ------------------------------------------------------------------------------

    def _count(self) -> None:
        for wire in self.wires:
            if source := self.elements.get(wire.source):
                source.outputs = max(source.outputs, wire.output + 1)
            if target := self.elements.get(wire.target):
                target.inputs = max(target.inputs, wire.input + 1)

    def _ports(self, whole: bool) -> None:
        used_in = {(w.target, w.input) for w in self.wires}
        used_out = {(w.source, w.output) for w in self.wires}
        for element in self.elements.values():
            left, right = element.ports.split("/")
            self._number(element, "input", element.inputs, left, element.inputs)
            self._number(element, "output", element.outputs, right, element.inputs)
            if not whole:  # what an unknown element is connected to is not unused
                continue
            for what, n, used in (("input", element.inputs, used_in), ("output", element.outputs, used_out)):
                for port in range(n):
                    if (element.name, port) not in used:
                        remedy = "connect it; Idle and Discard fill ports that nothing uses"
                        found = f"{element}: {what} {port} is not connected"
                        self.mistakes.add(element.place, found, "all ports connected", remedy)

    def _number(self, element: Element, what: str, found: int, spec: str, inputs: int) -> None:
        if spec == "=":
            least = most = inputs
        else:
            match = _COUNT.fullmatch(spec)
            assert match is not None, f"ports of {element.klass}"
            least = int(match[1] or 0)
            most = int(match[3]) if match[3] else (10**6 if match[2] else least)
        if least <= found <= most:
            return
        expected = f"{least}" if least == most else f"at least {least}" if most == 10**6 else f"{least} to {most}"
        plural = "" if found == 1 else "s"
        remedy = "connect them" if found < least else ""
        self.mistakes.add(element.place, f"{element}: {found} {what}{plural} connected", expected, remedy)

    # ---- push and pull -----------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Give agnostic ports the way of what they are connected to, until nothing changes."""
        for element in self.elements.values():
            left, _, right = element.processing.partition("/")
            element.input_modes = [_letter(left, port) for port in range(element.inputs)]
            element.output_modes = [_letter(right or left, port) for port in range(element.outputs)]
        said: set[str] = set()
        changed = True
        while changed:
            changed = False
            for wire in self.wires:
                changed |= self._along(wire, said)
            for element in self.elements.values():
                changed |= self._through(element, said)
        for element in self.elements.values():
            element.input_modes = [PUSH if m == EITHER else m for m in element.input_modes]
            element.output_modes = [PUSH if m == EITHER else m for m in element.output_modes]

    def _along(self, wire: Wire, said: set[str]) -> bool:
        source, target = self.elements[wire.source], self.elements[wire.target]
        out, into = source.output_modes[wire.output], target.input_modes[wire.input]
        if out == into:
            return False
        if out == EITHER:
            source.output_modes[wire.output] = into
            return True
        if into == EITHER:
            target.input_modes[wire.input] = out
            return True
        end = f"{_WORDS[into]} input {wire.input} of {target}"
        found = f"{_WORDS[out]} output {wire.output} of {source} connected to {end}"
        if found not in said:
            said.add(found)
            remedy = "put a Queue between them" if out == PUSH else "put an Unqueue between them"
            self.mistakes.add(wire.place, found, "both push or both pull", remedy)
        return False

    def _through(self, element: Element, said: set[str]) -> bool:
        left, _, right = element.processing.partition("/")
        changed = False
        for i in range(element.inputs):
            for o in range(element.outputs):
                agnostic = _letter(left, i) == EITHER and _letter(right or left, o) == EITHER
                if not agnostic or not _flows(element.flow, i, o):
                    continue
                into, out = element.input_modes[i], element.output_modes[o]
                if into == out:
                    continue
                if into == EITHER:
                    element.input_modes[i] = out
                elif out == EITHER:
                    element.output_modes[o] = into
                else:
                    if element.name not in said:
                        said.add(element.name)
                        found = f"{element}: {_WORDS[into]} at input {i}, {_WORDS[out]} at output {o}"
                        self.mistakes.add(
                            element.place, found, "the same way on both sides", "put a Queue or an Unqueue in"
                        )
                    continue
                changed = True
        return changed

    def _reuse(self) -> None:
        """A push output and a pull input have one connection."""
        outputs: dict[tuple[str, int], int] = {}
        inputs: dict[tuple[str, int], int] = {}
        for wire in self.wires:
            source, target = self.elements[wire.source], self.elements[wire.target]
            if source.output_modes[wire.output] == PUSH:
                key = (wire.source, wire.output)
                outputs[key] = outputs.get(key, 0) + 1
                if outputs[key] == 2:
                    found = f"push output {wire.output} of {source} connected twice"
                    self.mistakes.add(wire.place, found, "one connection", "put a Tee in")
            if target.input_modes[wire.input] == PULL:
                key = (wire.target, wire.input)
                inputs[key] = inputs.get(key, 0) + 1
                if inputs[key] == 2:
                    found = f"pull input {wire.input} of {target} connected twice"
                    self.mistakes.add(wire.place, found, "one connection", "put a scheduler in")

    def sources_of(self, element: Element, port: int) -> list[tuple[Element, int]]:
        return [(self.elements[w.source], w.output) for w in self.wires if (w.target, w.input) == (element.name, port)]

    @cached_property
    def circles(self) -> set[tuple[str, int]]:
        """The pushing outputs from which a packet can come back to their element in one run of calls."""
        pushes = [w for w in self.wires if self.elements[w.source].output_modes[w.output] == PUSH]
        after: dict[str, set[str]] = {}
        for wire in pushes:
            after.setdefault(wire.source, set()).add(wire.target)
        return {(w.source, w.output) for w in pushes if w.source in _reached(after, w.target)}

    def target_of(self, element: Element, port: int) -> tuple[Element, int] | None:
        found = [(self.elements[w.target], w.input) for w in self.wires if (w.source, w.output) == (element.name, port)]
        return found[0] if found else None


def _reached(after: dict[str, set[str]], start: str) -> set[str]:
    reached, left = {start}, [start]
    while left:
        new = after.get(left.pop(), set()) - reached
        reached |= new
        left += new
    return reached


def _letter(code: str, port: int) -> str:
    return code[min(port, len(code) - 1)] if code else EITHER


def _flows(code: str, entry: int, output: int) -> bool:
    """Whether packets may go from that input to that output. `#` is a port's own number."""
    left, _, right = code.partition("/")
    a, b = left[min(entry, len(left) - 1)], (right or left)[min(output, len(right or left) - 1)]
    if a == "#" and b == "#":
        return entry == output
    return a == b
