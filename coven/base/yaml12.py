"""YAML 1.2 core, read strictly, with the place of every node.

YAML libraries have ideas of their own about `1.10`, `on`, MAC addresses and keys that stand there twice. Here
ruamel.yaml only makes events; what the events mean is decided in this file. Anchors, aliases, tags, several documents
and keys that are not strings are mistakes.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from ruamel.yaml import YAML, error, events, reader, scanner

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
_SURROGATE = re.compile("[\ud800-\udfff]")
_REPLACED = "\ufffd"
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
    """A place counted from 0, as ruamel.yaml's marks are."""

    line: int
    column: int


class _Scanner(scanner.Scanner):
    """Lets tabs separate what stands in a line (YAML 1.2.2, 6.2): only indentation is made of spaces."""

    def scan_to_next_token(self) -> None:
        while True:
            super().scan_to_next_token()
            if self.reader.peek() != "\t" or self._indents():
                return
            while self.reader.peek() in "\t ":
                self.reader.forward()

    def _indents(self) -> bool:
        """Whether the tab stands before a line's first token."""
        text, at = self.reader.buffer, self.reader.pointer
        before = text[text.rfind("\n", 0, at) + 1 : at]
        after = text[at : at + 1024].lstrip("\t ")[:1]
        return not before.strip(" ") and after not in ("", "\r", "\n", "#", "\0")

    def scan_plain_spaces(self, indent: int, start_mark: Any) -> Any:
        length = 0
        while self.reader.peek(length) in "\t ":
            length += 1
        space = self.reader.prefix(length)
        if "\t" not in space:
            return super().scan_plain_spaces(indent, start_mark)
        self.reader.forward(length)
        return super().scan_plain_spaces(indent, start_mark) if self.reader.peek() in "\r\n" else [space]


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

    def text(self, event: events.ScalarEvent) -> str:
        """JSON's escapes say characters beyond 16 bits by two halves; half a one is no character."""
        text: str = event.value
        if _SURROGATE.search(text):
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            if _REPLACED in text and _REPLACED not in event.value:
                remedy = "write the character itself"
                self.wrong(event.start_mark, "half of a surrogate pair", "a text in Unicode", remedy)
        return text

    def scalar(self, event: events.ScalarEvent) -> Any:
        text = self.text(event)
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

    def node(self, stream: Any, event: Any, depth: int) -> Node:
        mark = event.start_mark
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise self.stop(mark, "more nodes", f"at most {MAX_NODES} values in a document")
        if depth > MAX_DEPTH:
            raise self.stop(mark, "deeper nesting", f"at most {MAX_DEPTH} levels")
        if isinstance(event, events.AliasEvent):
            self.wrong(
                mark,
                f"alias *{event.anchor}",
                "no aliases",
                "write the value out; quote a string that begins with *",
            )
            return Node(None, mark.line + 1, mark.column + 1, {})
        self.strict(event)
        node = Node(None, mark.line + 1, mark.column + 1, {})
        if isinstance(event, events.ScalarEvent):
            node.value = self.scalar(event)
        elif isinstance(event, events.SequenceStartEvent):
            node.value = []
            while not isinstance(event := next(stream), events.SequenceEndEvent):
                node.value.append(self.node(stream, event, depth + 1))
        else:
            node.value = {}
            while not isinstance(event := next(stream), events.MappingEndEvent):
                self.pair(stream, event, node, depth + 1)
        return node

    def pair(self, stream: Any, event: Any, into: Node, depth: int) -> None:
        mark = event.start_mark
        key = self.node(stream, event, depth)
        what = next(stream)
        value = self.node(stream, what, depth)
        if isinstance(what, events.ScalarEvent) and what.start_mark.index == what.end_mark.index:
            value.line, value.column = key.line, key.column  # of nothing, the mark is where the next thing begins
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
        except UnicodeDecodeError as problem:
            before = data[: problem.start]
            mark = _Mark(before.count(b"\n"), problem.start - before.rfind(b"\n") - 1)
            raise reading.stop(mark, f"the byte 0x{data[problem.start]:02x}", "UTF-8 text") from None
    else:
        text = data
    try:
        root = _document(reading, text)
    except reader.ReaderError as problem:
        before_text = text[: problem.position]
        mark = _Mark(before_text.count("\n"), problem.position - before_text.rfind("\n") - 1)
        raise reading.stop(
            mark, f"the character U+{ord(text[problem.position]):04X}", "printable text"
        ) from None
    except error.MarkedYAMLError as problem:
        where = problem.problem_mark or problem.context_mark
        place = _Mark(where.line, where.column) if where else start
        said = " ".join(part for part in (problem.context, problem.problem) if part)
        raise reading.stop(place, f"a syntax error ({said})", "YAML 1.2") from None
    except (ValueError, RecursionError) as problem:  # numbers in \U escapes and %YAML beyond all bounds
        raise reading.stop(start, f"a syntax error ({problem})", "YAML 1.2") from None
    if repeated is not None and reading.repeated == len(reading.mistakes):
        repeated += reading.mistakes
    elif reading.mistakes:
        raise Refused(reading.mistakes, title="not readable as YAML")
    return root


def _document(reading: _Reading, data: str) -> Node:
    parser = YAML(typ="safe", pure=True)
    parser.Scanner = _Scanner
    stream = parser.parse(data)
    root = Node(None, 1, 1, {})
    documents = 0
    for event in stream:
        if isinstance(event, events.DocumentStartEvent):
            documents += 1
            if documents > 1:
                reading.wrong(
                    event.start_mark, "a second document", "one document in a file", "remove it, with its ---"
                )
                break
            if event.tags:
                line = data[: data.find("%TAG")].count("\n")
                reading.wrong(_Mark(line, 0), "a %TAG directive", "no tags")
            root = reading.node(stream, next(stream), 0)
    return root
