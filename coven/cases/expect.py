"""What a test case expects: `expect.yaml` read strictly, and compared with what a run came to.

    descriptors: [c.yaml]        only with these descriptors of the package
    forwarded: 3                 what all ports sent; or by port: {out: 2, in: 1}
    dropped: {filter.marked: 2}  every drop: one that is not listed here fails the case
    consumed: 0                  likewise received, originated, cloned
    verdicts: [forward, forward out, drop filter.marked, consume]   of each packet, in the order of arrival;
                                 or in.py: that says them beside its packets

What is not stated is not checked, except that nothing may ever be unaccounted for.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coven.base.reading import Reader
from coven.base.yaml12 import Node, read, show

COUNTS = ("received", "originated", "cloned", "consumed")
FIELDS = ("descriptors", "forwarded", "dropped", *COUNTS, "verdicts")
VERDICTS_MAX = 64  #: a verdict may cost a run of its own
GENERATOR = "in.py"
PLATFORM_PLACES = frozenset({"classifier", "nsh", "flow"})
_LARGEST = 2**63
_NAME = re.compile(r"[a-z][a-z0-9_-]*")
_DROP_NAME = re.compile(r"[a-z][a-z0-9_-]*\.[a-z][a-z0-9_-]*")
_FORWARD = re.compile(rf"forward {_NAME.pattern}")
A_VERDICT = "forward, forward PORT, drop PLACE.REASON or consume"
_VERDICT = re.compile(rf"forward|{_FORWARD.pattern}|consume|drop {_DROP_NAME.pattern}")


@dataclass
class Expect:
    """What one `expect.yaml` says. None: not stated."""

    file: str
    descriptors: list[str] | None = None
    descriptor_lines: list[int] = field(default_factory=list)
    forwarded: int | None = None
    forwarded_by: dict[str, int] | None = None
    dropped: dict[str, int] | None = None
    counts: dict[str, int] = field(default_factory=dict)
    verdicts: list[str] | None = None
    verdicts_generated: bool = False  #: in.py says them
    verdicts_line: int = 1

    @property
    def states_something(self) -> bool:
        stated = (self.forwarded, self.forwarded_by, self.dropped, self.verdicts)
        return any(each is not None for each in stated) or bool(self.counts) or self.verdicts_generated

    def places(self, verdicts: Sequence[str]) -> set[str]:
        """The ports and VNFCs that it, and these verdicts, speak of."""
        names = {drop.split(".")[0] for drop in self.dropped or {}}
        for verdict in verdicts:
            kind, _, what = verdict.partition(" ")
            if what:
                names.add(what.split(".")[0] if kind == "drop" else what)
        return (names | set(self.forwarded_by or {})) - PLATFORM_PLACES


def read_expect(path: Path, reader: Reader) -> Expect:
    """Read a case's expectations; mistakes go to the reader. Raises Refused if the file is not YAML."""
    expect = Expect(str(path))
    root = read(path.read_bytes(), str(path))
    fields = reader.map(root, "", FIELDS)
    if root.value is None:
        reader.wrong(root, "", "an empty file", f"one of {', '.join(FIELDS[1:])}")
    if (node := fields.get("descriptors")) is not None:
        nodes = reader.list(node, "descriptors")
        expect.descriptors = [reader.string(each, f"descriptors[{i}]") for i, each in enumerate(nodes)]
        expect.descriptor_lines = [each.line for each in nodes]
    for name in COUNTS:
        if (node := fields.get(name)) is not None:
            expect.counts[name] = reader.integer(node, name, 0, 0, _LARGEST)
    if (node := fields.get("forwarded")) is not None:
        if isinstance(node.value, dict):
            expect.forwarded_by = _counts(reader, node, "forwarded", _NAME, "a port")
        else:
            expect.forwarded = reader.integer(node, "forwarded", 0, 0, _LARGEST)
    if (node := fields.get("dropped")) is not None:
        if not isinstance(node.value, dict):
            reader.wrong(node, "dropped", f"{node.kind}: {show(node)}", "a map from PLACE.REASON to a number",
                         "write {} for none")  # fmt: skip
        else:
            expect.dropped = _counts(reader, node, "dropped", _DROP_NAME, "PLACE.REASON")
    if (node := fields.get("verdicts")) is not None:
        expect.verdicts_line, expect.verdicts_generated = node.line, node.value == GENERATOR
        if not expect.verdicts_generated:
            expect.verdicts = _verdicts(reader, node)
    return expect


