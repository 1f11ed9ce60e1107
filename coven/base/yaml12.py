"""YAML 1.2 core, read strictly, with the place of every node.

PyYAML's default reads `1.10` as 1.1, a MAC address as a base-60 number, `on` as True, and keeps the last
of two equal keys in silence. Here its scanner and parser only make events; what the events mean is
decided in this file. Anchors, aliases, tags, several documents and keys that are not strings are mistakes.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import yaml

from itf.mistakes import Mistake, Refused

MAX_BYTES = 1 << 20  #: of a document
MAX_DEPTH = 32  #: of nested lists and maps
MAX_NODES = 50_000

Plain: TypeAlias = "bool | int | float | str | list[Plain] | dict[str, Plain] | None"

_NULL = re.compile(r"null|Null|NULL|~|")
_BOOL = re.compile(r"(true|True|TRUE)|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_OCTAL = re.compile(r"0o[0-7]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@dataclass
class Node:
    """One value and its place. `value` is a scalar, a list of nodes, or a dict from key to node."""

    value: Any
    line: int
    column: int
    keys: dict[str, tuple[int, int]]  #: of a map: where each key stands

    @property
    def kind(self) -> str:
        return kind(self.value)

    def plain(self) -> Plain:
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        plain: Plain = self.value
        return plain

    def at(self, path: list[str | int]) -> Node:
        """The node at a path of keys and indices, as deep as it goes."""
        node = self
        for step in path:
            try:
                node = node.value[step]
            except (KeyError, IndexError, TypeError):
                break
        return node


def kind(value: object) -> str:
    """What a value is, in words that a user knows."""
    if value is None:
        return "nothing"
    for types, name in (
        (bool, "a boolean"),
        (int, "an integer"),
        (float, "a number"),
        (str, "a string"),
        (list, "a list"),
        (dict, "a map"),
    ):
        if isinstance(value, types):
            return name
    return type(value).__name__


def show(value: object) -> str:
    """A value as a mistake shows it: one line, cut."""
    if isinstance(value, Node):
        value = value.plain()
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:57] + "..."


class _Mark(NamedTuple):
    """A place counted from 0, as PyYAML's marks are."""

    line: int
    column: int


class _Reading:
    def __init__(self, file: str | None):
        self.file = file
        self.mistakes: list[Mistake] = []
        self.repeated = 0  #: of the mistakes: keys that stand there again; the tree makes sense without them
        self.nodes = 0

    def wrong(self, mark: Any, found: str, expected: str, remedy: str | None = None) -> None:
        self.mistakes.append(
            Mistake(
                file=self.file, line=mark.line + 1, column=mark.column + 1, found=found, expected=expected,
                remedy=remedy
            )
        )

    def stop(self, mark: Any, found: str, expected: str, remedy: str | None = None) -> Refused:
        self.wrong(mark, found, expected, remedy)
        return Refused(self.mistakes, title="not readable as YAML")

    def scalar(self, event: yaml.ScalarEvent) -> Any:
        text: str = event.value
        if not event.implicit[0]:  # quoted or block: always a string
            return text
        if _NULL.fullmatch(text):
            return None
        if match := _BOOL.fullmatch(text):
            return match[1] is not None
        if _OCTAL.fullmatch(text):
            self.wrong(
                event.start_mark,
                text,
                "a decimal or 0x number",
                "octal is not read: write it decimal, or quote it",
            )
            return text
        if _NOT_FINITE.fullmatch(text):
            self.wrong(event.start_mark, text, "a finite number")
            return text
        if _INT.fullmatch(text) or _HEX.fullmatch(text):
            # more digits than any 64-bit number has: int() of a very long text is slow, or refused
            number = int(text, 16 if text.startswith("0x") else 10) if len(text) <= 24 else 1 << 65
            if not -(1 << 63) <= number < 1 << 64:
                self.wrong(
                    event.start_mark, text[:30], "a number of at most 64 bits", "quote it to have a string"
                )
                return 0
            return number
        if _FLOAT.fullmatch(text):
            real = float(text)
            if not math.isfinite(real):
                self.wrong(event.start_mark, text[:30], "a finite number")
                return 0.0
            return real
        return text

    def strict(self, event: Any) -> None:
        if getattr(event, "anchor", None) is not None:
            self.wrong(
                event.start_mark,
                f"anchor &{event.anchor}",
                "no anchors",
                "write the value out where it is used",
            )
        if getattr(event, "tag", None) is not None:
            self.wrong(
                event.start_mark,
                f"tag {event.tag}",
                "no tags",
                "leave it out; quote a value to make it a string",
            )

    def node(self, events: Any, event: Any, depth: int) -> Node:
        mark = event.start_mark
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise self.stop(mark, "more nodes", f"at most {MAX_NODES} values in a document")
        if depth > MAX_DEPTH:
            raise self.stop(mark, "deeper nesting", f"at most {MAX_DEPTH} levels")
        if isinstance(event, yaml.AliasEvent):
            self.wrong(
                mark,
                f"alias *{event.anchor}",
                "no aliases",
                "write the value out; quote a string that begins with *",
            )
            return Node(None, mark.line + 1, mark.column + 1, {})
        self.strict(event)
        node = Node(None, mark.line + 1, mark.column + 1, {})
        if isinstance(event, yaml.ScalarEvent):
            node.value = self.scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            node.value = []
            while not isinstance(event := next(events), yaml.SequenceEndEvent):
                node.value.append(self.node(events, event, depth + 1))
        else:
            node.value = {}
            while not isinstance(event := next(events), yaml.MappingEndEvent):
                self.pair(events, event, node, depth + 1)
        return node

    def pair(self, events: Any, event: Any, into: Node, depth: int) -> None:
        mark = event.start_mark
        key = self.node(events, event, depth)
        value = self.node(events, next(events), depth)
        if not isinstance(key.value, str):
            remedy = (
                None
                if isinstance(key.value, list | dict)
                else f'quote it: "{event.value}"'
                if hasattr(event, "value")
                else None
            )
            self.wrong(mark, f"the key {show(key)}, {key.kind}", "a string as key", remedy)
        elif key.value in into.value:
            line, _ = into.keys[key.value]
            self.repeated += 1
            self.wrong(
                mark, f"the key {key.value} again", "every key once", f"it stands in line {line} already"
            )
        else:
            into.value[key.value] = value
            into.keys[key.value] = (key.line, key.column)


