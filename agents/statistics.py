"""Reading a VNF's statistics object, as any program may: consistent copies of its figures, and what each is called.

    with Reader.open("/coven-fw") as reader:
        for figure, value in reader.read():
            print(figure.name, figure.labels, value)

Nobody is asked, and nobody waits for a reader. Values of times are in ns.
"""

from __future__ import annotations

import mmap
import os
import re
import time
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

from itf.segment import C, ffi, text
from itf.statistics import Owner, Strange, open_named

TRY_SECONDS = 0.5  #: who publishes needs microseconds, once it has a core: longer, and it died meanwhile
SILENT_SECONDS = 5.0  #: a keeper writes once a second
_TIMES_HEAD, _SIZES_HEAD, _VALUES_HEAD = 2, 1, 2  #: 64-bit words before the cells


class Unreadable(OSError):
    """What is there is no statistics object of this version."""


@dataclass(frozen=True)
class Figure:
    """One figure of the directory. `kind`: enum figure_kind. `at`: where in a snapshot its cells are, whose sum it
    is."""

    name: str
    labels: str  #: as Prometheus writes them, without `vnf`
    why: str
    unit: str
    kind: int
    at: tuple[int, ...]

    @cached_property
    def pairs(self) -> dict[str, str]:
        """The labels."""
        found = re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', self.labels)
        return {name: re.sub(r"\\(.)", lambda m: "\n" if m[1] == "n" else m[1], value) for name, value in found}


@dataclass(frozen=True)
class Distribution:
    """How often values were how large. `bounds[i]`: what the values of `counts[i]` are below (the last: infinity).
    Times in ns."""

    count: int
    total: float
    counts: list[int] = field(repr=False)
    bounds: list[float] = field(repr=False)

    def quantile(self, part: float) -> float:
        """The middle of the cell that has that part of all values below its end; 0 without values."""
        reached = 0
        for number, count in enumerate(self.counts):
            reached += count
            if count and reached >= part * self.count:
                low = self.bounds[number - 1] if number else 0.0
                return low if self.bounds[number] == float("inf") else (low + self.bounds[number]) / 2
        return 0.0


