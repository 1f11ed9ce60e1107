"""What is said of test cases: the packet that differs dissected both ways, a text, a JUnit file."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

from coven.cases.packets import ETHERNET, Packet

WIDTH = 52  #: of one side


@dataclass
class Result:
    """One case with one descriptor. `failures` empty: it holds."""

    case: str
    descriptor: str
    failures: list[str] = field(default_factory=list)
    error: bool = False  #: it could not be run at all
    seconds: float = 0.0
    settings: list[str] = field(default_factory=list)  #: its configuration, as `--set` takes it
    explained: list[str] = field(default_factory=list)  #: a line for each packet
    again: str | None = None  #: the command that shows it again

    @property
    def ok(self) -> bool:
        return not self.failures


def dissect(packet: Packet) -> list[str]:
    """A packet as Scapy shows it, ports as numbers, and what of it Scapy does not know in hex."""
    from scapy.config import conf
    from scapy.layers.inet import IP, TCP, UDP
    from scapy.layers.inet6 import IPv6
    from scapy.layers.l2 import Ether
    from scapy.packet import Packet as Dissected
    from scapy.packet import Raw

    # names of ports are the machine's (/etc/services), and those of old: 8080 is in no lesson http_alt
    conf.noenum.add(TCP.sport, TCP.dport, UDP.sport, UDP.dport)
    data = packet.data
    shown: Dissected
    if packet.link == ETHERNET:
        shown = Ether(data)
    elif data[:1] and data[0] >> 4 in (4, 6):
        shown = IP(data) if data[0] >> 4 == 4 else IPv6(data)
    else:
        shown = Raw(data)
    text = str(shown.show(dump=True)).rstrip()
    return [f"{len(data)} bytes", *text.splitlines()]


def side_by_side(left: Sequence[str], right: Sequence[str], titles: tuple[str, str]) -> list[str]:
    """Two dissections beside each other; lines that differ are marked with |."""
    rows = [f"{titles[0]:<{WIDTH}}   {titles[1]}"]
    for a, b in zip_longest(left, right, fillvalue=""):
        rows.append(f"{a[:WIDTH]:<{WIDTH}} {'|' if a != b else ' '} {b}".rstrip())
    return rows


def difference(wanted: Sequence[Packet], got: Sequence[Packet], where: str) -> str | None:
    """The first packet that differs, dissected both ways; None if all are equal, byte for byte."""
    for number, (a, b) in enumerate(zip_longest(wanted, got), 1):
        if a is None:
            return "\n".join([f"{where}: packet {number} was not expected:", *dissect(b)])
        if b is None:
            return "\n".join([f"{where}: packet {number} did not come, expected:", *dissect(a)])
        if a.data != b.data or (a.link == ETHERNET) != (b.link == ETHERNET):
            at = next((i for i, (x, y) in enumerate(zip(a.data, b.data, strict=False)) if x != y),
                      min(len(a.data), len(b.data)))  # fmt: skip
            rows = side_by_side(dissect(a), dissect(b), ("expected", "got"))
            return "\n".join([f"{where}: packet {number} differs from byte {at} on:", *rows])
    return None


def lines(result: Result, explain: bool = False) -> list[str]:
    """What is said of a result: one line, below it what failed, with what, and how to see it again. `explain`: what
    became of each packet, too."""
    word = "ok    " if result.ok else "ERROR " if result.error else "FAILED"
    found = [f"{word} {result.case} ({result.descriptor})"]
    more = [line for failure in result.failures for line in failure.splitlines()]
    if (explain or not result.ok) and result.settings:
        more.append(f"configuration: {', '.join(result.settings)}")
    if explain:
        more += result.explained
    elif not result.ok and not result.error and result.again:
        more.append(f"again: {result.again}")
    return found + [f"       {line}" for line in more]


def total(results: Sequence[Result]) -> str:
    failed = sum(not result.ok for result in results)
    runs = f"{len(results)} run{'s' * (len(results) != 1)}"
    return f"{runs}, {failed} failed" if failed else f"{runs}, all as expected"


def _printable(text: str) -> str:
    """XML has no way to say control characters."""
    return "".join(c if c in "\n\t" or (c.isprintable() and c not in "\ufffe\uffff") else "?" for c in text)


def junit(results: Sequence[Result], path: Path, suite: str = "coven test") -> None:
    """Write the results as JUnit XML. Raises OSError."""
    failures = sum(not r.ok and not r.error for r in results)
    errors = sum(r.error for r in results)
    root = ElementTree.Element("testsuites")
    tests = ElementTree.SubElement(
        root, "testsuite", name=suite, tests=str(len(results)), failures=str(failures), errors=str(errors),
        time=f"{sum(r.seconds for r in results):.3f}",
    )  # fmt: skip
    for result in results:
        case = ElementTree.SubElement(
            tests, "testcase", classname=result.descriptor, name=result.case, time=f"{result.seconds:.3f}"
        )
        if not result.ok:
            kind = "error" if result.error else "failure"
            first = _printable(result.failures[0].splitlines()[0])
            ElementTree.SubElement(case, kind, message=first).text = _printable("\n".join(result.failures))
    ElementTree.indent(root)
    ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
