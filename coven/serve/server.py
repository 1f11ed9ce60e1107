"""`coven serve`: the only listener beyond the machine's processes; on loopback, or with TLS and a token.

Ends on SIGTERM and SIGINT; the keepers, and so the VNFs, go on.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import logging
import os
import secrets
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import waitress.server

from coven.agent.exporting import Exporter
from coven.agent.keepers.processes import COMMAND, Keepers
from coven.agent.library import Library
from coven.agent.lifecycle import Lifecycle
from coven.agent.notifying.deliveries import Deliveries
from coven.agent.notifying.outbox import Outbox
from coven.agent.notifying.targets import Targets
from coven.agent.rights.audit import Audit
from coven.agent.rights.callers import NOBODY, Caller
from coven.agent.rights.sessions import Sessions
from coven.agent.rights.tokens import Tokens
from coven.agent.store import Store
from coven.base import durable
from coven.base.compat_ports import OPTION, Ports
from coven.base.control_addresses import Address
from coven.base.places import Places, is_loopback
from coven.base.signatures import Policy
from coven.keeper.recovery import Left, recover
from coven.package.zips import MAX_ARCHIVE
from coven.rest import web
from coven.rest.api import Api, application
from coven.rest.gate import UNKNOWN, Gate, Header, Origin
from coven.rest.original.platform import Platform
from coven.rest.original.shelf import Shelf
from coven.rest.routes import TOKEN_ENDPOINT
from coven.rest.sol.exchange import AS_USUAL, Manner
from coven.serve import tls
from coven.serve.original import Original
from coven.serve.spool import MOST, SILENT_SECONDS, patient
from coven.web.page import Page, for_anybody
from itf import limits
from itf.mistakes import Mistake, Refused

log = logging.getLogger("coven.agent")

HOST, PORT = "127.0.0.1", 8080
THREADS = 24
_FIRST_PASSED_FD = 3  #: sd_listen_fds(3)


def listen(host: str, port: int, secure: bool = False, field: str = "--listen") -> socket.socket:
    """A listening socket. Raises Refused without TLS for what is not loopback, and when the address is taken.
    `field`: the option that says where."""
    if not secure and not is_loopback(host):
        raise Refused(
            Mistake(
                field=field, found=host, expected="a loopback address, or TLS",
                remedy="nothing listens beyond loopback without TLS: --tls-cert FILE --tls-key FILE, or use ssh -L"
            ),
            title="not on loopback",
        )  # fmt: skip
    host = "127.0.0.1" if host == "localhost" else host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        socket.inet_pton(family, host.partition("%")[0])  # bind would ask a name server
        sock.bind((host, port))
        sock.listen(128)
    except OSError as error:
        sock.close()
        remedy = f"choose another with {field}"
        if error.errno == errno.EADDRINUSE:
            remedy = f"something else listens there (ss -ltnp 'sport = :{port}' says what): {remedy}"
        elif error.errno is None:
            remedy = "a numeric address of this machine; 0.0.0.0 or [::] for all"
        found = f"{host}:{port}: {limits.words(error) if error.errno else 'not a numeric address'}"
        raise Refused(
            Mistake(field=field, found=found, expected="a free address of this machine", remedy=remedy),
            title="cannot listen",
        ) from None
    sock.setblocking(False)
    return sock


def passed_socket(secure: bool = False) -> socket.socket | None:
    """The socket that systemd listens on for us, if it does. Raises Refused if that needs TLS and has none."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS", "0") == "0":
        return None
    sock = socket.socket(fileno=_FIRST_PASSED_FD)
    os.set_inheritable(_FIRST_PASSED_FD, False)
    host = sock.getsockname()[0]
    if sock.family not in (socket.AF_INET, socket.AF_INET6) or not (secure or is_loopback(host)):
        raise Refused(
            Mistake(field="ListenStream", found=str(host), expected="a loopback address and port, or TLS")
        )
    sock.setblocking(False)
    return sock