def read(data: bytes | str, file: str | None = None, repeated: list[Mistake] | None = None) -> Node:
    """The root node of the only document in `data`; an empty document is a node of nothing.

    Raises Refused with every mistake (after a syntax error nothing more can be read). When keys that stand there twice
    are all that is wrong, these mistakes go to `repeated` instead, for a caller that has more to say.
    """
    reading = _Reading(file)
    start = _Mark(0, 0)
    if len(data) > MAX_BYTES:
        raise reading.stop(start, f"{len(data)} bytes", f"at most {MAX_BYTES} bytes")
    if isinstance(data, bytes):
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            before = data[: error.start]
            mark = _Mark(before.count(b"\n"), error.start - before.rfind(b"\n") - 1)
            raise reading.stop(mark, f"the byte 0x{data[error.start]:02x}", "UTF-8 text") from None
    else:
        text = data
    try:
        root = _document(reading, text)
    except yaml.reader.ReaderError as error:
        before_text = text[: error.position]
        mark = _Mark(before_text.count("\n"), error.position - before_text.rfind("\n") - 1)
        raise reading.stop(
            mark, f"the character U+{ord(text[error.position]):04X}", "printable text"
        ) from None
    except yaml.MarkedYAMLError as error:
        where = error.problem_mark or error.context_mark
        place = _Mark(where.line, where.column) if where else start
        said = " ".join(part for part in (error.context, error.problem) if part)
        raise reading.stop(place, f"a syntax error ({said})", "YAML 1.2") from None
    except (ValueError, RecursionError) as error:  # numbers in \U escapes and %YAML beyond all bounds
        raise reading.stop(start, f"a syntax error ({error})", "YAML 1.2") from None
    if repeated is not None and reading.repeated == len(reading.mistakes):
        repeated += reading.mistakes
    elif reading.mistakes:
        raise Refused(reading.mistakes, title="not readable as YAML")
    return root


def _document(reading: _Reading, data: str) -> Node:
    events = yaml.parse(data, Loader=yaml.BaseLoader)
    root = Node(None, 1, 1, {})
    documents = 0
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                reading.wrong(
                    event.start_mark, "a second document", "one document in a file", "remove it, with its ---"
                )
                break
            if event.tags:
                reading.wrong(event.start_mark, "a %TAG directive", "no tags")
            root = reading.node(events, next(events), 0)
    return root
