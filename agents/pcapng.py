"""pcapng as it comes from a running capture: cut into whole blocks, and what they say (draft-ietf-opsawg-pcapng).

Only what our own writer (pcapng.c) writes is understood; other blocks and options are passed by.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from struct import Struct, error, unpack_from

from itf.printable import one_line
from itf.segment import C

SECTION, INTERFACE, STATISTICS, PACKET = 0x0A0D0D0A, 1, 5, 6
_COMMENT, _NAME, _ID = 1, 2, 5
_FIGURES = {4: "received", 5: "missed", 6: "accepted", 8: "delivered"}
_LINKS = {1: C.LINK_ETHERNET, 101: C.LINK_IP}
MOST_BLOCK = 1 << 20


@dataclass
class Interface:
    """A place that is captured at, with the latest figures: packets that passed, matched, and found no room."""

    name: str
    link: int
    captured: int = 0  #: packets that have come
    figures: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Packet:
    """One packet at one place."""

    interface: Interface
    time_ns: int  #: since 1970
    data: bytes
    len: int
    number: int
    comments: tuple[str, ...]


class Blocks:
    """Feed it bytes; whole blocks come out."""

    def __init__(self) -> None:
        self.interfaces: list[Interface] = []
        self._rest = b""
        self._order = "<"

    def feed(self, piece: bytes) -> Iterator[tuple[bytes, Packet | None]]:
        """Each block that is whole by now, with the packet if it has one. Raises ValueError for what is no pcapng."""
        data, at = self._rest + piece, 0
        while len(data) - at >= 12:
            if data[at : at + 4] == b"\x0a\x0d\x0d\x0a":
                self._order = "<" if data[at + 8 : at + 12] == b"\x4d\x3c\x2b\x1a" else ">"
            kind, size = unpack_from(f"{self._order}II", data, at)
            if size < 12 or size % 4 or size > MOST_BLOCK:
                raise ValueError("no pcapng")
            if len(data) - at < size:
                break
            block = data[at : at + size]
            at += size
            try:
                yield block, self._take(kind, block)
            except (error, IndexError):
                raise ValueError("no pcapng") from None
        self._rest = data[at:]

    def _take(self, kind: int, block: bytes) -> Packet | None:
        if kind == INTERFACE:
            (dlt,) = unpack_from(f"{self._order}H", block, 8)
            names = [value for code, value in self._options(block, 16) if code == _NAME]
            self.interfaces.append(Interface(_text(names), _LINKS.get(dlt, C.LINK_OTHER)))
        elif kind == STATISTICS:
            (number,) = unpack_from(f"{self._order}I", block, 8)
            for code, value in self._options(block, 20):
                if code in _FIGURES:
                    self.interfaces[number].figures[_FIGURES[code]] = unpack_from(f"{self._order}Q", value)[0]
        elif kind == PACKET:
            return self._packet(block)
        return None

    def _packet(self, block: bytes) -> Packet:
        shape = Struct(f"{self._order}5I")
        number, high, low, captured, length = shape.unpack_from(block, 8)
        interface = self.interfaces[number]
        interface.captured += 1
        at = 8 + shape.size
        options = list(self._options(block, at + (captured + 3) // 4 * 4))
        ids = [unpack_from(f"{self._order}Q", value)[0] for code, value in options if code == _ID]
        comments = tuple(_text([value]) for code, value in options if code == _COMMENT)
        return Packet(interface, high << 32 | low, block[at : at + captured], length, ids[0] if ids else 0, comments)

    def _options(self, block: bytes, at: int) -> Iterable[tuple[int, bytes]]:
        while at + 4 <= len(block) - 4:
            code, size = unpack_from(f"{self._order}HH", block, at)
            if code == 0:
                return
            yield code, block[at + 4 : at + 4 + size]
            at += 4 + (size + 3) // 4 * 4


def _text(values: list[bytes]) -> str:
    return one_line(values[0].decode("utf-8", "replace")) if values else ""
