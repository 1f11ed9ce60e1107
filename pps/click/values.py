"""The kinds of values that arguments have. A kind takes the argument's text and returns the value, or raises
ValueError with what was expected. Texts come with their quotes; `Names` knows what AddressInfo defined.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pps.click.arguments import unquote, words

_INTEGER = re.compile(r"[+-]?(?:0[xX][0-9A-Fa-f]+|0[bB][01]+|\d+)")
_REAL = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([A-Za-z/]*)")
_ETHER = re.compile(r"[0-9A-Fa-f]{1,2}(?:([:-])[0-9A-Fa-f]{1,2})(?:\1[0-9A-Fa-f]{1,2}){4}")
TRUE, FALSE = ("1", "true", "yes", "t", "y"), ("0", "false", "no", "f", "n")
_TIMES = {"": 1e9, "s": 1e9, "sec": 1e9, "ms": 1e6, "msec": 1e6, "us": 1e3, "usec": 1e3, "ns": 1, "nsec": 1,
          "m": 60e9, "min": 60e9, "h": 3600e9, "hr": 3600e9, "d": 86400e9, "day": 86400e9}  # fmt: skip
_SI = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9}


@dataclass
class Names:
    """Names for addresses, from AddressInfo, and the names of elements."""

    ip: dict[str, tuple[int, int]] = field(default_factory=dict)  #: address, and the prefix length given with it
    net: dict[str, tuple[int, int]] = field(default_factory=dict)  #: address and prefix length
    ether: dict[str, bytes] = field(default_factory=dict)
    elements: dict[str, Any] = field(default_factory=dict)


Kind = Callable[[str, Names], Any]


def text(argument: str, names: Names) -> str:
    return unquote(argument)


def raw(argument: str, names: Names) -> str:
    """As written, with quotes."""
    return argument


def integer(least: int = -(2**31), most: int = 2**31 - 1) -> Kind:
    def parse(argument: str, names: Names) -> int:
        word = unquote(argument)
        if _INTEGER.fullmatch(word):
            digits = word.lstrip("+-")
            octal = len(digits) > 1 and digits.isdigit() and digits[0] == "0"
            try:
                value = int(word, 8 if octal else 0)
            except ValueError:
                value = most + 1
            if least <= value <= most:
                return value
        raise ValueError(f"an integer from {least} to {most}")

    return parse


unsigned = integer(0, 2**32 - 1)
unsigned64 = integer(0, 2**64 - 1)
byte = integer(0, 255)
port = integer(0, 65535)


def boolean(argument: str, names: Names) -> bool:
    word = unquote(argument).lower()
    if word not in TRUE + FALSE:
        raise ValueError("true or false")
    return word in TRUE


def real(argument: str, names: Names) -> float:
    found = _REAL.fullmatch(unquote(argument))
    if found is None or found[2]:
        raise ValueError("a number")
    return float(found[1])


def nanoseconds(default_unit: str = "s") -> Kind:
    """A time with an optional unit, in ns."""

    def parse(argument: str, names: Names) -> int:
        found = _REAL.fullmatch(unquote(argument))
        if found is None or found[2] not in _TIMES or float(found[1]) < 0:
            raise ValueError(f"a time such as 5s, 20ms, 1.5min (without a unit: {default_unit})")
        return round(float(found[1]) * _TIMES[found[2] or default_unit])

    return parse


seconds = nanoseconds("s")


def bandwidth(argument: str, names: Names) -> int:
    """Bytes per second; without a unit that is what is meant."""
    found = _REAL.fullmatch(unquote(argument))
    if found is not None:
        unit = found[2].replace("baud", "bps").replace("b/s", "bps").replace("B/s", "Bps").replace("/s", "Bps")
        for ending, divisor in (("bps", 8), ("Bps", 1), ("", 1)):
            if unit.endswith(ending) and (scale := _SI.get(unit[: len(unit) - len(ending)])) is not None:
                value = round(float(found[1]) * scale / divisor)
                if 0 <= value < 2**32:
                    return value
    raise ValueError("a bandwidth such as 1000, 10kBps, 5Mbps")


def _ip(word: str, names: Names) -> int:
    if word in names.ip:
        address, bits = names.ip[word]
        if bits < 32 and address & ~mask_of(bits) == 0:
            raise ValueError("an IPv4 address, not a network")
        return address
    try:
        return int(ipaddress.IPv4Address(word))
    except ValueError:
        raise ValueError("an IPv4 address") from None


def ip(argument: str, names: Names) -> int:
    """In host order."""
    word = unquote(argument)
    return _ip(word[:-3] if word.endswith(":ip") else word, names)


def prefix(argument: str, names: Names) -> tuple[int, int]:
    """Address and mask, in host order: ADDR/LENGTH, ADDR/MASK, or ADDR alone (all bits count)."""
    address, slash, length = unquote(argument).partition("/")
    expected = "an IPv4 prefix such as 10.0.0.0/8"
    if not slash:
        word = address.removesuffix(":ipnet").removesuffix(":ip")
        if word in names.net:
            (network, bits), own = names.net[word], names.ip[word][0]
            mask = mask_of(bits)
            return own if own & mask == network & mask else network, mask
        return _ip(word, names), 0xFFFFFFFF
    address = address.removesuffix(":ip")
    while address.count(".") < 3 and re.fullmatch(r"[\d.]+", address):
        address += ".0"
    if length.isdigit() and int(length) <= 32:
        return _ip(address, names), mask_of(int(length))
    try:
        return _ip(address, names), int(ipaddress.IPv4Address(length))
    except ValueError:
        raise ValueError(expected) from None


def mask_of(bits: int) -> int:
    return 0xFFFFFFFF << (32 - bits) & 0xFFFFFFFF


def ether(argument: str, names: Names) -> bytes:
    word = unquote(argument)
    known = names.ether.get(word.removesuffix(":eth").removesuffix(":ether"))
    if known is not None:
        return known
    if not _ETHER.fullmatch(word):
        raise ValueError("an Ethernet address such as 02:00:00:00:00:01")
    return bytes(int(part, 16) for part in re.split("[:-]", word))


def one_of(**values: Any) -> Kind:
    def parse(argument: str, names: Names) -> Any:
        word = unquote(argument)
        if word not in values:
            raise ValueError(" or ".join(values))
        return values[word]

    return parse


def element(argument: str, names: Names) -> str:
    """The name of an element of this configuration."""
    word = unquote(argument)
    if word not in names.elements:
        raise ValueError("the name of an element")
    return word


#: offset and size
ANNOTATIONS = {
    "PAINT": (16, 1), "DST_IP": (0, 4), "AGGREGATE": (20, 4), "VLAN_TCI": (20, 2), "FIX_IP_SRC": (19, 1),
    "EXTRA_PACKETS": (24, 4), "ICMP_PARAMPROB": (17, 1), "EXTRA_LENGTH": (28, 4),
}  # fmt: skip


def annotation(size: int) -> Kind:
    """The offset of an annotation: a name or a number, of `size` bytes."""

    def parse(argument: str, names: Names) -> int:
        word = unquote(argument)
        if word in ANNOTATIONS and ANNOTATIONS[word][1] == size:
            return ANNOTATIONS[word][0]
        if word.isdigit() and int(word) <= 48 - size:
            return int(word)
        raise ValueError(f"an annotation of {size} bytes: a name such as PAINT, or an offset up to {48 - size}")

    return parse


def many(kind: Kind) -> Kind:
    """Space-separated values."""

    def parse(argument: str, names: Names) -> list[Any]:
        return [kind(word, names) for word in words(argument)]

    return parse
