"""The segment as Python sees it: `segment.h` read by cffi, and the making and mapping of its objects.

There is no second description of the layout: structs, enums and sizes all come out of the header.
Sizes are in bytes, numbers in host byte order.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import Any, NamedTuple

import cffi

from itf.printable import one_line

HERE = Path(__file__).resolve().parent

ffi = cffi.FFI()
ffi.cdef("\n".join(line for line in (HERE / "segment.h").read_text().splitlines() if not line.startswith("#")))
#: every enum constant of the header, as attributes: C.SEG_MAGIC, C.VERDICT_DROP...
C: Any = ffi.dlopen(None)

PAGE = mmap.PAGESIZE
SPARES = 512  #: frames that wait at a hop for its VNFC to make packets in
NEVER = 2**64 - 1


@dataclass(frozen=True)
class Reason:
    """One platform drop reason of `reasons.h`."""

    number: int
    name: str
    where: str  #: hop, port, classifier, nsh, flow or all
    why: str


def _platform_reasons() -> dict[int, Reason]:
    line = re.compile(r'^REASON\((\d+),\s*(\w+),\s*(\w+),\s*"(.*)"\)')
    found = (line.match(text) for text in (HERE / "reasons.h").read_text().splitlines())
    rows = [Reason(int(m[1]), m[2], m[3], m[4]) for m in found if m]
    return {row.number: row for row in rows}


REASONS = _platform_reasons()
RESERVED_REASONS = frozenset(row.name for row in REASONS.values())


def text(cdata: Any) -> str:
    """A char array of the segment as text, up to its NUL; what is not UTF-8 is replaced, never raised."""
    return bytes(ffi.buffer(cdata)).split(b"\0", 1)[0].decode("utf-8", "replace")


def put_text(cdata: Any, value: str) -> None:
    """Write text into a char array, cut to fit, filled up with NULs: a name may fill it to the last byte."""
    size = ffi.sizeof(cdata)
    raw = value.encode()[:size]
    ffi.memmove(cdata, raw + b"\0" * (size - len(raw)), size)


def page_up(size: int) -> int:
    return (size + PAGE - 1) // PAGE * PAGE


class SegmentObject:
    """One shared-memory object: a sealed memfd that cannot be resized by whoever has its descriptor."""

    def __init__(self, fd: int, size: int, writable: bool = True):
        self.fd = fd
        self.size = size
        prot = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
        self.map = mmap.mmap(fd, size, mmap.MAP_SHARED, prot)
        # from_buffer wants a writable buffer unless told otherwise
        self.base = ffi.from_buffer("char[]", self.map, require_writable=writable)

    @classmethod
    def create(cls, name: str, size: int) -> SegmentObject:
        size = page_up(size)
        fd = os.memfd_create(f"coven:{name}", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.fchmod(fd, 0o600)
        os.ftruncate(fd, size)
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
        return cls(fd, size)

    def at(self, ctype: str, offset: int = 0) -> Any:
        """A pointer of ctype into the object."""
        return ffi.cast(ctype + " *", self.base + offset)

    def read_only_fd(self) -> int:
        """A second descriptor that can only be read and mapped for reading."""
        return os.open(f"/proc/self/fd/{self.fd}", os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        ffi.release(self.base)
        self.map.close()
        os.close(self.fd)


def header(obj: SegmentObject, ctype: str) -> Any:
    """The object's head, with what says of which version it is."""
    head = obj.at(ctype)
    head.magic, head.abi_major, head.layout = C.SEG_MAGIC, C.SEG_ABI_MAJOR, C.SEG_LAYOUT
    head.size = obj.size
    return head


class Pool(SegmentObject):
    """The packet pool: `frames` and `frame_size` (2048 or 4096) as asked for. VNFCs may write to all of it, so what it
    is (struct pool_geometry) is not in it."""

    geometry: Any

    @classmethod
    def make(cls, frames: int, frame_size: int) -> Pool:
        shape = geometry(frames, frame_size)
        obj = cls.create("pool", shape.size)
        assert isinstance(obj, Pool)
        obj.geometry = shape
        return obj


def geometry(frames: int, frame_size: int) -> Any:
    """The struct pool_geometry of a pool."""
    shape = ffi.new("struct pool_geometry *")
    shape.frames, shape.frame_size = frames, frame_size
    shape.nsh = frames * ffi.sizeof("struct frame_record")  # records come first
    shape.notes = shape.nsh + frames * C.FRAME_NSH_AREA
    shape.data = page_up(shape.notes + frames * C.FRAME_NOTE)
    shape.size = page_up(shape.data + frames * frame_size)
    return shape


class Hop(SegmentObject):
    """One VNFC's object: its rings, cells and doorbell."""

    head: Any

    @classmethod
    def make(cls, name: str, number: int, generation: int, quota: int, pool: Any, **fields: int) -> Hop:
        """`pool`: the struct pool_geometry of its packets' pool."""
        slots = 1
        while slots < quota + SPARES:
            slots *= 2
        to_vnfc = page_up(ffi.sizeof("struct hop_header"))
        state = to_vnfc + 3 * 4 * slots
        obj = cls.create(f"hop-{number}", state + C.HOP_STATE_BYTES)
        assert isinstance(obj, Hop)
        obj.head = head = header(obj, "struct hop_header")
        head.number, head.generation, head.ring_slots = number, generation, slots
        head.to_vnfc, head.from_vnfc, head.spare = to_vnfc, to_vnfc + 4 * slots, to_vnfc + 8 * slots
        head.state = state
        head.pool = pool[0]
        head.deadline = NEVER
        put_text(head.name, name)
        for key, value in fields.items():
            setattr(head, key, value)
        return obj


