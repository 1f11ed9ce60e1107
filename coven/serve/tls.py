"""TLS in front of the API, for whoever listens beyond loopback.

The API's server speaks plain HTTP on a socket of this process's own; connections from outside are taken here,
decrypted and handed on. So a slow client costs a coroutine, never one of the server's threads, also while it
shakes hands, and every limit of the server holds for both ways in. One thread, standard library only.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from coven.base.problem import problem
from coven.rest.gate import UNKNOWN, Origin
from coven.rest.routes import PROBLEM
from itf.mistakes import Mistake, Refused

log = logging.getLogger("coven.agent")

CONNECTIONS = 200  #: at once; one more, and the longest silent one goes
OF_ONE_ADDRESS = 100
HANDSHAKE_SECONDS = 10.0  #: from the connection to the end of TLS's handshake
STALLED_SECONDS = 60.0  #: for a client to take what it asked for
LINGER_SECONDS = 5.0  #: for a connection to end in an orderly way
CHUNK = 1 << 16
CERTIFICATE, CLIENTS = "--tls-cert", "--tls-client-ca"
_HANDSHAKE_RECORD = 0x16  #: the first byte of a TLS connection (RFC 8446, 5.1)
_NO_CHECK_TIME = 0x200000  #: X509_V_FLAG_NO_CHECK_TIME
_EXPIRED, _NOT_YET = 10, 9  #: X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_CERT_NOT_YET_VALID


@dataclass(frozen=True)
class Identity:
    """A certificate (the chain behind it in the same file) and its key, which fit each other."""

    context: ssl.SSLContext
    fingerprint: str  #: SHA-256 of the certificate, for those who find us through the state folder
    warning: str | None  #: why clients will refuse it, if it can be told
    ends: float | None = None  #: its last moment, in seconds since 1970, if it can be told


@dataclass(frozen=True)
class Files:
    """In PEM. `clients`: the CA of certificates that clients may present; None: they are not asked for one."""

    certificate: str
    key: str
    clients: str | None = None


def identity(files: Files) -> Identity:
    """Raises Refused with what is wrong about the files."""
    certificate, key = files.certificate, files.key
    mistakes = []
    options = [(CERTIFICATE, certificate), ("--tls-key", key)]
    for option, file in [*options, *([(CLIENTS, files.clients)] if files.clients else [])]:
        try:
            with open(file, "rb") as stream:
                mode = os.fstat(stream.fileno()).st_mode
                text = stream.read(1 << 20)
        except OSError as error:
            mistakes.append(Mistake.of(error, file=file, field=option, expected="a file in PEM that can be read"))
            continue
        if option == "--tls-key" and mode & 0o007:
            mistakes.append(_wrong(file, option, f"mode {mode & 0o777:o}", "a key that others cannot read",
                                   f"chmod o-rwx {file}"))  # fmt: skip
        wanted = b"PRIVATE KEY" if option == "--tls-key" else b"CERTIFICATE"
        if b"-----BEGIN " not in text or wanted + b"-----" not in text:
            what = "a private key" if option == "--tls-key" else "a certificate"
            mistakes.append(_wrong(file, option, f"no {wanted.decode()} block", f"{what} in PEM",
                                   "from DER: openssl x509|pkey -inform der -in FILE -out FILE.pem"))  # fmt: skip
        elif option == "--tls-key" and b"ENCRYPTED" in text:
            mistakes.append(_wrong(file, option, "an encrypted key", "one without a passphrase",
                                   f"openssl pkey -in {file} -out KEY"))  # fmt: skip
    if mistakes:
        raise Refused(mistakes, title="no TLS")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key, password=lambda: "")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            mistake = _wrong(key, "--tls-key", "the key of another certificate", f"the key of {certificate}")
        else:
            what = error.reason or str(error)
            mistake = _wrong(certificate, CERTIFICATE, f"{what}, with {key}", "a certificate and its key in PEM")
        raise Refused(mistake, title="no TLS") from None
    if files.clients:
        try:
            context.load_verify_locations(files.clients)
        except ssl.SSLError as error:
            mistake = _wrong(files.clients, CLIENTS, error.reason or str(error), "certificates in PEM")
            raise Refused(mistake, title="no TLS") from None
        context.verify_mode = ssl.CERT_OPTIONAL
    der, failure = _shake_hands(context, certificate)
    return Identity(context, hashlib.sha256(der).hexdigest(), failure, _end(context, certificate))


def _wrong(file: str, option: str, found: str | None, expected: str, remedy: str | None = None) -> Mistake:
    return Mistake(file=file, field=option, found=found, expected=expected, remedy=remedy)


def _shake_hands(context: ssl.SSLContext, certificate: str) -> tuple[bytes, str | None]:
    """Our certificate as a client sees it that trusts just this one, and what such a client finds wrong."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.load_verify_locations(certificate)
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    failure = None
    try:
        return _handshake(context, client), None
    except ssl.SSLCertVerificationError as error:
        if error.verify_code == _EXPIRED:
            failure = f"{certificate} has expired: clients will refuse it"
        elif error.verify_code == _NOT_YET:
            failure = f"{certificate} is not valid yet: clients will refuse it"
        else:
            failure = f"{certificate}: {error.verify_message}: clients may refuse it"
    client.verify_mode = ssl.CERT_NONE
    return _handshake(context, client), failure


