"""From the text of a Click configuration to a Scope: the grammar of click(5), in full."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pps.click.arguments import split, unquote
from pps.click.lexer import Config, Lexer, Token
from pps.click.mistakes import Mistakes, Place, SyntaxMistake
from pps.click.scope import Compound, Connection, Declared, Definition, Formal, Scope

KEYWORDS = ("elementclass", "require", "provide", "define")
ENDS = (";", ")", "}", "|", "||", "end")
MOST_PORTS = 1024
_PORTS = re.compile(r"\s*(\d+)\s*(?:-\s*(\d+))?\s*")
_PAIR = re.compile(r"\s*\$(\w+)\s*(.*)", re.DOTALL)


def text_of(source: Path) -> str:
    """Every byte is a character: configurations may hold any. Editors' byte order mark is none of the configuration."""
    return source.read_bytes().removeprefix(codecs.BOM_UTF8).decode("latin-1")


@dataclass
class Item:
    """One element of a connection, with the ports that are written before and behind it."""

    place: Place
    name: str = ""  #: of the declared element, once it is resolved
    klass: Compound | str | None = None  #: stated with `::`, or for an anonymous element
    config: Config | None = None
    declares: bool = False
    inputs: list[int] | None = None
    outputs: list[int] | None = None
    group: tuple[str, str] | None = None  #: the names of its two ends
    missing: bool = False


@dataclass(frozen=True)
class Ends:
    """What `input` and `output` mean here."""

    input: str
    output: str