def _times_bounds() -> list[float]:
    parts, first = C.TIMES_PARTS, C.TIMES_LEAST
    octaves = range(first, C.TIMES_MOST)
    within = [float((1 << top) + (part + 1) * (1 << top) // parts) for top in octaves for part in range(parts)]
    return [float(1 << first), *within, float("inf")]


TIMES_BOUNDS = _times_bounds()
SIZES_BOUNDS = [*(float(2**i) for i in range(1, C.SIZES_CELLS)), float("inf")]
VALUES_BOUNDS = [*(float(2**i) for i in range(C.HOP_BUCKETS - 1)), float("inf")]

Value = int | float | Distribution

_SIZES = {  #: bytes of a value by its kind; of the others 8
    C.FIGURE_TIMES: ffi.sizeof("struct times"), C.FIGURE_SIZES: ffi.sizeof("struct sizes"),
    C.FIGURE_VALUES: ffi.sizeof("struct values"),
}  # fmt: skip
NEAR = 512  #: bytes between two values that are rather copied than left out


class Snapshot:
    """One consistent copy of all that the directory names: words of 64 bits."""

    def __init__(self, raw: bytes):
        view = memoryview(raw)
        self.words, self.signed, self.reals = view.cast("Q"), view.cast("q"), view.cast("d")

    def value(self, figure: Figure) -> Value:
        """An int, a float, or a Distribution, as its kind says."""
        return self._at(figure.kind, figure.at)

    def _at(self, kind: int, at: tuple[int, ...]) -> Value:
        if kind == C.FIGURE_COUNTER:
            return sum(map(self.words.__getitem__, at))
        if kind == C.FIGURE_GAUGE:
            return sum(map(self.signed.__getitem__, at))
        if kind in (C.FIGURE_REAL, C.FIGURE_REAL_COUNTER):
            return sum(map(self.reals.__getitem__, at))
        if kind == C.FIGURE_TIMES:
            counts = self._cells(at, _TIMES_HEAD, C.TIMES_CELLS)
            return Distribution(sum(counts), float(sum(self.words[i + 1] for i in at)), counts, TIMES_BOUNDS)
        if kind == C.FIGURE_SIZES:
            counts = self._cells(at, _SIZES_HEAD, C.SIZES_CELLS)
            return Distribution(sum(counts), float(sum(self.words[i] for i in at)), counts, SIZES_BOUNDS)
        counts = self._cells(at, _VALUES_HEAD, C.HOP_BUCKETS)
        return Distribution(sum(counts), sum(self.reals[i + 1] for i in at), counts, VALUES_BOUNDS)

    def _cells(self, at: tuple[int, ...], head: int, count: int) -> list[int]:
        if len(at) == 1:
            return self.words[at[0] + head : at[0] + head + count].tolist()
        rows = [self.words[i + head : i + head + count] for i in at]
        return [sum(column) for column in zip(*rows, strict=True)]


class Reader:
    """An object that is open for reading."""

    def __init__(self, view: mmap.mmap, identity: tuple[int, int]):
        self.identity = identity  #: device and inode: another object has another
        self._view = view
        self._data = ffi.from_buffer("char[]", view, require_writable=False)
        self.head: Any = ffi.cast("struct statistics_header *", self._data)
        self._known: tuple[int, _Directory] | None = None

    @classmethod
    def open(cls, name: str | Path, ours: bool = False) -> Reader:
        """`name`: of the object (`/coven-fw`), or a path that leads to it. `ours`: only if it is our own user's. Raises
        OSError, Unreadable for what is none."""
        try:
            fd, view = open_named(name, ours)
        except Strange as problem:
            raise Unreadable(str(problem)) from None
        try:
            status = os.fstat(fd)
        finally:
            os.close(fd)
        if len(view) < ffi.sizeof("struct statistics_header"):
            view.close()
            raise Unreadable(f"{name} is no statistics object")
        reader = cls(view, (status.st_dev, status.st_ino))
        if (why := reader._wrong()) is not None:
            reader.close()
            raise Unreadable(f"{name} {why}")
        return reader

    def _wrong(self) -> str | None:
        head = self.head
        if head.magic != C.SEG_MAGIC:
            return "is no statistics object"
        if (head.abi_major, head.layout) != (C.SEG_ABI_MAJOR, C.SEG_LAYOUT):
            return "is of another version of Coven: terminate and instantiate this VNF"
        at = int(head.published), int(head.cells), int(head.directory)
        self._published, self._cells, self._directory_at = at
        sizes = ffi.sizeof("struct statistics"), 8 * C.FIGURE_CELLS, C.FIGURES * ffi.sizeof("struct figure")
        parts = zip(at, sizes, strict=True)
        end = ffi.sizeof("struct statistics_header")
        for first, size in parts:
            if first % 8 or first < end:
                return "is not whole"
            end = first + size
        return "is not whole" if head.size > len(self._view) or end > len(self._view) else None

    def close(self) -> None:
        self.head = None
        ffi.release(self._data)
        self._view.close()

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def vnf(self) -> str:
        return text(self.head.name)

    @property
    def silence(self) -> float:
        """Seconds since the keeper wrote."""
        return max(0.0, (time.clock_gettime_ns(time.CLOCK_MONOTONIC) - self.head.keeper_ns) / 1e9)

    @property
    def owner(self) -> Owner:
        """The keeper."""
        return Owner(self.head.keeper_pid, self.head.keeper_start, self.head.keeper_namespace)

    @property
    def sample(self) -> int:
        """Of how many packets one is timed; 0: none is."""
        return int(self.head.sample)

    def figures(self) -> tuple[Figure, ...]:
        """What is in the directory. Raises TimeoutError."""
        return self.take()[1]

    def snapshot(self) -> Snapshot:
        """A consistent copy of all values. Raises TimeoutError if somebody died while writing."""
        return self.take()[0]

    def take(self) -> tuple[Snapshot, tuple[Figure, ...]]:
        """Both, of one moment. Raises TimeoutError."""
        head, until = self.head, time.monotonic() + TRY_SECONDS
        published = ffi.cast("struct statistics *", self._data + self._published)
        while True:
            before = head.sequence, published.sequence
            if not (before[0] | before[1]) & 1:
                known = self._known
                if known is None or known[0] != head.version:
                    known = head.version, self._directory()
                raw = b"".join([self._view[first:end] for first, end in known[1].ranges])
                if (head.sequence, published.sequence) == before:
                    self._known = known
                    return Snapshot(raw), known[1].figures
            if time.monotonic() > until:
                raise TimeoutError(f"the figures of {self.vnf} stay half-written")
            time.sleep(0.0005)

    def read(self) -> Iterator[tuple[Figure, Value]]:
        """Every figure with its value, of one moment. Raises TimeoutError."""
        snapshot, figures = self.take()
        for figure in figures:
            yield figure, snapshot.value(figure)

    def _directory(self) -> _Directory:
        head, size = self.head, ffi.sizeof("struct figure")
        end = self._cells + 8 * C.FIGURE_CELLS
        found: dict[tuple[str, str], Figure] = {}
        extents = []
        for number in range(min(head.figures, C.FIGURES)):
            cell = ffi.cast("struct figure *", self._data + self._directory_at + number * size)
            at, kind = int(cell.at), int(cell.kind)
            if at % 8 or not self._published <= at <= end - _SIZES.get(kind, 8):
                continue
            name, labels = text(cell.name), text(cell.labels)
            before = found.get((name, labels))
            cells = (*before.at, at) if before is not None else (at,)
            found[name, labels] = Figure(name, labels, text(cell.why), text(cell.unit), kind, cells)
            extents.append((at, at + _SIZES.get(kind, 8)))
        return _Directory.of(list(found.values()), sorted(extents))


@dataclass(frozen=True)
class _Directory:
    """What is copied of an object, and which figures are where in the copy."""

    figures: tuple[Figure, ...]
    ranges: list[tuple[int, int]]  #: offsets in the object

    @classmethod
    def of(cls, figures: list[Figure], extents: list[tuple[int, int]]) -> _Directory:
        """`figures` by offsets in the object."""
        ranges: list[tuple[int, int]] = []
        for first, end in extents:
            if ranges and first <= ranges[-1][1] + NEAR:
                ranges[-1] = ranges[-1][0], max(end, ranges[-1][1])
            else:
                ranges.append((first, end))
        starts = [first for first, _ in ranges]
        bases = list(accumulate([end - first for first, end in ranges], initial=0))

        def index(at: int) -> int:
            number = bisect_right(starts, at) - 1
            return (bases[number] + at - starts[number]) // 8

        return cls(tuple(replace(each, at=tuple(map(index, each.at))) for each in figures), ranges)
