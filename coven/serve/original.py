"""Where the interface of the original prototype listens (docs/coven.md): HTTP, and a text protocol over TCP.

Its wires know no token. Bodies, times and the number of clients are bounded; who says nothing is not waited for.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from typing import Any

import waitress.server
from waitress import wasyncore

from coven.agent.rights.callers import ANYONE, Caller
from coven.base.places import is_loopback
from coven.package.zips import MAX_ARCHIVE
from coven.rest.gate import Header, Origin, check_literal_host, check_origin, check_site
from coven.rest.original import http, words
from coven.rest.original.http import Note
from coven.rest.original.platform import WAITERS, Platform
from coven.serve.spool import SILENT_SECONDS, patient

log = logging.getLogger("coven.agent")

THREADS = WAITERS + 4
CONNECTIONS = 100  #: by HTTP
CLIENTS = 16  #: by TCP, a thread each; one more, and the one that has been silent longest goes
FIRST_SECONDS = 10.0  #: for a request
PIECE_SECONDS = 0.2  #: for the rest of one that TCP brings in pieces
BODY_SECONDS = 10.0  #: for the next bytes of a package,
PACKAGE_SECONDS = 300.0  #: and for all of it
FAREWELL_SECONDS = 2.0  #: for a client to take its answer
TRY_AGAIN_SECONDS = 1.0  #: after an accept that failed for want of descriptors


class Original:
    """Both listeners, on sockets that are bound."""

    def __init__(self, platform: Platform, http_socket: socket.socket, tcp_socket: socket.socket, note: Note):
        self._http = Http(platform, http_socket, note)
        self._tcp = Tcp(platform, tcp_socket, note)

    @property
    def where(self) -> str:
        host, port = self._http.address
        shown = f"[{host}]" if ":" in host else host
        return f"http://{shown}:{port}, and by TCP at {shown}:{self._tcp.address[1]}"

    @property
    def warning(self) -> str | None:
        host = self._http.address[0]
        if is_loopback(host):
            return None
        return f"whoever reaches {host} may run programs here by the prototype's interface, which knows no token"

    def start(self) -> None:
        self._http.start()
        self._tcp.start()

    def close(self) -> None:
        """After what is being answered."""
        self._tcp.close()
        self._http.close()


class Http:
    def __init__(self, platform: Platform, listening: socket.socket, note: Note):
        self.address: tuple[str, int] = listening.getsockname()[:2]
        self._map: dict[int, Any] = {}
        self._server: Any = waitress.server.create_server(
            http.application(platform, note), map=self._map, sockets=[listening], threads=THREADS, ident="coven",
            max_request_body_size=MAX_ARCHIVE + 1, max_request_header_size=1 << 14,
            channel_timeout=SILENT_SECONDS, cleanup_interval=2, connection_limit=CONNECTIONS,
            clear_untrusted_proxy_headers=True,
        )  # fmt: skip
        self._server.channel_class = patient(self._judge, _origin)
        self._thread = threading.Thread(target=self._server.run, name="original-http", daemon=True)

    def _judge(self, header: Header, method: str, path: str, length: int, origin: Origin) -> Caller:
        """Anyone may, but no page of another origin that a user of this machine visits. Raises Refused."""
        check_origin(header)
        check_site(header)
        check_literal_host(header)
        http.check_length(path, length)
        return ANYONE

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        end = time.monotonic() + FAREWELL_SECONDS
        while self._thread.is_alive() and any(map(_answering, self._channels())) and time.monotonic() < end:
            time.sleep(0.01)
        if self._thread.is_alive():
            self._server.trigger.pull_trigger(lambda: wasyncore.close_all(self._map))  # its loop ends with its map
            self._thread.join()
        else:
            wasyncore.close_all(self._map)
        self._server.task_dispatcher.shutdown()

    def _channels(self) -> list[Any]:
        return list(self._server.active_channels.values())


def _answering(channel: Any) -> bool:
    return bool(channel.requests) or channel.total_outbufs_len > 0


def _origin(connection: socket.socket) -> Origin:
    try:
        return Origin(str(connection.getpeername()[0]))
    except OSError:  # it has gone already
        return Origin("unknown")


class Tcp:
    """Takes clients on one socket, each in a thread: a request, its answer, the end."""

    def __init__(self, platform: Platform, listening: socket.socket, note: Note):
        self.address: tuple[str, int] = listening.getsockname()[:2]
        self._platform, self._socket, self._note = platform, listening, note
        self._clients: dict[threading.Thread, tuple[socket.socket, bool]] = {}  #: oldest first; whether it has asked
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._accept, name="original-tcp", daemon=True)

    def start(self) -> None:
        self._socket.setblocking(True)
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the one that accepts
        if self._thread.ident is not None:
            self._thread.join()
        self._socket.close()
        with self._lock:
            left = dict(self._clients)
        for client, asked in left.values():
            if not asked:
                _shut(client)
        end = time.monotonic() + FAREWELL_SECONDS
        for thread in left:
            thread.join(max(0.0, end - time.monotonic()))

    def _accept(self) -> None:
        while True:
            try:
                client, address = self._socket.accept()
            except ConnectionAbortedError:
                continue
            except OSError as problem:
                if self._closing.is_set():
                    return
                log.warning("the prototype's interface: %s", problem)
                self._closing.wait(TRY_AGAIN_SECONDS)
                continue
            with self._lock:
                silent = [thread for thread, (_, asked) in self._clients.items() if not asked]
                if len(self._clients) >= CLIENTS and silent:
                    _shut(self._clients.pop(silent[0])[0])
                if self._closing.is_set() or len(self._clients) >= CLIENTS:
                    client.close()
                    continue
                thread = threading.Thread(
                    target=self._serve, args=(client, str(address[0])), name="original-client", daemon=True
                )
                self._clients[thread] = (client, False)
            thread.start()

    def _serve(self, client: socket.socket, address: str) -> None:
        here = threading.current_thread()
        try:
            with contextlib.suppress(OSError):
                request = _request(client)
                with self._lock:
                    if self._clients.pop(here, None) is None:
                        return  # it made room
                    self._clients[here] = (client, True)
                answer = self._answer(client, request, address) if request else None
                if answer is not None:
                    client.settimeout(FAREWELL_SECONDS)
                    client.sendall(answer)
                    client.shutdown(socket.SHUT_WR)
                    _forget_rest(client)  # closed with something unread, the answer would be lost
        finally:
            with self._lock:
                self._clients.pop(here, None)
            client.close()

    def _answer(self, client: socket.socket, request: bytes, address: str) -> bytes | None:
        try:
            answer = words.answer(self._platform, request, lambda size: Rest(client, size))
        except Exception:
            log.exception("the prototype's interface: %s", ascii(request))
            return b"500|ERROR: a fault of the agent, see its log"
        text = request.rstrip(b"\0").decode(errors="replace")
        if answer is not None and words.word_of(text) in words.CHANGES:
            self._note(address, f"TCP {text}", answer.decode(errors="replace"))
        return answer


def _request(client: socket.socket) -> bytes:
    """The bytes of a request; none from who is silent."""
    client.settimeout(FIRST_SECONDS)
    request = client.recv(words.REQUEST_BYTES)
    end = time.monotonic() + FIRST_SECONDS
    while request and not words.is_whole(request) and time.monotonic() < end:
        padded = request.startswith((b"package|", b"setup|"))
        client.settimeout(max(0.01, end - time.monotonic()) if padded else PIECE_SECONDS)
        try:
            more = client.recv(words.REQUEST_BYTES - len(request))
        except TimeoutError:
            break
        if not more:
            break
        request += more
    return request


class Rest:
    """What follows a request: so many bytes. Reading raises EOFError when they do not come."""

    def __init__(self, client: socket.socket, size: int):
        self._client, self._left = client, size
        self._end = time.monotonic() + PACKAGE_SECONDS
        client.settimeout(BODY_SECONDS)

    def read(self, size: int) -> bytes:
        if self._left == 0:
            return b""
        try:
            data = self._client.recv(min(self._left, size))
        except TimeoutError:
            data = b""
        if not data or time.monotonic() > self._end:
            raise EOFError(f"{self._left} bytes of the package did not come")
        self._left -= len(data)
        return data


def _forget_rest(client: socket.socket) -> None:
    end, left = time.monotonic() + FAREWELL_SECONDS, MAX_ARCHIVE
    while left > 0 and time.monotonic() < end and (more := len(client.recv(1 << 16))):
        left -= more


def _shut(client: socket.socket) -> None:
    with contextlib.suppress(OSError):
        client.shutdown(socket.SHUT_RDWR)


