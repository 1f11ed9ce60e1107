"""Configuration strings: splitting them into arguments, putting parameters in, taking quotes off."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pps.click.lexer import Config, after_quote
from pps.click.mistakes import Place

_ESCAPE = re.compile(
    r"\\(?:<(?P<data>[^>]*)>|x(?P<hex>[0-9A-Fa-f]+)|(?P<octal>[0-7]{1,3})|(?P<line>\r\n|\r|\n)|(?P<char>.))",
    re.DOTALL,
)
_LETTERS = {"a": "\a", "b": "\b", "t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r"}
_COMMENT = re.compile(r"//[^\n\r]*|/\*.*?\*/", re.DOTALL)
_PARAMETER = re.compile(r"\$(?:\{(\w+)(?:-([^}]*))?\}|(\w+))")


@dataclass(frozen=True)
class Argument:
    """One argument, without comments and outer spaces, quotes still there."""

    text: str
    place: Place


def split(config: Config | None) -> list[Argument]:
    """The arguments of a configuration string. An empty last one is not there."""
    if config is None:
        return []
    text, arguments = config.text, []
    part, start, at = "", 0, 0
    while at <= len(text):
        if at == len(text) or text[at] == ",":
            arguments.append(_argument(config, part, start))
            part, start = "", at + 1
            at += 1
        elif text[at] in "'\"":
            end = after_quote(text, at)
            part += text[at:end]
            at = end
        elif text.startswith("\\<", at):
            end = text.find(">", at) + 1 or len(text)
            part += text[at:end]
            at = end
        elif comment := _COMMENT.match(text, at):
            part += " "
            at = comment.end()
        else:
            part += text[at]
            at += 1
    if not arguments[-1].text:
        arguments.pop()
    return arguments


def _argument(config: Config, part: str, start: int) -> Argument:
    text = config.text
    while start < len(text) and (text[start].isspace() or _COMMENT.match(text, start)):
        comment = _COMMENT.match(text, start)
        start = comment.end() if comment else start + 1
    before = text[:start]
    line = config.place.line + before.count("\n")
    column = start - before.rfind("\n") if "\n" in before else config.place.column + start
    return Argument(part.strip(), Place(config.place.file, line, column))


def substitute(text: str, values: Mapping[str, str]) -> str:
    """Put parameters in, but for those in single quotes; one that is not known stays as it is."""
    out, at, quoted = "", 0, False
    while at < len(text):
        char = text[at]
        if char == '"':
            quoted = not quoted
        elif char == "'" and not quoted:
            end = after_quote(text, at)
            out += text[at:end]
            at = end
            continue
        elif char == "\\" and quoted:
            out += text[at : at + 2]
            at += 2
            continue
        elif char == "$" and (found := _PARAMETER.match(text, at)):
            name = found[1] or found[3]
            value = values.get(name, found[2] if found[2] is not None else found[0])
            if quoted and name in values:
                value = unquote(value).replace("\\", "\\\\").replace('"', '\\"')
            out += value
            at = found.end()
            continue
        out += char
        at += 1
    return out


def _escape(found: re.Match[str]) -> str:
    if found["data"] is not None:
        digits = re.sub("[^0-9A-Fa-f]", "", found["data"])
        return bytes.fromhex(digits if len(digits) % 2 == 0 else digits + "0").decode("latin-1")
    if found["hex"]:
        return chr(int(found["hex"][-2:], 16))
    if found["octal"]:
        return chr(int(found["octal"], 8) & 255)
    return "" if found["line"] else _LETTERS.get(found["char"], found["char"])


def unquote(text: str) -> str:
    """The string that an argument stands for. Bytes beyond ASCII are the characters of Latin-1."""
    out, at = "", 0
    text = text.strip()
    while at < len(text):
        char = text[at]
        if char in "'\"":
            end = after_quote(text, at)
            inside = text[at + 1 : end - 1 if text[end - 1] == char and end - 1 > at else end]
            out += _ESCAPE.sub(_escape, inside) if char == '"' else inside
            at = end
        elif text.startswith("\\<", at) and (found := _ESCAPE.match(text, at)):
            out += _escape(found)
            at = found.end()
        else:
            out += char
            at += 1
    return out


def words(text: str) -> list[str]:
    """The space-separated words of an argument; quotes keep a word together and stay there."""
    found: list[str] = []
    word, at = "", 0
    while at < len(text):
        if text[at].isspace():
            if word:
                found.append(word)
            word, at = "", at + 1
            continue
        end = after_quote(text, at) if text[at] in "'\"" else at + 1
        if text.startswith("\\<", at):
            end = text.find(">", at) + 1 or len(text)
        word += text[at:end]
        at = end
    return [*found, word] if word else found
