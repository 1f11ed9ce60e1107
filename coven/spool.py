"""Request bodies on a disk that may be full.

waitress keeps a long body in a temporary file and drops the connection when that cannot be written. Here the
rest of the body is read and forgotten instead, and whoever reads the body gets the error: the client has its
answer, 507.
"""

from __future__ import annotations

import contextlib
import io
from typing import Any

from waitress.buffers import OverflowableBuffer
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser

from coven.package import NO_SPACE


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
            if error.errno not in NO_SPACE:
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


class Channel(HTTPChannel):
    parser_class = Parser
