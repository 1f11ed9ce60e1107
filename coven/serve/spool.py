"""What waitress does by itself, our way: request bodies on a disk that may be full; requests that never reach the
application, which are told so in problem details like all others; and clients that are silent.

waitress keeps a long body in a temporary file and drops the connection when that cannot be written. Here the
rest of the body is read and forgotten instead, and whoever reads the body gets the error: the client has its
answer, 507. Likewise a body whose sender may not ask is not kept; one that is only announced (Expect) is refused.

A client that says nothing holds a connection and nothing else, for as long as there are connections: when MOST are
there, whoever has been silent longest makes room.

An answer that goes on (the page's stream) holds a connection, too, and none of the threads that answer: the application
names who gets its other end, and whoever that is writes to it without ever waiting.
"""

from __future__ import annotations

import contextlib
import io
import json
import socket
from collections.abc import Callable
from dataclasses import dataclass
from errno import EACCES
from functools import partial
from http import HTTPStatus
from typing import Any

from waitress.buffers import OverflowableBuffer
from waitress.channel import ClientDisconnected, HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.task import ErrorTask, WSGITask

from coven.agent.rights.callers import Caller
from coven.base.problem import STATUS, problem
from coven.package.zips import NO_SPACE, READ_ONLY
from coven.rest.gate import Header, Origin
from coven.rest.routes import PROBLEM
from coven.rest.web import CHALLENGES, ORIGIN, PENDING, STREAM, VERDICT
from itf.mistakes import Mistake, Refused

MOST = 200  #: connections; one more, and the longest silent one goes
FIRST_SECONDS = 10  #: for the first request, from the connection to the end of its headers
SILENT_SECONDS = 60  #: for the next one, or the next bytes of a body
BACKLOG = 4 << 20  #: bytes that a stream may have to write: whoever reads so slowly is cut off
_TLS_RECORD = b"\x16"  #: the first byte of a TLS connection (RFC 8446, 5.1)


class _Full(io.RawIOBase):
    """A body that could not be kept: reading it says why."""

    def __init__(self, error: OSError):
        self.error = error

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        raise self.error


class Spool(OverflowableBuffer):
    full: OSError | None = None

    def append(self, data: bytes) -> None:
        if self.full is not None:
            return
        try:
            super().append(data)
        except OSError as error:
            if error.errno not in (*NO_SPACE, *READ_ONLY):
                raise
            self.full = error

    def getfile(self) -> Any:
        return super().getfile() if self.full is None else _Full(self.full)

    def close(self) -> None:
        # a file with something left to write says again that it cannot
        with contextlib.suppress(OSError):
            super().close()


@dataclass
class NoRequest:
    """What waitress asks of an error: see waitress.utilities.Error."""

    refused: Refused

    @property
    def code(self) -> int:
        return int(STATUS[self.refused.kind])

    @property
    def reason(self) -> str:
        return STATUS[self.refused.kind].phrase


#: who sends a request with these headers (a function of their names), by that method, at that path, of that length,
#: from there. Raises Refused where it is not taken
Judge = Callable[[Header, str, str, int, Origin], Caller]


class Parser(HTTPRequestParser):
    judge: Judge
    verdict: Caller | Refused | None = None  #: what was judged

    def __init__(self, adj: Any, origin: Origin):
        super().__init__(adj)
        self._origin = origin

    def parse_header(self, header: bytes) -> None:
        super().parse_header(header)
        if self.version == "1.1" and "HOST" not in self.headers:  # RFC 9112, 3.2
            raise ParsingError("no Host")
        try:
            self.path.encode("latin-1").decode()
        except UnicodeDecodeError:
            raise ParsingError("a path that is no UTF-8") from None
        if self.body_rcv is not None:
            self.body_rcv.buf = Spool(self.adj.inbuf_overflow)
        try:
            length = self.content_length
            self.verdict = self.judge(
                lambda name: self.headers.get(name.upper().replace("-", "_")), self.command, self.path, length,
                self._origin,
            )  # fmt: skip
        except Refused as refused:
            self.verdict = refused
            if self.headers.get("EXPECT", "").lower() == "100-continue":
                self.expect_continue = False
                self.error = NoRequest(refused)
                self.completed = True
            elif self.body_rcv is not None:  # the application says so, too, once it is read
                self.body_rcv.buf.full = OSError(EACCES, "refused")


class Unreadable(ErrorTask):
    """A request that is no HTTP, or too large."""

    def execute(self) -> None:
        error = self.request.error
        mistakes = [Mistake(file="request", found=str(error.body))] if not isinstance(error, NoRequest) else (
            error.refused.mistakes
        )
        body = json.dumps(problem(error.code, error.reason, mistakes)).encode()
        self.status = f"{error.code} {error.reason}"
        if error.code == HTTPStatus.UNAUTHORIZED:
            self.response_headers += CHALLENGES
        self.response_headers.append(("Content-Type", PROBLEM))
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


#: headers as their specifications and some clients write them; waitress would write Etag
SPELT = (b"ETag", b"WWW-Authenticate")


