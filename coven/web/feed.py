"""What the page's streams are fed with: one reading a second of each VNF that somebody looks at, however many do.

A thread a VNF reads; it is there as long as there are streams that show that VNF. Another one looks at what the agent
itself keeps: VNFs, packages, operations. Without streams there is neither thread nor reading. What was read is kept for
a quarter of an hour, so that whoever comes back sees what was, and a gap.
"""

from __future__ import annotations

import functools
import json
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from coven.agent.figures import Readers
from coven.agent.health import reasons
from coven.agent.lifecycle import Lifecycle
from coven.rest.masks import Masks
from coven.web.limits import Limits
from coven.web.samples import KEPT, History, Measured, figures, marks
from coven.web.tails import Tails
from itf.mistakes import Kind, Mistake, Refused

log = logging.getLogger("coven.agent")

SECONDS = 1.0  #: from one reading to the next
OLDEST = 5.0  #: a reading that says that it is older has another clock
STREAMS = 32  #: at once
VNFS = 8  #: of one stream
LASTING = 600.0  #: seconds of a stream, after which the browser asks anew

Row = dict[str, Any]


class Stream(Protocol):
    @property
    def open(self) -> bool: ...

    def write(self, data: bytes) -> bool: ...

    def close(self) -> None: ...


def _never() -> bool:
    return False


@dataclass(eq=False)
class Viewer:
    """A stream, and what it shows. `over`: whether whoever it is for may not look any more."""

    stream: Stream
    vnfs: tuple[str, ...]
    ends: float
    over: Callable[[], bool] = _never

    def __post_init__(self) -> None:
        self.lock = threading.Lock()  #: several threads write to it

    def tell(self, event: str, value: Any) -> None:
        self.send(encoded(event, value))

    def send(self, data: bytes) -> None:
        with self.lock:
            if self.stream.open:
                self.stream.write(data)

    @property
    def there(self) -> bool:
        return self.stream.open and time.monotonic() < self.ends and not self.over()


def encoded(event: str, value: Any) -> bytes:
    return f"event: {event}\ndata: {json.dumps(value, separators=(',', ':'))}\n\n".encode()


class _Described:
    """A VNF's configuration as it may be shown. Its descriptor is read once a package."""

    def __init__(self, lifecycle: Lifecycle):
        self._lifecycle = lifecycle
        self._package: str | None = None

    def config(self, vnf: Row) -> Row:
        """Raises Refused."""
        if vnf["package"] != self._package:
            descriptor = self._lifecycle.descriptor(vnf["package"])
            self._masks, self._default, self._package = Masks(descriptor), descriptor.config, vnf["package"]
        return self._masks.over(vnf["config"] or self._default)


@dataclass
class _Kept:
    """Of a VNF, while and after somebody looks. `last`: when it was last added to."""

    history: History
    tails: Tails
    last: float = 0.0

    def document(self) -> Row:
        return {**self.history.document(), "said": self.tails.document()}