def notify(state: str) -> None:
    """Tell systemd, if it wants to know (sd_notify(3))."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect("\0" + address[1:] if address.startswith("@") else address)
        sock.sendall(state.encode())


def _origin(connection: socket.socket) -> Origin:
    """Where a connection comes from that was accepted without TLS."""
    try:
        return Origin(str(connection.getpeername()[0]))
    except OSError:  # it has gone already
        return UNKNOWN


def token(places: Places) -> str:
    """The bearer token, made at the first start, in a file that only its owner can read."""
    file = places.token
    try:
        fd = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        made = secrets.token_urlsafe(32)
        durable.secret(file, made)
        return made
    with open(fd) as stream:
        status = os.fstat(stream.fileno())
        if status.st_uid != os.geteuid() or status.st_mode & 0o077:
            raise Refused(
                Mistake(
                    file=str(file), found=f"mode {status.st_mode & 0o777:o}, uid {status.st_uid}",
                    expected="a file that only its owner can read",
                    remedy=f"chmod 600 {file}, or remove it: a new one is made"
                ),
                title="token not secret",
            )
        text = stream.read().strip()
    if len(text) < 16:
        raise Refused(
            Mistake(
                file=str(file), found="a token that is too short", expected="at least 16 characters",
                remedy="remove the file: a new one is made"
            ),
            title="token not secret",
        )  # fmt: skip
    return text


def lock(places: Places) -> int:
    """Hold the state folder. Raises Refused while another agent has it."""
    fd = os.open(places.state / "agent.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        raise Refused(
            Mistake(
                file=str(places.state), found="another agent with this state", expected="one agent at a time",
                remedy="stop it, or use another --state DIR"
            ),
            title="already serving",
        ) from None
    return fd


@dataclass
class Options:
    state: str | None = None
    host: str = HOST
    port: int = PORT
    authenticate: bool = True
    control: Mapping[str, Address] = field(default_factory=dict)  #: by VNF: Click's ControlSocket over TCP
    keeper: Sequence[str] = COMMAND
    recover: Callable[[Path], Left] = recover
    tls: tls.Files | None = None
    packages: Policy | None = None  #: what is wanted of packages
    manner: Manner = AS_USUAL  #: of the ETSI interfaces
    targets: Targets = field(default_factory=Targets)  #: of notifications
    otlp: str | None = None  #: URL of a collector of OpenTelemetry
    original: Ports | None = None  #: where the interface of the original prototype is


class Agent:
    """Everything of a serving agent. `serve` returns when `stop` was called or a signal came."""

    def __init__(self, options: Options):
        if options.tls and not options.authenticate:
            raise Refused(
                Mistake(
                    field="--no-auth", found="TLS", expected="a token", remedy="--no-auth is for loopback without TLS"
                ),
                title="no authentication",
            )
        self._files = options.tls
        self.identity = tls.identity(options.tls) if options.tls else None
        self.places = Places.find(options.state).make()
        self._lock = lock(self.places)
        secure = self.identity is not None
        self.socket = passed_socket(secure) or listen(options.host, options.port, secure)
        self._front = tls.Front(self.socket, self.identity.context) if self.identity else None
        try:
            secret = token(self.places) if options.authenticate else None
            # uploads are spooled here, not in a /tmp that may be small and in memory
            spool = self.places.state / "spool"
            spool.mkdir(mode=0o700, exist_ok=True)
            tempfile.tempdir = str(spool)
            self.store = Store(self.places.database)
            self.library = Library(self.places, self.store, options.packages)
        except OSError as error:
            raise Refused(
                Mistake.of(
                    error, file=error.filename or str(self.places.state), expected="a state folder that can be written"
                ),
                title="the state cannot be written",
            ) from None
        self.keepers = Keepers(options.keeper)
        self.lifecycle = Lifecycle(self.places, self.store, self.keepers, options.recover, options.control)
        self.lifecycle.certificate = self._certificate
        tokens = None if secret is None else Tokens(self.store, secret)
        self.gate = Gate(tokens, None if tokens is None or secret is None else Sessions(tokens, secret))
        self.audit = Audit(self.places.state)
        self.lifecycle.control.note = lambda where, what, code: self.audit.note("control socket", where, what, code)
        deliveries = Deliveries(Outbox(self.store), options.targets)
        self.api = Api(self.lifecycle, self.library, self.gate, self.audit, deliveries, options.manner)
        self._tell_expiry()
        self.page = Page(self.api)
        answers = application(self.api)
        self.page.mount(answers)
        self._server: Any = waitress.server.create_server(
            answers, sockets=[self._front.inside if self._front else self.socket],
            threads=THREADS, ident="coven",
            max_request_body_size=MAX_ARCHIVE + 1, max_request_header_size=1 << 16,
            channel_timeout=SILENT_SECONDS, cleanup_interval=2, connection_limit=2 * MOST,
            clear_untrusted_proxy_headers=True,
        )  # fmt: skip
        self._server.channel_class = patient(self._judge, self._front.origin if self._front else _origin)
        self.exporter = None if options.otlp is None else Exporter(
            options.otlp, self.lifecycle.instantiated, self.api.readers, self.api.measured
        )  # fmt: skip
        self.original = None if options.original is None else self._original(options.original, options.manner)

    def _original(self, ports: Ports, manner: Manner) -> Original:
        http, tcp = (listen(ports.host, port, True, OPTION) for port in (ports.http, ports.tcp))
        end = partial(os.kill, os.getpid(), signal.SIGTERM)
        platform = Platform(self.lifecycle, self.library, manner, Shelf(self.places.state / "original"), end)
        return Original(platform, http, tcp, partial(self.audit.note, "the prototype's interface"))

    def _tell_expiry(self) -> None:
        if self.identity and self._files:
            self.api.measured.certificate(self._files.certificate, self.identity.ends)

    def _certificate(self) -> tuple[str, float] | None:
        """The file of our certificate, and when it ends."""
        if self._files is None or self.identity is None or self.identity.ends is None:
            return None
        return self._files.certificate, self.identity.ends

    def _judge(self, header: Header, method: str, path: str, length: int, origin: Origin) -> Caller:
        """Before a body is taken in: who sends it, and how much. Raises Refused."""
        anybody = path == TOKEN_ENDPOINT or for_anybody(path)
        caller = NOBODY if anybody else self.gate.caller(header, method, origin)
        web.check_length(path, length)
        return caller

    @property
    def url(self) -> str:
        """How processes of this machine reach it."""
        host, port = self.socket.getsockname()[:2]
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        scheme = "https" if self._front else "http"
        return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"

    def _publish(self) -> None:
        """Say in the runtime folder where we are."""
        address = {"url": self.url, "pid": os.getpid(), "token": str(self.places.token)}
        if self.identity:
            address["certificate"] = self.identity.fingerprint
        part = self.places.address.with_suffix(".new")
        part.write_text(json.dumps(address) + "\n")
        part.rename(self.places.address)

    def read_certificates(self) -> None:
        """Read them again, from a signal handler: connections go on as they are, new ones get the new ones. Files that
        cannot be used change nothing."""
        if self._files is None or self._front is None:
            log.info("no TLS: nothing is read again")
            return
        try:
            self.identity = tls.identity(self._files)
        except Refused as refused:
            log.error("the certificates stay as they are: %s", refused)
            return
        self._front.context = self.identity.context
        self._tell_expiry()
        self._publish()
        log.info("certificates read: %s", self.identity.warning or self.identity.fingerprint)

    def serve(self, ready: Callable[[str], None]) -> None:
        self.lifecycle.resume()
        if self._front:
            self._front.start()
        self.api.start()
        if self.exporter:
            self.exporter.start()
        if self.original:
            self.original.start()
        self._publish()
        notify(f"READY=1\nSTATUS=serving {self.url}")
        ready(self.url)
        try:
            self._server.run()
        finally:
            notify("STOPPING=1")
            self.close()

    def stop(self) -> None:
        """Stop serving, from a signal handler."""
        self.store.release()
        raise SystemExit(0)  # waitress ends its loop on it, after the requests that are being answered

    def close(self) -> None:
        self.places.address.unlink(missing_ok=True)
        self.page.close()
        if self.original:
            self.original.close()
        self._server.close()
        if self._front:
            self._front.close()
        if self.exporter:
            self.exporter.close()
        self.api.close()
        self.lifecycle.close()
        self.keepers.close()
        self.audit.close()
        self.store.close()
        os.close(self._lock)


def serve(options: Options) -> int:
    """Serve until told to end. Raises Refused when it cannot begin."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a queue behind long uploads is no news
    assert threading.current_thread() is threading.main_thread()
    agent = Agent(options)

    def end(number: int, frame: object) -> None:
        agent.stop()

    def read_again(number: int, frame: object) -> None:
        agent.read_certificates()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    signal.signal(signal.SIGHUP, read_again)

    def ready(url: str) -> None:
        if agent.identity and agent.identity.warning:
            print(f"coven: {agent.identity.warning}", file=sys.stderr, flush=True)
        print(f"serving {url}, state in {agent.places.state}", flush=True)
        if not options.authenticate:
            print("without authentication: any user of this machine may ask", flush=True)
        if agent.original:
            print(f"the original prototype's interface: {agent.original.where}", flush=True)
            if agent.original.warning:
                print(f"coven: warning: {agent.original.warning}", file=sys.stderr, flush=True)

    try:
        agent.serve(ready)
    except SystemExit:
        pass
    return 0
