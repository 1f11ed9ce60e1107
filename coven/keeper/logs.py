"""What the parts of one VNF say: the last lines of each in memory, all of them in a file of bounded size."""

from __future__ import annotations

import os
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any

PLATFORM = "keeper"  #: the part that speaks of the whole VNF
LINES_KEPT = 1000  #: of each part, in memory
LINES_A_SECOND = 100  #: of each part; what is more is counted
LINE_BYTES = 4096
FILE_BYTES = 4 << 20  #: then the file becomes log.1 and a new one begins


class _Source:
    def __init__(self) -> None:
        self.lines: deque[tuple[int, float, str]] = deque(maxlen=LINES_KEPT)  #: number, time, text
        self.partial: dict[int, bytes] = {}
        self.second = 0
        self.in_second = 0
        self.suppressed = 0
        self.suppressed_ever = 0


def printable(raw: bytes) -> str:
    """A line as text that is safe to show: no control characters that a terminal would obey."""
    text = raw[:LINE_BYTES].decode("utf-8", "replace")
    return "".join(c if c.isprintable() or c == "\t" else f"\\x{ord(c):02x}" for c in text)


class Logs:
    """`path` None: in memory only. `echo`: also show the lines on this process's stderr."""

    def __init__(self, path: Path | None = None, echo: bool = False):
        self.path = path
        self.echo = echo
        self._sources: dict[str, _Source] = {}
        self._number = 0  #: of the newest line: times go back when a clock is set
        self._names: dict[str, list[tuple[bytes, bytes]]] = {}
        self._fd = -1
        self._size = 0
        if path is not None:
            self._open()

    def _open(self) -> None:
        assert self.path is not None
        self._fd = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size = os.fstat(self._fd).st_size

    def _turn(self) -> None:
        """Begin a new file; as long as that cannot be, the old one goes on."""
        assert self.path is not None
        os.replace(self.path, self.path.with_name(self.path.name + ".1"))
        old = self._fd
        self._open()
        os.close(old)

    def call(self, name: str, paths: dict[str, str]) -> None:
        """What a part writes says these paths by other names from now on: by the author's own."""
        known = dict(self._names.get(name, ()))  # of another version of it
        self._names[name] = [*{**known, **{path.encode(): shown.encode() for path, shown in paths.items()}}.items()]

    def _line(self, name: str, raw: bytes) -> str:
        for path, shown in self._names.get(name, ()):
            raw = raw.replace(path, shown)
        return printable(raw)

    def feed(self, name: str, stream: int, data: bytes) -> None:
        """Bytes that a process wrote: `stream` 1 or 2. Whole lines are logged, the rest waits."""
        source = self._sources.setdefault(name, _Source())
        *lines, rest = (source.partial.pop(stream, b"") + data).split(b"\n")
        for line in lines:
            self._add(source, name, self._line(name, line))
        if len(rest) >= LINE_BYTES:
            self._add(source, name, self._line(name, rest))
            rest = b""
        if rest:
            source.partial[stream] = rest

    def end(self, name: str, stream: int) -> None:
        """The process closed that stream: what it wrote last is a line, too."""
        source = self._sources.setdefault(name, _Source())
        rest = source.partial.pop(stream, b"")
        if rest:
            self._add(source, name, self._line(name, rest))

    def say(self, name: str, line: str) -> None:
        """The keeper's own words about that part: never limited."""
        source = self._sources.setdefault(name, _Source())
        self._store(source, name, time.time(), line)

    def _add(self, source: _Source, name: str, line: str) -> None:
        now = time.time()
        if int(now) != source.second:
            if source.suppressed:
                self._store(source, name, now, f"({source.suppressed} lines more in one second, not kept)")
            source.second, source.in_second, source.suppressed = int(now), 0, 0
        if source.in_second >= LINES_A_SECOND:
            source.suppressed += 1
            source.suppressed_ever += 1
            return
        source.in_second += 1
        self._store(source, name, now, line)

    def _store(self, source: _Source, name: str, now: float, line: str) -> None:
        self._number += 1
        source.lines.append((self._number, now, line))
        if self._fd >= 0:
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
            raw = f"{stamp}.{int(now * 1000) % 1000:03d}Z {name}: {line}\n".encode()
            with suppress(OSError):  # a full disk costs log lines, not the VNF
                if self._size + len(raw) > FILE_BYTES:
                    self._turn()
                self._size += os.write(self._fd, raw)
        if self.echo:
            os.write(2, f"{name}: {line}\n".encode())

    def tail(self, name: str | None, count: int) -> list[dict[str, Any]]:
        """The last lines, of one part or of all together, in the order in which they were said."""
        sources = self._sources.items() if name is None else [(name, self._sources.get(name, _Source()))]
        lines = sorted((number, at, part, line) for part, source in sources for number, at, line in source.lines)
        chosen = lines[-count:] if count > 0 else []
        return [{"time": at, "vnfc": part, "line": line} for _, at, part, line in chosen]

    def suppressed(self, name: str) -> int:
        """Lines of that part that were not kept, ever."""
        source = self._sources.get(name)
        return source.suppressed_ever if source else 0

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