@dataclass
class Parser:
    mistakes: Mistakes
    folder: Path | None = None  #: where `require(library ...)` looks
    libraries: set[str] = field(default_factory=set)
    lexer: Lexer = field(init=False)

    def parse(self, text: str, file: str, scope: Scope) -> None:
        """Add what the file says to the scope."""
        self.lexer = Lexer(text, file)
        try:
            self._statements(scope, None, ("end",))
        except SyntaxMistake as problem:
            self.mistakes.found.append(problem.mistake)

    # ---- statements ----------------------------------------------------------------------------------

    def _statements(self, scope: Scope, ends: Ends | None, until: tuple[str, ...]) -> None:
        keywords: dict[str, Callable[[Scope], None]] = {
            "elementclass": self._elementclass,
            "require": self._require,
            "provide": self._require,
            "define": self._define,
        }
        while self.lexer.peek().kind not in until:
            token = self.lexer.peek()
            if token.kind == ";":
                self.lexer.next()
            elif token.kind == "word" and token.text in keywords:
                self.lexer.next()
                keywords[token.text](scope)
            elif token.kind in ("word", "[", "(", "{", "->", "=>"):
                self._connection(scope, ends)
            else:
                raise SyntaxMistake(token.place, str(token), "an element, a connection or a statement")

    def _elementclass(self, scope: Scope) -> None:
        name = self.lexer.expect("word", "the name of an element class")
        if name.text in scope.elements:
            self.mistakes.add(name.place, f"elementclass {name.text}", "a name that no element has")
        token = self.lexer.peek()
        if token.kind == "{":
            compound = self._compound(scope, name.text)
            scope.classes[name.text] = compound
        else:
            original = self.lexer.expect("word", "an element class or '{'")
            scope.classes[name.text] = scope.klass(original.text)

    def _statement_config(self) -> Config:
        self.lexer.expect("(")
        return self.lexer.config()

    def _require(self, scope: Scope) -> None:
        for argument in split(self._statement_config()):
            words = argument.text.split(None, 1)
            if len(words) == 2 and words[0] == "library":
                self._library(unquote(words[1]), argument.place, scope)
            # packages bring elements, and an element that is missing is a mistake where it is used

    def _library(self, name: str, place: Place, scope: Scope) -> None:
        if scope.parent is not None:
            self.mistakes.add(place, "require(library)", "it at file scope, outside of compound elements")
        if name in self.libraries:
            return
        self.libraries.add(name)
        try:
            text = text_of((self.folder or Path()).joinpath(name))
        except (OSError, ValueError):
            self.mistakes.add(place, f"library {name}", "a configuration file beside this one")
            return
        outer, self.lexer = self.lexer, Lexer(text, name)
        self._statements(scope, None, ("end",))
        self.lexer = outer

    def _define(self, scope: Scope) -> None:
        for argument in split(self._statement_config()):
            pair = _PAIR.fullmatch(argument.text)
            if pair is None:
                self.mistakes.add(argument.place, f"define({argument.text})", "$NAME VALUE, separated by commas")
            elif pair[1] in scope.definitions:
                self.mistakes.add(argument.place, f"define(${pair[1]})", "each parameter once in a scope")
            else:
                scope.definitions[pair[1]] = pair[2].strip()

    # ---- compound elements ---------------------------------------------------------------------------

    def _compound(self, scope: Scope, name: str) -> Compound:
        self.lexer.expect("{")
        compound = Compound(name, [], within=scope)
        while True:
            if self.lexer.take("..."):
                if compound.definitions and name:
                    compound.extends = scope.klass(name)
                else:
                    place = self.lexer.peek().place
                    self.mistakes.add(place, "'...'", "it as the last overloading of an elementclass")
                self.lexer.expect("}")
                return compound
            compound.definitions.append(self._definition(scope))
            end = self.lexer.next()
            if end.kind == "}":
                return compound
            if end.kind != "||":
                raise SyntaxMistake(end.place, str(end), "'}' or '||'")

    def _definition(self, scope: Scope) -> Definition:
        place = self.lexer.peek().place
        inner = Scope(scope)
        formals = self._formals()
        self._statements(inner, Ends("input", "output"), ("}", "||"))
        return Definition(formals, inner, place)

    def _formals(self) -> list[Formal]:
        """`$a, KEY $b |`, if the compound begins so."""
        formals: list[Formal] = []
        if self.lexer.take("|"):
            return formals
        while True:
            token, keyword = self.lexer.peek(), ""
            if token.kind == "word" and self._keyword_follows():
                keyword = self.lexer.next().text
            elif token.kind != "variable":
                if formals:
                    raise SyntaxMistake(token.place, str(token), "a parameter such as $name")
                return formals
            variable = self.lexer.expect("variable", "a parameter such as $name")
            if any(f.keyword for f in formals) and not keyword:
                self.mistakes.add(variable.place, variable.text, "positional parameters before keywords")
            formals.append(Formal(variable.text[1:], keyword))
            if self.lexer.take("|"):
                return formals
            self.lexer.expect(",", "',' or '|'")

    def _keyword_follows(self) -> bool:
        """Whether a word is followed by a variable: looked at in the text, nothing is taken."""
        return re.match(r"\s*\$\w", self.lexer.text[self.lexer.at :]) is not None

    # ---- connections ---------------------------------------------------------------------------------

    def _connection(self, scope: Scope, ends: Ends | None) -> None:
        token = self.lexer.peek()
        left = [Item(token.place, missing=True)] if token.kind in ("->", "=>") else self._items(scope, ends)
        if self.lexer.peek().kind not in ("->", "=>"):
            self._declaration(left, scope, ends)
            return
        self._resolve(left, scope, ends, first=True)
        while self.lexer.peek().kind in ("->", "=>"):
            arrow = self.lexer.next()
            if self.lexer.peek().kind in ENDS:
                right = [Item(arrow.place, missing=True)]
            else:
                right = self._items(scope, ends)
            self._resolve(right, scope, ends, last=self.lexer.peek().kind not in ("->", "=>"))
            self._connect(left, arrow, right, scope)
            left = right

    def _items(self, scope: Scope, ends: Ends | None) -> list[Item]:
        items = [self._item(scope, ends)]
        while self.lexer.take(","):
            items.append(self._item(scope, ends))
        return items

    def _ports(self) -> list[int] | None:
        if not self.lexer.take("["):
            return None
        lexer = self.lexer
        start, end = lexer.at, lexer.text.find("]", lexer.at)
        place = lexer.place(start)
        text = lexer.text[start:end] if end >= 0 else ""
        ports: list[int] = []
        for part in text.split(","):
            found = _PORTS.fullmatch(part)
            last = int(found[2] or found[1]) if found else MOST_PORTS
            if found is None or last >= MOST_PORTS or int(found[1]) > last:
                raise SyntaxMistake(place, f"port [{text.strip()}]", f"numbers up to {MOST_PORTS - 1}, as in [0,2-3]")
            ports += range(int(found[1]), last + 1)
        lexer.at = end + 1
        return ports

    def _item(self, scope: Scope, ends: Ends | None) -> Item:
        item = Item(self.lexer.peek().place)
        before = self._ports()
        token = self.lexer.peek()
        item.place = token.place
        if token.kind == "word" and token.text not in KEYWORDS:
            self.lexer.next()
            self._reference(item, token, scope)
        elif token.kind == "{":
            item.klass = self._compound(scope, "")
            item.config = self._config()
        elif token.kind == "(":
            self.lexer.next()
            item.group = self._group(scope)
        elif before is not None or token.kind in ("->", "=>", *ENDS):
            # `[1] ->` begins at the input, `-> [1]` ends at the output: who connects knows which
            item.missing = True
            item.inputs = item.outputs = before
            return item
        else:
            raise SyntaxMistake(token.place, str(token), "an element")
        item.inputs, item.outputs = before, self._ports()
        return item

    def _config(self) -> Config | None:
        return self.lexer.config() if self.lexer.take("(") else None

    def _reference(self, item: Item, token: Token, scope: Scope) -> None:
        if any(part.isdigit() for part in token.text.split("/")):
            self.mistakes.add(token.place, token.text, "a name with a letter in each of its parts")
        if self.lexer.take("::"):
            item.name, item.declares = token.text, True
            if self.lexer.peek().kind == "{":
                item.klass = self._compound(scope, "")
            else:
                item.klass = scope.klass(self.lexer.expect("word", "an element class or '{'").text)
            item.config = self._config()
        elif self.lexer.peek().kind == "(":
            item.klass = scope.klass(token.text)
            item.name = token.text
            item.config = self._config()
        else:
            item.name = token.text

    def _group(self, scope: Scope) -> tuple[str, str]:
        scope.groups += 1
        names = (f"(group {scope.groups})/input", f"(group {scope.groups})/output")
        place = self.lexer.peek().place
        for name in names:
            scope.elements[name] = Declared(name, "", None, place, tunnel=True)
        self._statements(scope, Ends(*names), (")",))
        self.lexer.expect(")")
        return names

    # ---- what names mean -------------------------------------------------------------------------------

    def _declaration(self, items: list[Item], scope: Scope, ends: Ends | None) -> None:
        """A statement without an arrow: `a, b :: Class(config)`, or elements that stand alone."""
        last = items[-1]
        if last.declares:
            for item in items[:-1]:
                if item.name and item.klass is None and item.group is None:
                    item.declares, item.klass, item.config = True, last.klass, last.config
        for item in items:
            if item.inputs is not None or item.outputs is not None or item.missing:
                self.mistakes.add(item.place, "a port without a connection", "'->' before or behind it")
        self._resolve(items, scope, ends)

    def _resolve(
        self, items: list[Item], scope: Scope, ends: Ends | None, first: bool = False, last: bool = False
    ) -> None:
        for item in items:
            if item.missing:
                if ends is None or not (first or last):
                    raise SyntaxMistake(item.place, "a connection without an element", "an element")
                item.name = ends.input if first else ends.output
            elif item.group is not None:
                continue
            elif item.declares:
                self._declare(scope, item)
            elif item.klass is None and ends is not None and item.name in ("input", "output"):
                item.name = ends.input if item.name == "input" else ends.output
            elif item.klass is None and item.name in scope.elements and not scope.elements[item.name].tunnel:
                continue
            else:
                self._anonymous(scope, item)

    def _declare(self, scope: Scope, item: Item) -> None:
        assert item.klass is not None
        known = scope.elements.get(item.name)
        if item.name in ("input", "output") and known is not None:
            self.mistakes.add(item.place, f"{item.name} :: ...", "a name other than input and output")
        elif known is not None:
            expected = f"each name once (the first is at {known.place})"
            self.mistakes.add(item.place, f"element {item.name} for a second time", expected)
        elif scope.is_class(item.name):
            self.mistakes.add(item.place, f"element {item.name}", "a name that no element class has")
        else:
            scope.elements[item.name] = Declared(item.name, item.klass, item.config, item.place)

    def _anonymous(self, scope: Scope, item: Item) -> None:
        klass = item.klass if item.klass is not None else scope.klass(item.name)
        stem = item.name if item.name and not isinstance(klass, Compound) else getattr(klass, "name", "") or item.name
        name = scope.unused_name(item.name or stem)
        scope.elements[name] = Declared(name, klass, item.config, item.place)
        item.name = name

    # ---- connecting ------------------------------------------------------------------------------------

    def _ends_of(self, items: list[Item], scope: Scope, *, outputs: bool) -> tuple[list[tuple[str, int]], bool]:
        """The ends that these items offer, and whether it is one element without a port."""
        ends: list[tuple[str, int]] = []
        for item in items:
            ports = item.outputs if outputs else item.inputs
            name = item.name
            if item.group is not None:
                name = item.group[1] if outputs else item.group[0]
                if ports is None:
                    ports = list(range(scope.ports(name, outputs=not outputs))) or [0]
            ends += [(name, port) for port in (ports if ports is not None else [0])]
        lone = len(items) == 1 and items[0].group is None
        return ends, lone and (items[0].outputs if outputs else items[0].inputs) is None

    def _connect(self, left: list[Item], arrow: Token, right: list[Item], scope: Scope) -> None:
        sources, lone_source = self._ends_of(left, scope, outputs=True)
        targets, lone_target = self._ends_of(right, scope, outputs=False)
        if arrow.kind == "=>":
            if lone_source:
                sources = [(sources[0][0], port) for port in range(len(targets))]
            elif lone_target:
                targets = [(targets[0][0], port) for port in range(len(sources))]
            if len(sources) != len(targets):
                found = f"{len(sources)} outputs => {len(targets)} inputs"
                self.mistakes.add(arrow.place, found, "the same number on both sides")
            pairs = list(zip(sources, targets, strict=False))
        else:
            if len(sources) > 1 and len(targets) > 1:
                found = f"{len(sources)} outputs -> {len(targets)} inputs"
                self.mistakes.add(arrow.place, found, "one on either side", "write => to connect them one by one")
            pairs = [(source, target) for source in sources for target in targets]
        for (source, output), (target, entry) in pairs:
            connection = Connection(source, output, target, entry, arrow.place)
            if not any((c.source, c.output, c.target, c.input) == (source, output, target, entry)
                       for c in scope.connections):  # fmt: skip
                scope.connections.append(connection)