def _end(context: ssl.SSLContext, certificate: str) -> float | None:
    """When our certificate expires, as a client sees it that minds nothing else of it."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.load_verify_locations(certificate)
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
    try:
        found = _met(context, client).getpeercert() or {}
    except ssl.SSLError:
        return None
    ends = found.get("notAfter")
    return ssl.cert_time_to_seconds(ends) if isinstance(ends, str) else None


def _handshake(context: ssl.SSLContext, client: ssl.SSLContext) -> bytes:
    return _met(context, client).getpeercert(binary_form=True) or b""


def _met(context: ssl.SSLContext, client: ssl.SSLContext) -> ssl.SSLObject:
    """The client's side of a connection to us. Raises ssl.SSLError."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    asks = client.wrap_bio(back, there)
    answers = context.wrap_bio(there, back, server_side=True)
    for side in (asks, answers, asks):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    return asks


@dataclass
class Client:
    """A connection from outside."""

    address: str
    since: float  #: its beginning, or the server's last word to it, in the loop's time
    waits: bool = False  #: it has said something since then

    def patience(self) -> tuple[bool, float]:
        return self.waits, self.since


class Front:
    """Takes connections from `outside` and hands them, decrypted, to the socket `inside` that listens."""

    def __init__(self, outside: socket.socket, context: ssl.SSLContext):
        self.outside = outside
        self.context = context
        self.inside = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.inside.bind("")  # a name of the kernel's choice that no file has: it goes with us
        self.inside.listen(CONNECTIONS)
        self.inside.setblocking(False)
        self._target = self.inside.getsockname()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="tls", daemon=True)
        self._main: asyncio.Task[None] | None = None
        self._clients: dict[asyncio.Task[None], Client] = {}
        self._origins: dict[bytes, Origin] = {}  #: by the name of our end of a connection to the server inside

    def origin(self, inside: socket.socket) -> Origin:
        """Where a connection comes from that was handed to the server inside."""
        return self._origins.get(inside.getpeername(), UNKNOWN)

    def start(self) -> None:
        self._main = self._loop.create_task(self._accept())
        self._thread.start()

    def close(self) -> None:
        """Take no more connections, and let those end whose answers are under way. After the inner server's end."""
        if self._main is not None:
            self._loop.call_soon_threadsafe(self._main.cancel)
            self._thread.join()
        self._loop.close()
        self.outside.close()
        self.inside.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._main)  # type: ignore[arg-type]

    async def _accept(self) -> None:
        try:
            while True:
                try:
                    sock, address = await self._loop.sock_accept(self.outside)
                except OSError as error:  # no descriptor left, or a client that went at once
                    log.warning("a connection could not be taken: %s", error)
                    await asyncio.sleep(0.1)
                    continue
                self._make_room(address[0])
                client = Client(address[0], self._loop.time())
                task = self._loop.create_task(self._serve(sock, client))
                self._clients[task] = client
                task.add_done_callback(lambda ended: self._clients.pop(ended, None))
        finally:
            tasks = set(self._clients)
            if tasks:
                await asyncio.wait(tasks, timeout=1.0)
            for task in tasks:
                task.cancel()

    def _make_room(self, address: str) -> None:
        """For one connection more: whoever has been silent longest goes, of that address or of all."""
        for limit, tasks in (
            (OF_ONE_ADDRESS, [task for task, client in self._clients.items() if client.address == address]),
            (CONNECTIONS, list(self._clients)),
        ):
            if len(tasks) >= limit:
                longest = min(tasks, key=lambda task: self._clients[task].patience())
                del self._clients[longest]
                longest.cancel()

    async def _serve(self, sock: socket.socket, client: Client) -> None:
        """One connection, whose faults are nobody else's."""
        sock.setblocking(False)
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                speaks_tls = await self._speaks_tls(sock)
        except (OSError, TimeoutError):  # strangers' attempts are no news
            speaks_tls = False
        except asyncio.CancelledError:
            sock.close()
            raise
        if not speaks_tls:
            sock.close()
            return
        reader = asyncio.StreamReader(limit=CHUNK)
        protocol = asyncio.StreamReaderProtocol(reader)
        try:  # from here on the socket is asyncio's, which closes it
            transport, _ = await self._loop.connect_accepted_socket(
                lambda: protocol, sock, ssl=self.context, ssl_handshake_timeout=HANDSHAKE_SECONDS,
                ssl_shutdown_timeout=LINGER_SECONDS,
            )  # fmt: skip
        except OSError:  # ssl.SSLError, too
            return
        writer = asyncio.StreamWriter(transport, protocol, reader, self._loop)
        try:
            with self._named(Origin(client.address, _common_name(transport), secure=True)) as own:
                await self._loop.sock_connect(own, self._target)
                await self._relay(reader, writer, own, client)
        except OSError as error:
            log.warning("a connection could not be handed on: %s", error)
        finally:
            if not transport.is_closing():
                transport.abort()

    async def _relay(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, own: socket.socket, client: Client
    ) -> None:
        refused = asyncio.Event()
        asking = self._loop.create_task(self._hand_in(reader, own, refused, client))
        try:
            with contextlib.suppress(OSError, TimeoutError):  # of the client: it has gone, or takes nothing
                while data := await _received(self._loop, own):
                    client.waits, client.since = False, self._loop.time()
                    writer.write(data)
                    async with asyncio.timeout(STALLED_SECONDS):
                        await writer.drain()
                if refused.is_set():  # the answer is lost on a client that is cut off while it sends
                    async with asyncio.timeout(LINGER_SECONDS):
                        await asyncio.shield(asking)
                writer.close()
                await writer.wait_closed()
        finally:
            asking.cancel()

    async def _hand_in(
        self, reader: asyncio.StreamReader, own: socket.socket, refused: asyncio.Event, client: Client
    ) -> None:
        """What the client sends; after the server has had enough, what it still sends is forgotten."""
        with contextlib.suppress(OSError):
            while data := await reader.read(CHUNK):
                client.waits = True
                if refused.is_set():
                    continue
                try:
                    await self._loop.sock_sendall(own, data)
                except OSError:
                    refused.set()
        with contextlib.suppress(OSError):
            own.shutdown(socket.SHUT_WR)

    @contextlib.contextmanager
    def _named(self, origin: Origin) -> Iterator[socket.socket]:
        """A socket for a connection to the server inside, which learns its origin by its name."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as own:
            own.setblocking(False)
            own.bind("")  # a name of the kernel's choice
            name = own.getsockname()
            self._origins[name] = origin
            try:
                yield own
            finally:
                del self._origins[name]

    async def _speaks_tls(self, sock: socket.socket) -> bool:
        """Whether the connection begins as TLS does; one that does not is told so, in plain HTTP."""
        readable = asyncio.Event()
        self._loop.add_reader(sock, readable.set)
        try:
            await readable.wait()
        finally:
            self._loop.remove_reader(sock)
        first = sock.recv(1, socket.MSG_PEEK)
        if not first or first[0] == _HANDSHAKE_RECORD:
            return bool(first)
        await self._loop.sock_recv(sock, CHUNK)  # what is left unread would reset the connection
        mistake = Mistake(found="plain HTTP", expected="TLS", remedy="ask with https://")
        body = json.dumps(problem(400, "TLS only", [mistake])).encode()
        head = f"HTTP/1.1 400 Bad Request\r\nContent-Type: {PROBLEM}\r\nContent-Length: {len(body)}\r\n"
        await self._loop.sock_sendall(sock, f"{head}Connection: close\r\n\r\n".encode() + body)
        return False


def _common_name(transport: asyncio.BaseTransport) -> str | None:
    """Of the client's certificate, which was verified."""
    certificate = transport.get_extra_info("peercert") or {}
    names = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
    return names[0] if len(names) == 1 else None


async def _received(loop: asyncio.AbstractEventLoop, own: socket.socket) -> bytes:
    """What the server says, nothing at its end."""
    try:
        return await loop.sock_recv(own, CHUNK)
    except OSError:  # it closed with something of the client's unread
        return b""
