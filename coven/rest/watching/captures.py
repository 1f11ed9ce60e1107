"""The REST API's part for captures: packets of a running VNF as pcapng, as they pass."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator

from coven.agent.lifecycle import Lifecycle
from coven.agent.rights.callers import Scope
from coven.agent.store import Row
from coven.rest import web
from coven.rest.gate import Gate, Judged
from coven.rest.routes import PCAPNG, Query, route
from coven.rest.schema import FLAG, TEXT
from coven.rest.watching.seats import Seats

CAPTURERS = 3  #: at once: each holds a thread
AHEAD = 1 << 20  #: bytes that a client may be behind
DEAF_SECONDS = 30.0  #: a client that takes nothing for so long has gone
LOOK_SECONDS = 0.5
ASK_SECONDS = 10.0  #: until it is judged again whether whoever began one still may
PIECE = 1 << 16


class CapturesApi:
    lifecycle: Lifecycle
    gate: Gate

    def __init__(self) -> None:
        self._capturers = Seats(CAPTURERS, "capture")

    @route(
        "GET",
        "/v1/vnfs/{name}/capture",
        "Packets that pass now, as pcapng, until the client has enough",
        reply="Capture",
        errors=(409, 503),
        scope=Scope.CAPTURE,
        produces=PCAPNG,
        query=(
            Query("at", "places, separated by commas: PORT, PORT:arriving, PORT:leaving, VNFC, VNFC:before, "
                  "VNFC:behind, PLACE.REASON; without: every port", TEXT),
            Query("drops", "only what is dropped, there or anywhere", {**FLAG, "default": False}),
            Query("filter", "only those that match: a pcap-filter expression", TEXT),
            Query("snaplen", "bytes of each packet, 0 for all", {"type": "integer", "minimum": 0, "maximum": 65535,
                                                               "default": 0}),
            Query("seconds", "end after so long, 0 for never", {"type": "number", "minimum": 0, "maximum": 86400,
                                                                "default": 0}),
            Query("count", "end after so many packets, 0 for never", {"type": "integer", "minimum": 0, "default": 0}),
        ),
    )  # fmt: skip
    def get_capture(self, name: str, query: Row) -> Iterator[bytes]:
        self._capturers.take()
        try:
            at = [word for word in query.pop("at", "").split(",") if word]
            connection = self.lifecycle.capture(name, at=at, **query)
        except BaseException:
            self._capturers.give_back()
            raise
        judged = Judged(self.gate.lasting(web.header, web.origin()), Scope.CAPTURE, ASK_SECONDS, self._ended)
        return Stream(connection, web.pending(), judged.is_over, self._capturers.give_back)

    def _ended(self) -> bool:
        return self.lifecycle.store.released


class Stream:
    """What comes from a connection, a piece at a time, as fast as the client takes it: the rest stays where it comes
    from. `pending`: bytes that the client has yet to take, None once it has gone."""

    def __init__(
        self, connection: socket.socket, pending: Callable[[], int | None], over: Callable[[], bool],
        closed: Callable[[], None],
    ):  # fmt: skip
        self._connection = connection
        self._pending = pending
        self._over = over
        self._closed: Callable[[], None] | None = closed
        connection.settimeout(LOOK_SECONDS)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        while not self._over() and self._is_heard():
            try:
                piece = self._connection.recv(PIECE)
            except TimeoutError:
                continue
            except OSError:
                break
            if not piece:
                break
            return piece
        raise StopIteration

    def _is_heard(self) -> bool:
        """Wait until the client has taken most of what it has been given. False: it does not."""
        least, since = self._pending(), time.monotonic()
        while least is not None and least > AHEAD:
            time.sleep(0.02)
            now = self._pending()
            if now is None or self._over() or (now >= least and time.monotonic() - since > DEAF_SECONDS):
                return False
            if now < least:
                least, since = now, time.monotonic()
        return least is not None

    def close(self) -> None:
        closed, self._closed = self._closed, None
        if closed is not None:
            self._connection.close()
            closed()

    def __del__(self) -> None:
        self.close()
