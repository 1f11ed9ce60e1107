"""The tokens of the Click language.

A configuration string is not made of tokens: the parser asks for it (`config`) when it has seen the
parenthesis that opens it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pps.click.mistakes import Place, SyntaxMistake

_SYMBOL = re.compile(r"->|=>|::|\|\||\.\.\.|[;,()\[\]{}|]")
_WORD = re.compile(r"[A-Za-z0-9_@]+(?:/[A-Za-z0-9_@]+)*")
_VARIABLE = re.compile(r"\$[A-Za-z0-9_]+")
_DIRECTIVE = re.compile(r"#\s*(?:line\s+)?(\d+)(?:\s+\"([^\"\n]*)\")?[^\n]*")


@dataclass(frozen=True)
class Token:
    """`kind` is word, variable, end, or the symbol itself."""

    kind: str
    text: str
    place: Place

    def __str__(self) -> str:
        return "the end of the file" if self.kind == "end" else f"'{self.text}'"


@dataclass(frozen=True)
class Config:
    """A configuration string, and where its first character stands."""

    text: str
    place: Place


class Lexer:
    def __init__(self, text: str, file: str):
        self.text = text
        self.file = file
        self.at = 0
        self._shift = 0  # what a line directive adds to line numbers
        self._ahead: Token | None = None
        self._lines_at, self._lines = 0, 1

    def place(self, at: int) -> Place:
        if at < self._lines_at:
            self._lines_at, self._lines = 0, 1
        self._lines += self.text.count("\n", self._lines_at, at)
        self._lines_at = at
        return Place(self.file, self._lines + self._shift, at - self.text.rfind("\n", 0, at))

    def peek(self) -> Token:
        if self._ahead is None:
            self._ahead = self._read()
        return self._ahead

    def next(self) -> Token:
        token = self.peek()
        self._ahead = None
        return token

    def take(self, kind: str) -> Token | None:
        """The next token if it is of that kind."""
        return self.next() if self.peek().kind == kind else None

    def expect(self, kind: str, expected: str | None = None) -> Token:
        token = self.next()
        if token.kind != kind:
            raise SyntaxMistake(token.place, str(token), expected or f"'{kind}'")
        return token

    def _skip(self) -> None:
        while self.at < len(self.text):
            if self.text[self.at].isspace():
                self.at += 1
            elif self.text.startswith(("//", "/*"), self.at):
                self.at = self._after_comment(self.at)
            elif self.text[self.at] == "#" and self.text[: self.at].rpartition("\n")[2].strip() == "":
                self._directive()
            else:
                return

    def _directive(self) -> None:
        end = self.text.find("\n", self.at)
        end = len(self.text) if end < 0 else end
        if found := _DIRECTIVE.match(self.text, self.at, end):
            self._shift += int(found[1]) - self.place(self.at).line - 1
            self.file = found[2] or self.file
        self.at = end

    def _after_comment(self, at: int) -> int:
        long = self.text.startswith("/*", at)
        end = self.text.find("*/" if long else "\n", at + 2)
        if end < 0 and long:
            raise SyntaxMistake(self.place(at), "a comment without an end", "'*/'")
        return len(self.text) if end < 0 else end + (2 if long else 1)

    def _read(self) -> Token:
        self._skip()
        place = self.place(self.at)
        if self.at >= len(self.text):
            return Token("end", "", place)
        for pattern, kind in ((_WORD, "word"), (_VARIABLE, "variable"), (_SYMBOL, "")):
            if found := pattern.match(self.text, self.at):
                self.at = found.end()
                return Token(kind or found[0], found[0], place)
        raise SyntaxMistake(place, f"'{self.text[self.at]}'", "an element, a connection or a statement")

    def config(self) -> Config:
        """What stands between the parenthesis that was just taken and the one that closes it; both are
        gone."""
        assert self._ahead is None
        start = at = self.at
        depth = 1
        while at < len(self.text):
            char = self.text[at]
            if char in "'\"":
                at = after_quote(self.text, at)
                continue
            if self.text.startswith("\\<", at):
                at = max(self.text.find(">", at), at + 1)
            elif self.text.startswith(("//", "/*"), at):
                at = self._after_comment(at)
                continue
            elif char == "(":
                depth += 1
            elif char == ")":
                depth -= 1
                if depth == 0:
                    config = Config(self.text[start:at], self.place(start))
                    self.at = at + 1
                    return config
            at += 1
        raise SyntaxMistake(self.place(start - 1), "a configuration string without an end", "')'")


def after_quote(text: str, at: int) -> int:
    """The offset behind the quoted string that begins at `at`, or the text's end."""
    quote = text[at]
    at += 1
    while at < len(text) and text[at] != quote:
        at += 2 if text[at] == "\\" and quote == '"' else 1
    return min(at + 1, len(text))