def _counts(reader: Reader, node: Node, place: str, key: re.Pattern[str], what: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name, value in reader.map(node, place).items():
        if not key.fullmatch(name):
            reader.wrong(node.keys[name], f"{place}.{name}", show(name), what)
            continue
        counts[name] = reader.integer(value, f"{place}.{name}", 0, 0, _LARGEST)
    return counts


def _verdicts(reader: Reader, node: Node) -> list[str]:
    nodes = reader.list(node, "verdicts")
    if len(nodes) > VERDICTS_MAX:
        remedy = "state counts instead, or make several cases of it"
        reader.wrong(node, "verdicts", f"{len(nodes)} verdicts", f"at most {VERDICTS_MAX}", remedy)
    verdicts: list[str] = []
    for i, each in enumerate(nodes):
        verdict = reader.string(each, f"verdicts[{i}]")
        if isinstance(each.value, str) and not _VERDICT.fullmatch(verdict):
            reader.wrong(each, f"verdicts[{i}]", show(verdict), A_VERDICT)
        verdicts.append(verdict)
    return verdicts


# ---- against a run -------------------------------------------------------------------------------


def compare_counts(expect: Expect, document: Mapping[str, Any]) -> list[str]:
    """How a status document differs from what is expected, a sentence each."""
    found: list[str] = []

    def check(what: str, wanted: int, got: int) -> None:
        if wanted != got:
            found.append(f"{what}: expected {wanted}, got {got}")

    check("unaccounted", 0, int(document["unaccounted"]))
    check("in flight at the end", 0, int(document["in_flight"]))
    if expect.forwarded is not None:
        check("forwarded", expect.forwarded, int(document["forwarded"]))
    for port, wanted in (expect.forwarded_by or {}).items():
        check(f"forwarded by {port}", wanted, sent(document).get(port, 0))
    for name, wanted in expect.counts.items():
        check(name, wanted, int(document[name]))
    if expect.dropped is not None:
        got = drops(document)
        for name in sorted(expect.dropped.keys() | got.keys()):
            check(f"dropped {name}", expect.dropped.get(name, 0), got.get(name, 0))
    return found


def sent(document: Mapping[str, Any]) -> dict[str, int]:
    return {name: int(port["sent"]) for name, port in document["ports"].items()}


def drops(document: Mapping[str, Any]) -> dict[str, int]:
    return {name: int(count) for name, count in document["dropped"].items() if count}


def outcomes(document: Mapping[str, Any]) -> Counter[str]:
    """How many packets came to which end, as verdicts say it."""
    ends: Counter[str] = Counter({f"forward {port}": count for port, count in sent(document).items()})
    ends.update({f"drop {name}": count for name, count in drops(document).items()})
    ends["consume"] += int(document["consumed"])
    return ends


def what_happened(before: Counter[str], after: Counter[str]) -> str:
    """What one more packet made of it, in the words of verdicts."""
    words: list[str] = []
    for end in sorted(before.keys() | after.keys()):
        change = after[end] - before[end]
        if change:
            times = "" if change == 1 else f"{change} x " if change > 0 else f"{-change} less "
            words.append(times + end)
    return " and ".join(words) or "no end of its own"


def same_verdict(wanted: str, happened: str) -> bool:
    return wanted == happened or (wanted == "forward" and _FORWARD.fullmatch(happened) is not None)


def strange(verdicts: Sequence[str]) -> str | None:
    """The first that is no verdict."""
    return next((verdict for verdict in verdicts if not _VERDICT.fullmatch(verdict)), None)


def ends_of(document: Mapping[str, Any], packets: int) -> list[str] | None:
    """How each packet ended, in the order of arrival, where one run says it: it was watched, every packet met an end,
    and none was made by a VNFC, whose cause nobody knows."""
    ends = document.get("ends") or {}
    if int(document["originated"]) + int(document["cloned"]) or sorted(ends) != list(range(1, packets + 1)):
        return None
    return [ends[number] for number in range(1, packets + 1)]
