"""What the parts of one VNF say: the last lines of each in memory, all of them in a file of bounded size; and what
who asks for them is answered, at once or as soon as there are more.
"""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from coven.keeper.loop import Loop
from itf.mistakes import Mistake, Refused

PLATFORM = "keeper"  #: the part that speaks of the whole VNF
LINES_KEPT = 1000  #: of each part, in memory
LINES_A_SECOND = 100  #: of each part; what is more is counted
LINE_BYTES = 4096
FILE_BYTES = 4 << 20  #: then the file becomes log.1 and a new one begins
ANSWER_LINES, MOST_ANSWER_LINES = 100, 10_000
ANSWER_BYTES = 768 << 10
WAIT_MAX = 20.0  #: seconds that an answer is held back at most
WAITING = 16  #: that may wait for more; others are answered at once
GATHER_SECONDS = 0.05  #: after the first new line: the next ones come in the same answer

Line = dict[str, Any]


class _Source:
    def __init__(self) -> None:
        self.lines: deque[tuple[int, float, str]] = deque(maxlen=LINES_KEPT)  #: number, time, text
        self.forgotten = 0  #: number of the newest line that is not kept any more
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
        self.newest = 0  #: the newest line's number: times go back when a clock is set
        self.said: Callable[[], None] = lambda: None  #: called after every line
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
        self.newest += 1
        if len(source.lines) == LINES_KEPT:
            source.forgotten = source.lines[0][0]
        source.lines.append((self.newest, now, line))
        if self._fd >= 0:
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
            raw = f"{stamp}.{int(now * 1000) % 1000:03d}Z {name}: {line}\n".encode()
            with suppress(OSError):  # a full disk costs log lines, not the VNF
                if self._size + len(raw) > FILE_BYTES:
                    self._turn()
                self._size += os.write(self._fd, raw)
        if self.echo:
            os.write(2, f"{name}: {line}\n".encode())
        self.said()

    def since(self, name: str | None, after: int) -> tuple[list[Line], bool]:
        """The lines with greater numbers, of one part or of all together, in the order in which they were said; and
        whether there were more of them, which are not kept."""
        sources = self._sources if name is None else {name: self._sources.get(name, _Source())}
        lines = sorted((number, at, part, line) for part, source in sources.items()
                       for number, at, line in source.lines if number > after)  # fmt: skip
        told = [{"number": number, "time": at, "vnfc": part, "line": line} for number, at, part, line in lines]
        return told, any(source.forgotten > after for source in sources.values())

    def tail(self, name: str | None, count: int) -> list[Line]:
        """The last lines, of one part or of all together, in the order in which they were said."""
        return self.since(name, 0)[0][-count:] if count > 0 else []

    def suppressed(self, name: str) -> int:
        """Lines of that part that were not kept, ever."""
        source = self._sources.get(name)
        return source.suppressed_ever if source else 0

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class Answers:
    """What askers get: the last lines; or, `after` an earlier answer's `next`, those that came since, where there are
    none as soon as there are, at the latest after `wait` seconds. `keeper`: whose numbers these are, for good."""

    def __init__(self, logs: Logs, loop: Loop, keeper: str):
        self._logs = logs
        self._loop = loop
        self._keeper = keeper
        self._waiting: list[Callable[[bool], None]] = []
        self._gathering = False
        logs.said = self._said

    def ask(self, request: dict[str, Any], reply: Callable[[dict[str, Any]], None]) -> None:
        """`request` may have vnfc, lines, after, wait. Raises Refused with all that is wrong with it."""
        name, lines, after, wait = self._read(request)
        if after is None:
            reply(self._last(name, lines))
            return
        if (answer := self._newer(name, lines, after))["lines"] or not wait or len(self._waiting) >= WAITING:
            reply(answer)
            return

        def tell(now: bool = True) -> None:
            answer = self._newer(name, lines, after)
            if now or answer["lines"]:
                self._waiting.remove(tell)
                timer.cancel()
                reply(answer)

        timer = self._loop.later(wait, tell)
        self._waiting.append(tell)

    def _read(self, request: dict[str, Any]) -> tuple[str | None, int, int | None, float]:
        name, lines, after = request.get("vnfc"), request.get("lines", ANSWER_LINES), request.get("after")
        wait, mistakes = request.get("wait", 0), []
        if not isinstance(lines, int) or isinstance(lines, bool) or not 0 <= lines <= MOST_ANSWER_LINES:
            expected = f"an integer from 0 to {MOST_ANSWER_LINES}"
            mistakes.append(Mistake(field="lines", found=str(lines)[:60], expected=expected))
        if not isinstance(wait, int | float) or isinstance(wait, bool) or not 0 <= wait <= WAIT_MAX:
            expected = f"a number from 0 to {WAIT_MAX:g}"
            mistakes.append(Mistake(field="wait", found=str(wait)[:60], expected=expected))
        keeper, _, number = str(after).rpartition(".")
        if after is not None and not (keeper and number.isascii() and number.isdigit() and len(number) < 20):
            mistakes.append(Mistake(field="after", found=str(after)[:60], expected="`next` of an earlier answer"))
        if mistakes:
            raise Refused(mistakes)
        # another keeper's numbers say nothing about ours: -1 is before all, also before a first line that is gone
        seen = None if after is None else int(number) if keeper == self._keeper else -1
        return name if isinstance(name, str) else None, lines, seen, float(wait)

    def _last(self, name: str | None, count: int) -> dict[str, Any]:
        told = self._logs.tail(name, count)
        fitting = _fitting(reversed(told))
        chosen = told[len(told) - fitting :]
        return self._answer(chosen, fitting < len(told), self._logs.newest)

    def _newer(self, name: str | None, count: int, after: int) -> dict[str, Any]:
        told, forgotten = self._logs.since(name, after)
        chosen = told[: min(count, _fitting(told))]
        whole = len(chosen) == len(told)
        last = self._logs.newest if whole else chosen[-1]["number"] if chosen else max(after, 0)
        return self._answer(chosen, forgotten or after < 0, last)

    def _answer(self, lines: list[Line], missed: bool, last: int) -> dict[str, Any]:
        return {"ok": True, "lines": lines, "missed": missed, "next": f"{self._keeper}.{last}"}

    def _said(self) -> None:
        if self._waiting and not self._gathering:
            self._gathering = True
            self._loop.later(GATHER_SECONDS, self._gathered)

    def _gathered(self) -> None:
        self._gathering = False
        for tell in list(self._waiting):
            tell(False)


def _fitting(lines: Iterable[Line]) -> int:
    """How many of them an answer has room for."""
    fitting, room = 0, ANSWER_BYTES
    for line in lines:
        room -= len(json.dumps(line)) + 2
        if room < 0:
            break
        fitting += 1
    return fitting