class Forwarder(SegmentObject):
    """Owners, private records and live figures."""

    head: Any

    @classmethod
    def make(cls, pool: Any) -> Forwarder:
        """`pool`: a struct pool_geometry."""
        frames = pool.frames
        owners = page_up(ffi.sizeof("struct forwarder_header"))
        privates = page_up(owners + 2 * frames)
        saved = page_up(privates + frames * ffi.sizeof("struct frame_private"))
        obj = cls.create("forwarder", saved + frames * ffi.sizeof("struct frame_saved"))
        assert isinstance(obj, Forwarder)
        obj.head = head = header(obj, "struct forwarder_header")
        head.pool = pool[0]
        head.owners, head.privates, head.saved = owners, privates, saved
        return obj


class Config(SegmentObject):
    """The wiring in force and the spare slot."""

    head: Any

    @classmethod
    def make(cls, clock_mode: int) -> Config:
        first = page_up(ffi.sizeof("struct config_header"))
        size = page_up(ffi.sizeof("struct wiring"))
        obj = cls.create("config", first + 2 * size)
        assert isinstance(obj, Config)
        obj.head = head = header(obj, "struct config_header")
        head.slot[0], head.slot[1] = first, first + size
        head.clock_mode = clock_mode
        return obj

    def slot(self, epoch: int) -> Any:
        return self.at("struct wiring", self.head.slot[epoch & 1])


class Sight(NamedTuple):
    """What a struct watch_record says."""

    time_ns: int
    packet: int
    event: int
    place: int
    verdict: int
    arg: int
    link: int
    len: int
    mark: int
    taken: int
    given: int
    context: bytes
    snap: bytes
    note: str


def _packed(kind: str) -> Struct:
    """A C struct of integers and arrays of bytes, without gaps, as `struct` unpacks it."""
    codes = {"uint8_t": "B", "uint16_t": "H", "uint32_t": "I", "uint64_t": "Q"}
    packed = "="
    for _, cell in ffi.typeof(f"struct {kind}").fields:
        packed += f"{cell.type.length}s" if cell.type.kind == "array" else codes[cell.type.cname]
    made = Struct(packed)
    assert made.size == ffi.sizeof(f"struct {kind}"), f"struct {kind} has gaps"
    return made


_RECORD = _packed("watch_record")


class Watch(SegmentObject):
    """Packets as they pass, or what becomes of them, for one reader. `room`: bytes of its ring, a power of two."""

    head: Any

    @classmethod
    def make(cls, room: int, clock_mode: int, snap: int) -> Watch:
        words = page_up(ffi.sizeof("struct watch_header"))
        ring = page_up(words + C.WATCH_WORDS)
        obj = cls.create("watch", ring + room)
        assert isinstance(obj, Watch)
        obj.head = head = header(obj, "struct watch_header")
        head.words, head.ring, head.ring_size = words, ring, room
        head.clock_mode, head.snap = clock_mode, snap
        return obj

    def filter(self, ethernet: Sequence[tuple[int, int, int, int]], ip: Sequence[tuple[int, int, int, int]]) -> None:
        """Only packets for which these programs (code, jt, jf, k) say so. Raises ValueError for long ones."""
        if max(len(ethernet), len(ip)) > C.WATCH_INSNS:
            raise ValueError(f"{max(len(ethernet), len(ip))} instructions, {C.WATCH_INSNS} are possible")
        self.head.filtered = 1
        for cells, program in (self.head.ethernet, ethernet), (self.head.ip, ip):
            for cell, (code, jt, jf, k) in zip(cells, program, strict=False):
                cell.code, cell.jt, cell.jf, cell.k = code, jt, jf, k
        self.head.ethernet_len, self.head.ip_len = len(ethernet), len(ip)

    def say(self, words: str) -> None:
        """What numbers are called, for readers (agents/capture/words.h); cut to what there is room for."""
        raw = words.encode()
        if len(raw) >= C.WATCH_WORDS:
            raw = raw[: raw.rfind(b"\n", 0, C.WATCH_WORDS) + 1]
        self.head.words_sequence += 1
        ffi.memmove(self.at("char", self.head.words), raw + b"\0", len(raw) + 1)
        self.head.words_sequence += 1

    def read(self, most: int) -> list[Sight]:
        """What there is by now, at most so many."""
        head = self.head
        sights: list[Sight] = []
        at, written, ring_size = int(head.read), int(head.written), int(head.ring_size)
        ring = memoryview(ffi.buffer(self.at("char", head.ring), ring_size))
        sizes, of, end = ring.cast("I"), _RECORD.unpack_from, int(C.WATCH_END)
        while at < written and len(sights) < most:
            start = at & (ring_size - 1)
            size = sizes[start >> 2]
            if not size & end:
                (_, packet, time_ns, length, snap_len, place, arg, event, verdict, link, _, note_len, _, mark,
                 taken, given, _, context) = of(ring, start)  # fmt: skip
                snap = start + _RECORD.size
                note = snap + snap_len
                sights.append(Sight(
                    time_ns, packet, event, place, verdict, arg, link, length, mark, taken, given, context,
                    bytes(ring[snap:note]),
                    one_line(str(ring[note : note + note_len], "utf-8", "replace")) if note_len else "",
                ))  # fmt: skip
            at += size & ~end
        head.read = at
        return sights

    @property
    def missed(self) -> int:
        """How many found no room."""
        return sum(self.head.count[number].missed for number in range(max(1, self.head.interfaces)))
