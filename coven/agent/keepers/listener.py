"""The agent listens to its keepers: what they did by themselves stands in the list of operations, too.

It asks `events {after}` of all of them in one thread; it may have been away meanwhile, so events are numbered.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import queue
import selectors
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from coven.keeper.client import connect
from coven.keeper.events import Event
from itf.mistakes import Refused

log = logging.getLogger("coven.agent")

CONNECT_SECONDS = 1.0
STORE_SECONDS = 2.0  #: between tries to write to a full disk
LINE_BYTES = 1 << 20


@dataclass
class _Line:
    directory: Path
    connection: socket.socket
    after: int = 0
    pending: bytearray = field(default_factory=bytearray)

    def ask(self) -> None:
        request = json.dumps({"id": 1, "op": "events", "after": self.after}) + "\n"
        self.connection.sendall(request.encode())


class Listener:
    """The agent's side: `told(directory, event)` for each event, in a thread of its own. An event whose telling
    raises Refused (a disk that is full) is told again."""

    def __init__(self, told: Callable[[Path, Event], None]):
        self._told = told
        self._selector = selectors.DefaultSelector()
        self._new: queue.SimpleQueue[Path] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._bell_read, self._bell = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._selector.register(self._bell_read, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, name="keeper events", daemon=True)
        self._thread.start()

    def follow(self, directory: Path) -> None:
        """Listen to the keeper of that folder until it ends."""
        self._new.put(directory)
        self._ring()

    def close(self) -> None:
        self._closing.set()
        self._ring()
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            if isinstance(key.data, _Line):
                key.data.connection.close()
        self._selector.close()
        os.close(self._bell_read)
        os.close(self._bell)

    def _ring(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._bell, b"x")

    def _run(self) -> None:
        while not self._closing.is_set():
            for key, _ in self._selector.select():
                if key.data is None:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._bell_read, 64)
                    self._connect_new()
                    continue
                try:
                    self._read(key.data)
                except (OSError, ValueError, KeyError, TypeError):  # it has ended, or is none that knows events
                    self._selector.unregister(key.data.connection)
                    key.data.connection.close()

    def _connect_new(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                directory = self._new.get_nowait()
                try:
                    line = _Line(directory, connect(directory, CONNECT_SECONDS))
                    line.ask()
                except OSError as error:
                    log.warning("%s: no events: %s", directory.name, error)
                    continue
                self._selector.register(line.connection, selectors.EVENT_READ, line)

    def _read(self, line: _Line) -> None:
        data = line.connection.recv(1 << 16)
        line.pending += data
        if not data or len(line.pending) > LINE_BYTES:
            raise ConnectionResetError
        if not line.pending.endswith(b"\n"):
            return
        answer = json.loads(line.pending)
        line.pending.clear()
        for event in answer["events"]:
            self._tell(line.directory, event)
            line.after = int(event["number"])
        line.ask()

    def _tell(self, directory: Path, event: Event) -> None:
        while not self._closing.is_set():
            try:
                self._told(directory, event)
                return
            except Refused as refused:
                log.warning("%s: not recorded yet: %s", directory.name, refused)
                self._closing.wait(STORE_SECONDS)
