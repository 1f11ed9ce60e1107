"""Where clients of Click's ControlSocket protocol connect to: a Unix socket for each instantiated VNF, in its runtime
folder, and loopback TCP for those that the operator names (`control_config.py`). `talk.py` is what they say.

The agent has them, in threads of their own: they end with the agent, and the next one opens them again.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from coven.agent.control.talk import Ask, Conversation, Handlers, Note
from coven.base.control_addresses import Address
from coven.keeper.client import Keeper
from itf import limits
from itf.mistakes import Mistake, Refused

log = logging.getLogger("coven.agent")

SOCKET = "control.sock"
CLIENTS = 32  #: of one listener at once: each has a thread
FAREWELL_SECONDS = 1.0  #: for a client to close its end, too
TRY_AGAIN_SECONDS = 1.0  #: after an accept that failed for want of descriptors


class Listener:
    """Takes clients on one socket, each in a thread, until `close`, which ends them all."""

    def __init__(
        self, ask: Ask, listening: socket.socket, read_only: bool = False, note: Note = lambda what, code: None
    ):
        self._handlers = Handlers(ask, note)
        self._socket, self._read_only = listening, read_only
        self._clients: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        listening.listen(CLIENTS)
        self._thread = threading.Thread(target=self._accept, name="control-socket", daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except ConnectionAbortedError:
                continue
            except OSError as problem:
                if self._closing.is_set():
                    return
                log.warning("control socket: %s", problem)
                self._closing.wait(TRY_AGAIN_SECONDS)
                continue
            with self._lock:
                if self._closing.is_set() or len(self._clients) >= CLIENTS:
                    client.close()
                    continue
                self._clients.add(client)
            threading.Thread(target=self._serve, args=(client,), name="control-client", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            with (
                contextlib.suppress(OSError),
                client.makefile("rb") as stream_in,
                client.makefile("wb") as stream_out,
            ):
                Conversation(self._handlers, self._read_only, stream_in, stream_out).run()
                client.shutdown(socket.SHUT_WR)
                client.settimeout(FAREWELL_SECONDS)
                while client.recv(1 << 16):  # closed with something unread, the last answer would be lost
                    pass
        finally:
            with self._lock:
                self._clients.discard(client)
            client.close()

    def close(self) -> None:
        self._closing.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the one that accepts
        self._thread.join()
        self._socket.close()
        with self._lock:
            for client in self._clients:
                with contextlib.suppress(OSError):
                    client.shutdown(socket.SHUT_RDWR)


def unix_socket(folder: Path) -> socket.socket:
    """`folder`/control.sock, bound, for its owner only. Raises OSError."""
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        # a folder's name may be longer than a socket's may be
        link = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            (folder / SOCKET).unlink(missing_ok=True)
            bound.bind(f"/proc/self/fd/{link}/{SOCKET}")
            os.chmod(SOCKET, 0o600, dir_fd=link)  # nobody connects before it listens
        finally:
            os.close(link)
    except BaseException:
        bound.close()
        raise
    return bound


def tcp_socket(address: Address) -> socket.socket:
    """Bound to a loopback address. Raises OSError."""
    bound = socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((address.host, address.port))
    except BaseException:
        bound.close()
        raise
    return bound


class ControlSockets:
    """The control sockets of an agent's VNFs. `tcp`: the VNFs that are reachable over loopback TCP as well."""

    def __init__(self, run: Path, tcp: Mapping[str, Address]):
        self._run, self._tcp = run, tcp
        self._open: dict[str, dict[str, Listener]] = {}  #: by VNF, by what clients connect to
        self._lock = threading.Lock()
        self.note: Callable[[str, str, int], None] = lambda where, what, code: None  #: hears of changes by a socket

    def open(self, vnf: str) -> None:
        """Open those of a VNF that are not open yet. Raises Refused with all that could not be."""
        mistakes = []
        folder = self._run / vnf
        ask = Keeper(folder).call
        with self._lock:
            listeners = self._open.setdefault(vnf, {})
            if (where := str(folder / SOCKET)) not in listeners:
                try:
                    listeners[where] = Listener(ask, unix_socket(folder), note=self._by("unix", vnf))
                except OSError as problem:
                    mistakes.append(Mistake.of(problem, file=where, expected="a socket that can be made"))
            address = self._tcp.get(vnf)
            if address is not None and (where := str(address)) not in listeners:
                try:
                    note = self._by(str(address), vnf)
                    listeners[where] = Listener(ask, tcp_socket(address), address.read_only, note)
                except OSError as problem:
                    found = f"{address}: {limits.words(problem)}"
                    remedy = f"`ss -ltnp 'sport = :{address.port}'` says what listens there: end it, or choose another"
                    field = f"control_sockets.{vnf}"
                    mistakes.append(Mistake(field=field, found=found, expected="a free address", remedy=remedy))
        if mistakes:
            raise Refused(mistakes, title="control socket not opened")

    def _by(self, where: str, vnf: str) -> Note:
        return lambda what, code: self.note(where, f"{what} of {vnf}", code)

    def close(self, vnf: str) -> None:
        """Close those of a VNF, and end the conversations there."""
        with self._lock:
            listeners = self._open.pop(vnf, {})
        for listener in listeners.values():
            listener.close()
        if listeners:
            (self._run / vnf / SOCKET).unlink(missing_ok=True)

    def close_all(self) -> None:
        for vnf in list(self._open):
            self.close(vnf)

    def where(self, vnf: str) -> list[str]:
        """What clients connect to: the Unix socket's path, HOST:PORT."""
        with self._lock:
            return list(self._open.get(vnf, {}))
