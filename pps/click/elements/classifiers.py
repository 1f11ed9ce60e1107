"""Classifier, and switches that choose an output without looking at a pattern."""

from __future__ import annotations

import re

from pps.click.arguments import unquote
from pps.click.elements import Element, c_string, element, every, text_handler
from pps.click.values import raw

_CLAUSE = re.compile(r"(!?)(\d+)/([0-9A-Fa-f?]+)(?:%([0-9A-Fa-f]+))?")


def clause(text: str) -> str:
    """The C condition of `offset/value%mask`. Raises ValueError with what was expected."""
    found = _CLAUSE.fullmatch(text)
    if found is None or len(found[3]) % 2 or (found[4] and len(found[4]) != len(found[3])):
        raise ValueError("OFFSET/VALUE or OFFSET/VALUE%MASK, in pairs of hexadecimal digits")
    value = bytes.fromhex(found[3].replace("?", "0"))
    mask = bytes.fromhex("".join("0" if digit == "?" else "f" for digit in found[3]))
    if found[4]:
        mask = bytes(a & b for a, b in zip(mask, bytes.fromhex(found[4]), strict=True))
    start, end = int(found[2]), len(mask.rstrip(b"\0"))
    tests = [f"p->len >= {start + end}"] if end else []
    at = 0
    while at < end:
        size = 4 if end - at >= 4 else 2 if end - at >= 2 else 1
        bits = int.from_bytes(mask[at : at + size], "big")
        wanted = int.from_bytes(value[at : at + size], "big") & bits
        load = {
            1: f"p->data[{start + at}]",
            2: f"load16(p->data + {start + at})",
            4: f"load32(p->data + {start + at})",
        }
        if bits:
            loaded = load[size] if bits == (1 << 8 * size) - 1 else f"({load[size]} & {bits:#x}u)"
            tests.append(f"{loaded} == {wanted:#x}u")
        at += size
    test = "(" + (" && ".join(tests) or "true") + ")"
    return "!" + test if found[1] else test


@element
class Classifier(Element):
    """A packet goes to the output of the first pattern of bytes that it matches."""

    ports, processing = "1/-", "h/h"
    arguments = (every("PATTERN", raw, 1),)
    reason = ("no_pattern", "no pattern of the classifier matched")

    def configure(self) -> None:
        patterns = [unquote(text) for text in self.args["PATTERN"]]
        if len(patterns) != self.outputs:
            self.wrong(None, f"{len(patterns)} patterns", f"one for each of its {self.outputs} connected outputs")
        body = ""
        for i, pattern in enumerate(patterns):
            test = self._pattern(i, pattern)
            body += f"\tif ({test}) {{\n\t\t$out({i}, p);\n\t\treturn;\n\t}}\n"
        self.push = body + "\t$drop(p);"
        self.handlers = tuple(
            text_handler(f"pattern{i}", f'\tclick_say(out, "%s", {c_string(pattern)});', f"pattern of output {i}")
            for i, pattern in enumerate(patterns)
        )

    def _pattern(self, index: int, pattern: str) -> str:
        if pattern.strip() == "-":
            return "true"
        tests = []
        for text in re.sub(r"!\s+", "!", pattern).split():
            try:
                tests.append(clause(text))
            except ValueError as problem:
                found = f"{self}: pattern {index} has '{text}'"
                self.mistakes.add(self.every_place[index], found, str(problem))
        return " && ".join(tests) or "true"
