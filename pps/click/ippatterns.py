"""IPClassifier's pattern language, compiled to C conditions.

A pattern is made of primitives (`src tcp port 80`), each optional in most of its parts: what is missing is
taken from the value (`syn` is a TCP option) or from the primitive before it (`port 80 or 81`). The C
condition works on what pps/click/runtime/ippattern.h provides: `ip`, `transport` and `mac` with their
lengths. A field that is not in the packet makes its primitive false.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

from pps.click import values
from pps.click.ipwords import ANY_TRANSPORT, FIELDS, PROTOCOLS, TCP_OR_UDP, TYPES, Field, meanings
from pps.click.values import Names

_WORD = re.compile(r"&&|\|\||[<>!=]=|[A-Za-z0-9_./@:-]+|\S")
_BRACKETS = re.compile(r"(\d+)(?:([:,])(\d+))?")
EVERYTHING = ("-", "any", "all")
ORDERS = {">": (">", False), "<": ("<", False), ">=": ("<", True), "<=": (">", True),
          "=": ("==", False), "==": ("==", False), "!=": ("==", True)}  # fmt: skip


class PatternError(ValueError):
    """What was found, and what was expected."""

    def __init__(self, found: str, expected: str):
        super().__init__(expected)
        self.found, self.expected = found, expected


@dataclass
class Primitive:
    type: Any = None  #: "host", "port", ..., or a Field
    ends: str = ""  #: src, dst, or, and
    proto: int | None = None
    value: Any = None
    kind: Any = None  #: what the value is: a type, or "int"
    mask: Any = None
    order: str = "=="
    negated: bool = False


@dataclass
class Pattern:
    words: list[str]
    names: Names
    at: int = 0
    before: Primitive = field(default_factory=Primitive)

    def word(self, ahead: int = 0) -> str:
        return self.words[self.at + ahead] if self.at + ahead < len(self.words) else ""

    def condition(self) -> str:
        """The C condition of the whole pattern."""
        if len(self.words) == 1 and self.words[0] in EVERYTHING:
            return "true"
        text = self._ternary()
        if self.word():
            raise PatternError(f"'{self.word()}'", "the pattern's end")
        return text

    # ---- connectives ------------------------------------------------------------------------------------

    def _ternary(self) -> str:
        test = self._or()
        if self.word() != "?":
            return test
        self.at += 1
        yes = self._ternary()
        if self.word() != ":":
            raise PatternError(f"'{self.word()}'" if self.word() else "no ':'", "' : ' and what holds otherwise")
        self.at += 1
        return f"({test} ? {yes} : {self._ternary()})"

    def _or(self) -> str:
        parts = [self._and()]
        while self.word() in ("or", "||"):
            self.at += 1
            parts.append(self._and())
        return parts[0] if len(parts) == 1 else "(" + " || ".join(parts) + ")"

    def _and(self) -> str:
        parts = [self._factor()]
        while self.word() not in ("", "or", "||", ")", "?", ":"):
            if self.word() in ("and", "&&"):
                self.at += 1
            parts.append(self._factor())
        return parts[0] if len(parts) == 1 else "(" + " && ".join(parts) + ")"

    def _factor(self) -> str:
        if self.word() in ("not", "!"):
            self.at += 1
            return f"!{self._factor()}"
        if self.word() == "(":
            self.at += 1
            inner = self._ternary()
            if self.word() != ")":
                raise PatternError(f"'{self.word()}'" if self.word() else "no ')'", "')'")
            self.at += 1
            return f"({inner})"
        if self.word() in ("true", "false"):
            self.at += 1
            return self.words[self.at - 1]
        if self.word() in ("", "or", "||", "and", "&&", ")", "?", ":"):
            raise PatternError(f"'{self.word()}'" if self.word() else "its end", "an expression")
        return self._primitive()

    # ---- one primitive ------------------------------------------------------------------------------------

    def _primitive(self) -> str:
        start, negated = self.at, False
        primitive, header = Primitive(), ""
        while word := self.word():
            if word in TYPES:
                self._set_type(primitive, FIELDS.get(word, word))
            elif [kind for kind, _ in meanings(word, None, None)] == ["proto"]:
                number = PROTOCOLS[word]
                if primitive.proto not in (None, number):
                    raise PatternError(f"'{word}'", "one transport protocol")
                primitive.proto = number
            elif word in ("src", "dst", "dest"):
                self._set_ends(primitive, word)
            elif word in ("ip", "ether") and not header:
                header = word
            elif word in ("not", "!"):
                negated = not negated
            else:
                break
            self.at += 1
        if self.at != start:
            self.before = Primitive()
        if self.before.kind == "ether":
            header = "ether"
        if self.word() == "[" and self.at > start and primitive.type is None:
            self._brackets(primitive)
        if self.word() == "&" and self.word(1):
            primitive.mask = self._mask(header)
        if order := ORDERS.get(self.word()):
            primitive.order, primitive.negated = order
            self.at += 1
            if not self._value(primitive, header):
                raise PatternError(f"'{self.word()}'" if self.word() else "its end", "a value")
        else:
            self._value(primitive, header)
        if self.at == start:
            raise PatternError(f"'{self.word()}'", "an expression of IPClassifier")
        text = self._checked(primitive, header)
        self.before = primitive
        return f"!{text}" if negated else text

    def _set_type(self, primitive: Primitive, kind: Any) -> None:
        if primitive.type is not None:
            raise PatternError(f"'{self.word()}'", "one type of test in an expression")
        primitive.type = kind
        if isinstance(kind, Field) and kind.proto:
            if primitive.proto not in (None, kind.proto):
                raise PatternError(f"'{self.word()}'", "one transport protocol")
            primitive.proto = kind.proto

    def _set_ends(self, primitive: Primitive, word: str) -> None:
        if primitive.ends:
            raise PatternError(f"'{word}'", "src or dst once")
        primitive.ends = "src" if word == "src" else "dst"
        if word == "src" and self.word(2) in ("dst", "dest") and self.word(1) in ("or", "||", "and", "&&"):
            primitive.ends = "or" if self.word(1) in ("or", "||") else "and"
            self.at += 2

    def _brackets(self, primitive: Primitive) -> None:
        end = self.words.index("]", self.at) if "]" in self.words[self.at :] else len(self.words)
        text = "".join(self.words[self.at + 1 : end])
        found = _BRACKETS.fullmatch(text)
        if found is None or end == len(self.words):
            raise PatternError(f"'[{text}'", "[POS] or [POS:LENGTH]")
        first = int(found[1])
        length = 1 if not found[3] else int(found[3]) if found[2] == ":" else int(found[3]) - first + 1
        if not 1 <= length <= 4 or first // 4 != (first + length - 1) // 4:
            raise PatternError(f"[{text}]", "1 to 4 bytes that lie in one 32-bit word")
        primitive.type = Field(first * 8, length * 8, primitive.proto or 0)
        self.at = end + 1

    def _mask(self, header: str) -> Any:
        word = self.word(1)
        for kind in (values.unsigned, values.ip if header != "ether" else None,
                     values.ether if header != "ip" else None):  # fmt: skip
            if kind is not None:
                try:
                    mask = kind(word, self.names)
                except ValueError:
                    continue
                if mask == 0:
                    raise PatternError("a mask of zero", "a mask with bits")
                self.at += 2
                return mask
        raise PatternError(f"'& {word}'", "a mask")

    def _value(self, primitive: Primitive, header: str) -> bool:
        """Take the value, if there is one."""
        word = self.word()
        if not word or word in TYPES or word in (")", "or", "and", "||", "&&", "?", ":"):
            return False
        found = meanings(word, primitive.type, primitive.proto)
        if len(found) > 1:
            raise PatternError(f"'{word}'", "a word that has one meaning there: say port, opt or icmp type")
        if found:
            primitive.kind, primitive.value = found[0]
            self.at += 1
            return True
        return self._literal(primitive, header, word)

    def _literal(self, primitive: Primitive, header: str, word: str) -> bool:
        tries: list[tuple[str, values.Kind, bool]] = [
            ("int", values.unsigned, True),
            ("host", values.ip, header != "ether" and primitive.type != "net"),
            ("net", values.prefix, header != "ether"),
            ("ether", values.ether, header != "ip"),
        ]
        for kind, parse, allowed in tries:
            if not allowed:
                continue
            try:
                primitive.value = parse(word, self.names)
            except ValueError:
                continue
            primitive.kind = kind
            self.at += 1
            if kind == "net":
                primitive.value, primitive.mask = primitive.value
            if kind in ("host", "net") and self.word() == "mask":
                primitive.kind, primitive.mask = "net", values.ip(self.word(1) or "-", self.names)
                self.at += 2
            return True
        return False

    # ---- what is missing, and what does not fit ----------------------------------------------------------

    def _checked(self, p: Primitive, header: str) -> str:
        before = self.before
        if p.type is None:
            if p.kind == "int":
                if not (isinstance(before.type, Field) or before.type in ("proto", "port")):
                    raise PatternError(f"{p.value}", "a field, `port` or `proto` before a number")
                p.kind = before.type
            p.type = p.kind
            if p.type is None and p.proto is not None:
                p.type = "proto"
            if p.type is None:
                found = f"'{self.word()}'" if self.word() else "an unfinished expression"
                raise PatternError(found, "an address, a port, a protocol or another value")
            if p.type in ("host", "net", "opt", "ether", "port"):
                p.ends = p.ends or before.ends
            if p.type == "port" and p.proto is None:
                p.proto = before.proto
            if isinstance(p.type, Field) and p.type.proto and p.proto is None:
                p.proto = p.type.proto
        header = header or ("ether" if p.kind == "ether" else "ip")
        if header == "ether":
            if p.type not in ("host", "ether") or p.kind != "ether":
                raise PatternError("ether", "ether host and an Ethernet address")
            return self._ether(p)
        name = p.type if isinstance(p.type, str) else "field"
        build = {
            "host": self._host, "net": self._host, "proto": self._proto, "port": self._port,
            "opt": self._option, "ect": self._ecn, "ce": self._ecn, "frag": self._fragment,
            "unfrag": self._fragment, "field": self._field,
        }.get(name)  # fmt: skip
        if build is None:
            raise PatternError(f"'{p.type}'", "an expression of IPClassifier")
        return build(p)

    def _host(self, p: Primitive) -> str:
        if p.kind not in ("host", "net"):
            raise PatternError(f"{p.type} without an address", "an IPv4 address or prefix")
        if p.order != "==":
            raise PatternError(f"'{p.order}'", "== or != with addresses")
        mask = p.mask if p.mask is not None else 0xFFFFFFFF
        p.ends = p.ends or "or"
        tests = [f"PATTERN_IP32({at}, {mask:#x}u) == {p.value & mask:#x}u" for at in _offsets(p.ends, 12, 16)]
        return _all("PATTERN_HAS_IP(20)", _negate(_ends(p.ends, tests), p.negated))

    def _ether(self, p: Primitive) -> str:
        if p.order != "==":
            raise PatternError(f"'{p.order}'", "== or != with addresses")
        mask = p.mask if isinstance(p.mask, bytes) else b"\xff" * 6
        p.ends = p.ends or "or"
        value = int.from_bytes(bytes(a & b for a, b in zip(p.value, mask, strict=True)), "big")
        bits = int.from_bytes(mask, "big")
        tests = [f"(pattern_load48(mac + {at}) & {bits:#x}ull) == {value:#x}ull" for at in _offsets(p.ends, 6, 0)]
        return _all("PATTERN_HAS_MAC", _negate(_ends(p.ends, tests), p.negated))

    def _proto(self, p: Primitive) -> str:
        if p.kind in ("int", "proto"):
            if p.proto is not None and p.proto != p.value:
                raise PatternError("two protocols", "one")
        elif p.proto is not None:
            p.value = p.proto
        else:
            raise PatternError("proto without a protocol", "its name or number")
        p.proto = p.value if p.order == "==" and not p.negated and p.mask is None else None
        if p.value >= 256:
            if p.order != "==" or p.mask is not None:
                raise PatternError("an operator", "no operator and no mask here")
            return _negate(_of_protocol(p.value), p.negated)
        mask = self._mask_of(p, 8)
        return _all("PATTERN_HAS_IP(20)", _negate(_compare("ip[9]", mask, p, 8), p.negated))

    def _port(self, p: Primitive) -> str:
        if p.kind not in ("int", "port"):
            raise PatternError("port without a number", "a port's name or number")
        p.kind = "port"
        p.proto = TCP_OR_UDP if p.proto is None else p.proto
        if p.proto not in (6, 17, 33, TCP_OR_UDP):
            raise PatternError("port", "a protocol with ports: tcp or udp")
        mask = self._mask_of(p, 16)
        p.ends = p.ends or "or"
        tests = [_compare(f"load16(transport + {at})", mask, p, 16) for at in _offsets(p.ends, 0, 2)]
        ports = _all("PATTERN_HAS_TRANSPORT(4)", _ends(p.ends, tests))
        return _all(_of_protocol(p.proto), "PATTERN_FIRST_FRAGMENT", _negate(ports, p.negated))

    def _option(self, p: Primitive) -> str:
        if p.kind not in ("int", "opt") or p.value > 255:
            raise PatternError("tcp opt without an option", "syn, fin, ack, rst, psh, urg")
        if p.order != "==" or p.negated or p.mask is not None:
            raise PatternError("an operator", "no operator and no mask with tcp opt")
        if p.proto not in (None, 6):
            raise PatternError("opt", "tcp opt")
        test = f"(transport[13] & {p.value}) == {p.value}"
        return _all(_of_protocol(6), "PATTERN_FIRST_FRAGMENT", "PATTERN_HAS_TRANSPORT(14)", test)

    def _ecn(self, p: Primitive) -> str:
        if p.kind not in (None, "int") or (p.type == "ce" and (p.kind or p.mask is not None)):
            raise PatternError(f"{p.type} with a value", f"{p.type} alone")
        if p.kind == "int":
            return self._field(replace(p, type=Field(14, 2), proto=None))
        test = "(ip[1] & 3) == 3" if p.type == "ce" else "(ip[1] & 3) != 0"
        return _all("PATTERN_HAS_IP(20)", _negate(test, p.negated))

    def _fragment(self, p: Primitive) -> str:
        if p.kind is not None or p.mask is not None:
            raise PatternError(f"{p.type} with a value", f"{p.type} alone")
        test = f"(load16(ip + 6) & 0x3fff) {'!=' if p.type == 'frag' else '=='} 0"
        return _all("PATTERN_HAS_IP(20)", _negate(test, p.negated))

    def _field(self, p: Primitive) -> str:
        where = p.type
        if p.kind not in ("int", where):
            raise PatternError("a field without a value", "a number")
        p.kind = where
        base = "transport" if where.proto else "ip"
        # only the bytes that the field is in have to be there
        first, last = where.offset // 8, (where.offset + where.length - 1) // 8
        shift = 7 - (where.offset + where.length - 1) % 8
        mask = self._mask_of(p, where.length)
        loaded = f"pattern_load({base} + {first}, {last - first + 1})"
        full = (1 << where.length) - 1
        test = _compare(f"(({loaded} >> {shift}) & {full:#x}u)", mask, p, where.length)
        has = f"PATTERN_HAS_TRANSPORT({last + 1})" if where.proto else f"PATTERN_HAS_IP({max(20, last + 1)})"
        if where == FIELDS["vers"]:
            has = "PATTERN_HAS_VERSION"  # whoever asks for the version wants to know of others
        conditions = [_of_protocol(p.proto)] if p.proto is not None else []
        conditions += ["PATTERN_FIRST_FRAGMENT"] if where.proto else []
        return _all(*conditions, _all(has, _negate(test, p.negated)))

    def _mask_of(self, p: Primitive, bits: int) -> int:
        full = (1 << bits) - 1
        mask = full if p.mask is None else p.mask
        if not isinstance(mask, int) or mask & ~full:
            raise PatternError("the mask", f"at most {full:#x}")
        if p.order == "==" and p.value > full:
            raise PatternError(f"{p.value}", f"0 to {full}")
        return _only_greater(p, int(mask))


def _only_greater(p: Primitive, mask: int) -> int:
    """Less is not greater than one less: of `src or dst`, where it makes a difference, both are then less. What is
    always or never so becomes a comparison of no bits. Returns the mask."""
    always = None
    if p.order == "<" and p.value > mask:
        always = not p.negated
    elif (p.order == "<" and p.value == 0) or (p.order == ">" and p.value >= mask):
        always = p.negated
    if always is not None:
        p.order, p.value, p.negated = "==", 0, not always
        return 0
    if p.order == "<":
        p.order, p.value, p.negated = ">", p.value - 1, not p.negated
    return mask


def _offsets(ends: str, source: int, target: int) -> list[int]:
    return [source] if ends == "src" else [target] if ends == "dst" else [source, target]


def _ends(ends: str, tests: list[str]) -> str:
    return "(" + (" || " if ends == "or" else " && ").join(f"({t})" for t in tests) + ")"


def _negate(test: str, negated: bool) -> str:
    return f"!({test})" if negated else f"({test})"


def _all(*conditions: str) -> str:
    return "(" + " && ".join(conditions) + ")"


def _compare(loaded: str, mask: int, p: Primitive, bits: int) -> str:
    value = p.value & mask if p.order == "==" else p.value
    masked = loaded if mask == (1 << bits) - 1 else f"({loaded} & {mask:#x}u)"
    return f"({masked} {p.order} {value}u)"


def _of_protocol(proto: int) -> str:
    if proto == ANY_TRANSPORT:
        return "PATTERN_HAS_IP(20)"
    if proto == TCP_OR_UDP:
        return "(PATTERN_HAS_IP(20) && (ip[9] == 6 || ip[9] == 17))"
    return f"(PATTERN_HAS_IP(20) && ip[9] == {proto})"


def condition(words: list[str], names: Names) -> str:
    """The C condition for a pattern. Raises PatternError."""
    return Pattern(words, names).condition()


def pattern_words(text: str) -> list[str]:
    return _WORD.findall(text)