class Feed:
    """`overview`: what the agent keeps, as the page shows it; `stats`: the status document of a VNF; `limits`: what
    limits one, by observing it for a second."""

    def __init__(
        self, lifecycle: Lifecycle, overview: Callable[[], Row], stats: Callable[[str], Row],
        limits: Callable[[str], Row | None], seconds: float = SECONDS,
    ):  # fmt: skip
        self._lifecycle = lifecycle
        self._overview = overview
        self._stats = stats
        self._limits = limits
        self._seconds = seconds
        self._lock = threading.Lock()
        self._viewers: list[Viewer] = []
        self._threads: dict[str | None, threading.Thread] = {}
        self._kept: dict[str, _Kept] = {}
        self._ended = threading.Event()

    def check_room(self, vnfs: tuple[str, ...]) -> None:
        """Raises Refused with 503 when as many look as may, with 422 when they look at too much."""
        with self._lock:
            self._tidy()
            if len(self._viewers) >= STREAMS:
                mistake = Mistake(found=f"{STREAMS} others that look", remedy="close some pages")
                raise Refused(mistake, title="too many look", kind=Kind.UNAVAILABLE)
        if len(vnfs) > VNFS:
            raise Refused(Mistake(field="vnf", found=f"{len(vnfs)} VNFs", expected=f"at most {VNFS} in one stream"))

    def add(self, stream: Stream, vnfs: tuple[str, ...], over: Callable[[], bool] = _never) -> None:
        viewer = Viewer(stream, vnfs, time.monotonic() + LASTING, over)
        viewer.tell("agent", self._overview())
        with self._lock:
            for name in vnfs:
                if (kept := self._known(name)) is not None:
                    viewer.tell("history", {"name": name, **kept.document()})
            self._viewers.append(viewer)
            for topic in (None, *vnfs):
                self._begin(topic)

    def close(self) -> None:
        """The agent ends: its streams do, too."""
        self._ended.set()
        with self._lock:
            for viewer in self._viewers:
                viewer.stream.close()
            threads = list(self._threads.values())
        for thread in threads:
            thread.join(5)

    @property
    def reading(self) -> list[str]:
        """The VNFs that are read."""
        with self._lock:
            return sorted(topic for topic in self._threads if topic is not None)

    def _tidy(self) -> None:
        for viewer in [each for each in self._viewers if not each.there]:
            viewer.stream.close()
            self._viewers.remove(viewer)

    def _begin(self, topic: str | None) -> None:
        if topic not in self._threads and not self._ended.is_set():
            target = self._agent if topic is None else self._vnf
            thread = threading.Thread(target=target, args=(topic,), name=f"page {topic or 'agent'}", daemon=True)
            self._threads[topic] = thread
            thread.start()

    def _watched(self, topic: str | None) -> list[Viewer]:
        """Who looks at it. When nobody does the thread is none of ours any more, and has to end."""
        with self._lock:
            self._tidy()
            found = [each for each in self._viewers if topic is None or topic in each.vnfs]
            if not found:
                del self._threads[topic]
            return found

    def _each_second(self, topic: str | None, act: Callable[[list[Viewer]], None]) -> None:
        due = time.monotonic()
        while viewers := self._watched(topic):
            try:
                act(viewers)
            except Exception:
                log.exception("the page's reading of %s", topic or "the agent")
            due = max(due + self._seconds, time.monotonic())  # what is late is not made up for
            if self._ended.wait(due - time.monotonic()):
                break

    def _agent(self, topic: None) -> None:
        told = b""

        def act(viewers: list[Viewer]) -> None:
            nonlocal told
            now = encoded("agent", self._overview())
            for viewer in viewers:
                viewer.send(now if now != told else b": still here\n\n")
            told = now

        self._each_second(topic, act)

    def _vnf(self, name: str) -> None:
        before: Row | None = None
        described, measured = _Described(self._lifecycle), Measured()
        readers = Readers(self._lifecycle.places.run)  # its own: others keep theirs for seconds
        limits = Limits(name, functools.partial(self._limits, name))
        with self._lock:
            kept = self._known(name) or _Kept(History(), Tails(functools.partial(self._lifecycle.ask, name, "logs")))

        def act(viewers: list[Viewer]) -> None:
            nonlocal before
            reading = self._read(name, described)
            at = reading["at"]
            found: dict[str, float] = {}
            said: list[Row] = []
            if reading["status"]:
                with readers.of([name]) as opened:
                    found = {**figures(reading["status"]), **measured.read(opened[name])}
                with suppress(Refused):  # it has just gone: the next reading says so
                    said = kept.tails.read(reading["status"]["vnfcs"])
            with self._lock:
                kept.last = time.monotonic()
                self._kept[name] = kept
                new = marks(before, reading, at)
                kept.history.marks.extend(new)
                kept.history.add(at, found)
                kept.tails.keep(said)
            before = reading
            shown = {key: value for key, value in reading.items() if key != "config"}
            more = {"figures": found, "times": measured.times, "marks": new, "said": said, "limit": limits.look(found)}
            data = encoded("vnf", {**shown, **more})
            for viewer in viewers:
                viewer.send(data)

        self._each_second(name, act)
        limits.close()
        readers.close()

    def _known(self, name: str) -> _Kept | None:
        """Of what is kept, what is not too old."""
        for other, kept in list(self._kept.items()):
            if time.monotonic() - kept.last > KEPT * SECONDS:
                del self._kept[other]
        return self._kept.get(name)

    def _read(self, name: str, described: _Described) -> Row:
        reading: Row = {"name": name, "at": time.time(), "status": None, "errors": [], "why": [], "config": {}}
        try:
            vnf = self._lifecycle.vnf(name)
            reading["config"] = described.config(vnf)
            if vnf["instantiation_state"] == "INSTANTIATED":
                reading["status"] = self._stats(name)
                reading["why"] = reasons(reading["status"])
        except Refused as refused:
            reading["errors"] = [each.as_dict() for each in refused.mistakes]
        reading["at"] = time.time() - _age(reading["status"])
        return reading


def _age(status: Row | None) -> float:
    """Seconds since the figures of a status document were so."""
    since = (time.monotonic_ns() - status["time_ns"]) / 1e9 if status else 0.0
    return since if 0 < since < OLDEST else 0.0
