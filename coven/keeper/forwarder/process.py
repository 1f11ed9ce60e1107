"""The forwarder as the keeper sees it: a child, and messages with descriptors."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from coven.keeper.journal import Journal
from coven.keeper.logs import Logs
from coven.keeper.loop import Loop
from itf import limits
from itf.segment import C, Config, Forwarder, Pool, ffi, put_text, text
from itf.statistics import Statistics

NAME = "forwarder"  #: in logs and the journal


class ForwarderProcess:
    """One forwarder process. `on_message(kind, index, generation, text)` and `on_end(status)` are called
    from the loop; `on_end` also after `kill`."""

    def __init__(
        self,
        program: Path,
        loop: Loop,
        journal: Journal,
        logs: Logs,
        on_message: Callable[[int, int, int, str], None],
        on_end: Callable[[int], None],
    ):
        self.program = program
        self.loop = loop
        self.journal = journal
        self.logs = logs
        self.on_message = on_message
        self.on_end = on_end
        self.process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process else None

    def start(
        self, pool: Pool, forwarder: Forwarder, config: Config, statistics: Statistics,
        ahead: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        """`ahead` sends what must be there before the process looks at the wiring. Raises OSError if the
        program cannot be started."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
        ours.setblocking(False)
        self._socket = ours
        ahead()
        read_only = config.read_only_fd()
        fds = (pool.fd, forwarder.fd, read_only, statistics.fd, theirs.fileno())
        try:
            self.process = subprocess.Popen(
                [str(self.program), "--fds", ",".join(map(str, fds))],
                pass_fds=fds,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
                env={},
            )
        except OSError:
            self._socket = None
            ours.close()
            raise
        finally:
            os.close(read_only)
            theirs.close()
        self.journal.process(self.process.pid, NAME)
        self.loop.read(ours, self._readable)
        assert self.process.stderr is not None
        os.set_blocking(self.process.stderr.fileno(), False)
        self.loop.read(self.process.stderr, self._said)
        self.loop.on_exit(self.process.pid, self._ended)

    def send(self, kind: int, index: int = 0, generation: int = 0, fds: Sequence[int] = ()) -> None:
        """Send one message; descriptors stay the caller's. To a forwarder that has just died: nothing."""
        if self._socket is None:
            return
        message = ffi.new("struct forwarder_message *")
        message.kind, message.index, message.generation, message.fds = kind, index, generation, len(fds)
        put_text(message.text, "")
        raw = bytes(ffi.buffer(message))
        try:
            if fds:
                socket.send_fds(self._socket, [raw], list(fds))
            else:
                self._socket.send(raw)
        except OSError as problem:  # its end is handled where it is noticed, with everything sent anew
            self.logs.say(NAME, f"a message did not reach it: {limits.words(problem)}")

    def inject(self, port: int, packet: bytes, send: bool) -> None:
        """Let a packet come in. Raises ValueError for one that is too long."""
        message = ffi.new("struct forwarder_message *")
        if len(packet) > len(message.text):
            raise ValueError(f"{len(packet)} bytes, at most {len(message.text)} are possible")
        message.kind, message.index, message.generation, message.fds = C.MESSAGE_INJECT, port, len(packet), int(send)
        ffi.memmove(message.text, packet, len(packet))
        if self._socket is not None:
            with suppress(OSError):  # who asked sees that it does not come
                self._socket.send(bytes(ffi.buffer(message)))

    def _readable(self) -> None:
        while self._socket is not None:
            try:
                raw = self._socket.recv(ffi.sizeof("struct forwarder_message"))
            except BlockingIOError:
                return
            except OSError:
                raw = b""
            if len(raw) < ffi.sizeof("struct forwarder_message"):
                self._close()
                return
            message = ffi.from_buffer("struct forwarder_message *", raw)
            self.on_message(message.kind, message.index, message.generation, text(message.text))

    def _said(self) -> None:
        if self.process is None or self.process.stderr is None:
            return
        try:
            data = os.read(self.process.stderr.fileno(), 65536)
        except BlockingIOError:
            return
        if data:
            self.logs.feed(NAME, 2, data)
            return
        self.logs.end(NAME, 2)
        self.loop.forget(self.process.stderr)
        self.process.stderr.close()

    def _close(self) -> None:
        if self._socket is not None:
            self.loop.forget(self._socket)
            self._socket.close()
            self._socket = None

    def _ended(self) -> None:
        assert self.process is not None
        process, status = self.process, self.process.wait()
        self._readable()
        self._close()
        while process.stderr is not None and not process.stderr.closed:
            self._said()
        self.process = None
        self.on_end(status)

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)

    def end(self, seconds: float = 2.0) -> None:
        """Let it exit by itself (its control socket closes), or kill it; returns when it is gone."""
        if self.process is None:
            return
        self._readable()
        self._close()
        if not self.loop.run_until(lambda: self.process is None, seconds):
            self.kill()
            self.loop.run_until(lambda: self.process is None, 5)