class Stream:
    """The writing end of an answer that goes on, for one thread at a time."""

    def __init__(self, channel: Channel):
        self._channel = channel

    @property
    def open(self) -> bool:
        return bool(self._channel.connected and not self._channel.will_close)

    def write(self, data: bytes) -> bool:
        """Write without waiting. False: the client has gone, or reads too slowly and is cut off."""
        channel = self._channel
        if not self.open:
            return False
        if channel.total_outbufs_len > BACKLOG:
            self.close()
            return False
        try:
            channel.write_soon(b"%X\r\n%s\r\n" % (len(data), data))
        except ClientDisconnected:
            return False
        return True

    def close(self) -> None:
        self._channel.will_close = True
        self._channel.server.pull_trigger()


class Task(WSGITask):
    """What the application gets and gives."""

    def finish(self) -> None:
        begin = (self.environ or {}).get(STREAM)
        if begin is not None and not self.wrote_header:
            self.write(b"")
        if begin is None or not self.chunked_response:  # HTTP/1.0 has no answers that go on
            super().finish()
            return
        self.close_on_finish = False
        self.channel.streams = True
        begin(Stream(self.channel))

    def build_response_header(self) -> bytes:
        header: bytes = super().build_response_header()
        for name in SPELT:
            capitalized = b"-".join(part.capitalize() for part in name.split(b"-"))
            header = header.replace(b"\r\n%s: " % capitalized, b"\r\n%s: " % name)
        return header

    def get_environment(self) -> dict[str, Any]:
        environment: dict[str, Any] = super().get_environment()
        environment[ORIGIN], environment[VERDICT] = self.channel.origin, self.request.verdict
        environment[PENDING] = self.channel.pending
        if self.channel.origin.secure:
            environment["wsgi.url_scheme"] = "https"
        return environment


class Channel(HTTPChannel):
    task_class = Task
    error_task_class = Unreadable
    parser_class = Parser
    _heard = 0.0
    _asked = False  #: a whole request has come
    streams = False  #: its answer goes on: nothing else is asked here
    place: Callable[[socket.socket], Origin]  #: where a connection comes from

    def __init__(self, server: Any, sock: socket.socket, *args: Any, **kwargs: Any):
        channels = [each for each in server.active_channels.values() if isinstance(each, Channel)]
        if len(channels) >= MOST:
            min(channels, key=Channel.patience).handle_close()
        self.origin = self.place(sock)
        self.parser_class = partial(self.parser_class, origin=self.origin)  # type: ignore[assignment]
        super().__init__(server, sock, *args, **kwargs)

    def patience(self) -> tuple[bool, bool, float]:
        """The least goes first: those with a request under way last, those whose headers are not even there first."""
        in_body = self.request is not None and self.request.headers_finished
        return bool(self.requests) or self.streams, in_body, self._since

    @property
    def _since(self) -> float:
        """When what we wait for began: a whole request counts, a byte of one does not."""
        return self._heard if self._asked else self.creation_time

    @property
    def last_activity(self) -> float:
        """For waitress, which closes what has been silent for SILENT_SECONDS: the first request has less time."""
        in_body = self.request is not None and self.request.headers_finished
        return self._heard if self._asked or in_body else self.creation_time - (SILENT_SECONDS - FIRST_SECONDS)

    @last_activity.setter
    def last_activity(self, now: float) -> None:
        self._heard = now

    def handle_write(self) -> None:
        if not self.streams:
            super().handle_write()
            return
        with self.outbuf_lock:  # waitress believes that nobody writes to a channel without requests
            super().handle_write()

    def pending(self) -> int | None:
        """Bytes of answers that the client has yet to take; None once it has gone."""
        return int(self.total_outbufs_len) if self.connected else None

    def received(self, data: bytes) -> bool:
        if self.streams:
            return False
        if not self._asked and self.request is None and data[:1] == _TLS_RECORD:
            self._answer_tls()
            return False
        more = bool(super().received(data))
        self._asked = self._asked or bool(self.requests)
        return more

    def _answer_tls(self) -> None:
        """It speaks TLS, and we do not: it cannot read what we say, but a client shows that it is no TLS."""
        mistake = Mistake(found="TLS", expected="plain HTTP", remedy="ask with http://")
        body = json.dumps(problem(HTTPStatus.BAD_REQUEST, "no TLS here", [mistake])).encode()
        head = f"HTTP/1.1 400 Bad Request\r\nContent-Type: {PROBLEM}\r\nContent-Length: {len(body)}\r\n"
        with contextlib.suppress(OSError):
            self.socket.send(f"{head}Connection: close\r\n\r\n".encode() + body)
        self.will_close = True


def patient(judge: Judge, place: Callable[[socket.socket], Origin]) -> type[Channel]:
    """The channels of a server whose requests are judged by `judge` as soon as their headers are there."""
    parser = type("Judging", (Parser,), {"judge": staticmethod(judge)})
    return type("Patient", (Channel,), {"parser_class": parser, "place": staticmethod(place)})
