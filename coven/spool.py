"""What waitress does by itself, our way: request bodies on a disk that may be full, and requests that never reach
the application, which are told so in problem details like all others.

waitress keeps a long body in a temporary file and drops the connection when that cannot be written. Here the
rest of the body is read and forgotten instead, and whoever reads the body gets the error: the client has its
answer, 507.
"""

from __future__ import annotations

import contextlib
import io
import json
from typing import Any

from waitress.buffers import OverflowableBuffer
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.task import ErrorTask

from coven.errors import Mistake, problem
from coven.package import NO_SPACE, READ_ONLY
from coven.routes import PROBLEM


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


class Parser(HTTPRequestParser):
    def parse_header(self, header: bytes) -> None:
        super().parse_header(header)
        if self.body_rcv is not None:
            self.body_rcv.buf = Spool(self.adj.inbuf_overflow)


class Unreadable(ErrorTask):
    """A request that is no HTTP, or too large."""

    def execute(self) -> None:
        error = self.request.error
        body = json.dumps(problem(error.code, error.reason, [Mistake("request", found=str(error.body))])).encode()
        self.status = f"{error.code} {error.reason}"
        self.response_headers.append(("Content-Type", PROBLEM))
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class Channel(HTTPChannel):
    error_task_class = Unreadable
    parser_class = Parser
