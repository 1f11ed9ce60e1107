"""The prototype's YAML: which components, from which interface to which, with or without NSH.

What the prototype does not look at is not looked at here, so that its scripts are taken as they are: further fields,
and interfaces after the first.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from coven.base.yaml12 import Node, Plain, read, show
from coven.rest.original.codes import Code, Failed
from coven.rest.schema import INTERFACE
from itf.mistakes import Mistake, Refused

FRAMEWORKS = ("Python3Framework", "ClickFramework", "JavaFramework", "ExeFramework", "JSFramework")
TOOLS = ("L2Socket", "L2SocketFNSH")
MOST_REQUESTS = 16  #: that the bridge asks of one component's agent (pps/exec/socket.c)
MOST_WORDS = 60  #: of a command line
MOST_TEXT = 1500  #: bytes that a component's agent reads
_WORDS = {"yes": True, "on": True, "y": True, "no": False, "off": False, "n": False}  #: booleans of YAML 1.1


@dataclass(frozen=True)
class Component:
    framework: str
    package: str  #: the folder that it is in
    file: str  #: its path there
    order: int
    input: int  #: TCP port
    output: int  #: TCP port
    arguments: tuple[str, ...] = ()
    agent: int | None = None  #: TCP port
    requests: tuple[tuple[str, str], ...] = ()  #: name and what the agent is sent


@dataclass(frozen=True)
class Script:
    components: tuple[Component, ...]  #: in order
    input: str  #: interface
    output: str
    nsh: bool


Find = Callable[[str], tuple[str, str] | None]  #: from a `File` to (package, path in it)


class _Reading:
    def __init__(self, find: Find):
        self._find = find
        self.mistakes: list[tuple[Code, Mistake]] = []

    def wrong(self, code: Code, node: Node, field: str, expected: str, found: str | None = None) -> None:
        found = found or f"{node.kind}: {show(node)}"
        self.mistakes.append((code, Mistake(
            line=node.line, column=node.column, field=field, found=found, expected=expected
        )))  # fmt: skip

    def entries(self, code: Code, node: Node, field: str, required: tuple[str, ...]) -> dict[str, Node] | None:
        """The entries of a map that has what is required."""
        if not isinstance(node.value, dict):
            self.wrong(code, node, field, "a map")
            return None
        lacking = [name for name in required if name not in node.value]
        for name in lacking:
            self.wrong(code, node, f"{field}.{name}" if field else name, f"a {name}", "nothing")
        return None if lacking else node.value

    def port(self, code: Code, node: Node, field: str) -> int:
        if type(node.value) is int and 0 < node.value < 65536:
            return node.value
        self.wrong(code, node, field, "a TCP port, 1 to 65535")
        return 0

    def components(self, node: Node) -> tuple[Component, ...]:
        found: list[Component] = []
        if not isinstance(node.value, list):
            self.wrong(Code.BAD_PPS, node, "PPS", "a list of frameworks")
            return ()
        if not node.value:
            self.wrong(Code.BAD_AGENT, node, "PPS", "a component", "none")
        for number, item in enumerate(node.value):
            field = f"PPS[{number}]"
            entries = self.entries(Code.BAD_PPS, item, field, ("Framework", "NFs"))
            if entries is None:
                continue
            if (framework := entries["Framework"].value) not in FRAMEWORKS:
                self.wrong(Code.BAD_PPS, entries["Framework"], f"{field}.Framework", " | ".join(FRAMEWORKS))
            if not isinstance(entries["NFs"].value, list):
                self.wrong(Code.BAD_PPS, entries["NFs"], f"{field}.NFs", "a list of components")
                continue
            for place, each in enumerate(entries["NFs"].value):
                component = self.component(str(framework), each, f"{field}.NFs[{place}]")
                if component is not None:
                    found.append(component)
        found.sort(key=lambda component: component.order)
        if not self.mistakes and [each.order for each in found] != list(range(1, len(found) + 1)):
            orders = ", ".join(str(each.order) for each in found)
            self.wrong(Code.BAD_PPS, node, "PPS", "each Order once, from 1", orders)
        return tuple(found)

    def component(self, framework: str, node: Node, field: str) -> Component | None:
        entries = self.entries(Code.BAD_PPS, node, field, ("File", "Order", "Input", "Output"))
        if entries is None:
            return None
        file, order = entries["File"], entries["Order"]
        if type(order.value) is not int:
            self.wrong(Code.BAD_PPS, order, f"{field}.Order", "an integer, from 1")
        where = self._find(file.value) if isinstance(file.value, str) else None
        if where is None:
            self.wrong(Code.BAD_PPS, file, f"{field}.File", "a file of an installed package")
        made = Component(
            framework, *(where or ("", "")), order.value if type(order.value) is int else 0,
            self.port(Code.BAD_PPS, entries["Input"], f"{field}.Input"),
            self.port(Code.BAD_PPS, entries["Output"], f"{field}.Output"),
            self.arguments(entries.get("Arguments"), f"{field}.Arguments"),
            *self.agent(entries.get("EMA"), f"{field}.EMA"),
        )  # fmt: skip
        if made.input == made.output:
            self.wrong(Code.BAD_PPS, entries["Output"], f"{field}.Output", "another port than Input")
        return made

    def arguments(self, node: Node | None, field: str) -> tuple[str, ...]:
        if node is None or node.value is None:
            return ()
        items = node.value if isinstance(node.value, list) else None
        if items is None or len(items) > MOST_WORDS or any(type(item.value) not in (str, int, float) for item in items):
            self.wrong(Code.BAD_PPS, node, field, f"a list of at most {MOST_WORDS} texts")
            return ()
        return tuple(str(item.value) for item in items)

    def agent(self, node: Node | None, field: str) -> tuple[int | None, tuple[tuple[str, str], ...]]:
        if node is None or node.value is None:
            return None, ()
        entries = self.entries(Code.BAD_AGENT, node, field, ("Port", "Requests"))
        if entries is None:
            return None, ()
        port, requests = self.port(Code.BAD_AGENT, entries["Port"], f"{field}.Port"), entries["Requests"]
        if not isinstance(requests.value, dict) or len(requests.value) > MOST_REQUESTS:
            self.wrong(Code.BAD_AGENT, requests, f"{field}.Requests", f"a map of at most {MOST_REQUESTS} requests")
            return port, ()
        found = []
        for name, each in requests.value.items():
            text = each.value.replace("\\n", "\n") if isinstance(each.value, str) else ""
            if not 0 < len(text.encode()) <= MOST_TEXT or "\0" in text or not 0 < len(name.encode()) <= 40:
                self.wrong(Code.BAD_AGENT, each, f"{field}.Requests.{name[:40]}",
                           f"a name of at most 40 bytes, and a text of at most {MOST_TEXT}")  # fmt: skip
            found.append((name, text))
        return port, tuple(found)

    def interface(self, node: Node, field: str) -> str:
        """The first of a list: the prototype's router knows no other."""
        items = node.value if isinstance(node.value, list) else []
        if items and isinstance(items[0].value, str) and re.fullmatch(INTERFACE["pattern"], items[0].value):
            return str(items[0].value)
        self.wrong(Code.BAD_VNS, node, field, f"a list with {INTERFACE['description']}")
        return ""


def read_script(data: bytes, find: Find) -> Script:
    """Raises Failed with the code of the first part that is wrong, in the prototype's order, and everything wrong."""
    try:
        root = read(data, "configure")
    except Refused as refused:
        raise Failed(Code.BAD_YAML, refused.mistakes) from None
    if not isinstance(root.value, dict):
        mistake = Mistake(found=root.kind, expected="a map: PPS, VNS, NSHP")
        raise Failed(Code.BAD_YAML, [mistake])
    reading = _Reading(find)
    parts = {}
    for name, code in (("PPS", Code.BAD_PPS), ("VNS", Code.BAD_VNS), ("NSHP", Code.BAD_NSHP)):
        if name in root.value:
            parts[name] = root.value[name]
        else:
            reading.wrong(code, root, name, f"a {name}", "nothing")
    components = reading.components(parts["PPS"]) if "PPS" in parts else ()
    interfaces = ["", ""]
    vns = reading.entries(Code.BAD_VNS, parts["VNS"], "VNS", ("Tool", "Input", "Output")) if "VNS" in parts else None
    if vns is not None:
        if vns["Tool"].value not in TOOLS:
            reading.wrong(Code.BAD_VNS, vns["Tool"], "VNS.Tool", " | ".join(TOOLS))
        interfaces = [reading.interface(vns[name], f"VNS.{name}") for name in ("Input", "Output")]
    nsh = _flag(parts["NSHP"].value) if "NSHP" in parts else False
    if nsh is None:
        reading.wrong(Code.BAD_NSHP, parts["NSHP"], "NSHP", "true or false")
    if reading.mistakes:
        # the first part that is wrong has the number nearest to 0
        first = min((code for code, _ in reading.mistakes), key=lambda code: -int(code))
        raise Failed(first, [mistake for _, mistake in reading.mistakes])
    return Script(components, interfaces[0], interfaces[1], bool(nsh))


def _flag(value: Plain) -> bool | None:
    return value if isinstance(value, bool) else _WORDS.get(value.lower()) if isinstance(value, str) else None
