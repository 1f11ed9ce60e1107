"""Where notifications may go, and sending them there: callers name the addresses, the operator says which are allowed.

A name is resolved once, every address is judged, and the connection goes to one that was judged. No redirects, no
proxies of the environment; answers and times are bounded.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import re
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit, urlunsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from coven.agent.store import Row
from itf.mistakes import Mistake, Refused

CONNECT_SECONDS, ANSWER_SECONDS = 3.0, 10.0  #: until it is connected; until all of the answer is there
MOST_ANSWER = 64 << 10  #: bytes that are read of one
TOO_MUCH = "an answer that is too long, or too slow"
_PASSWORD = re.compile("//[^/?#]*@")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Undelivered(Exception):
    """Somebody was not told, and why."""


@dataclass(frozen=True)
class Targets:
    """`networks`: the only ones that are allowed; () any but loopback, link-local and the like. `ca`: of subscribers'
    certificates, None the usual ones. `identity`: files of our certificate and its key, for who asks for them."""

    networks: tuple[Network, ...] = ()
    ca: str | None = None
    identity: tuple[str, str] | None = None

    def check(self, uri: str, place: str) -> None:
        """Raises Refused for a URI that nothing may be sent to."""
        with _told_as(place, uri):
            self._addresses(_split(uri))

    def _addresses(self, parts: SplitResult) -> list[tuple[str, int]]:
        """Where it is, if all of that is allowed. Raises Undelivered."""
        try:
            host, port = parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
        except ValueError:
            host = None
        if parts.scheme not in ("http", "https") or not host or parts.username is not None:
            raise Undelivered("no http or https URI of a host")
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise Undelivered(f"{host}: {getattr(error, 'strerror', None) or error}") from None
        addresses = [str(info[4][0]) for info in found]
        for address in addresses:
            if not self._allowed(address):
                raise Undelivered(f"{address}, to which nothing may be sent")
        return [(address, port) for address in addresses]

    def _allowed(self, text: str) -> bool:
        address = ipaddress.ip_address(text.partition("%")[0])
        address = getattr(address, "ipv4_mapped", None) or address
        if self.networks:
            return any(address in network for network in self.networks)
        return not (address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified
                    or address.is_reserved)  # fmt: skip

    def send(self, method: str, uri: str, body: Any = None, *, client: bool = False, **more: Any) -> requests.Response:
        """The answer, its body read. `client`: with our certificate. Raises Undelivered."""
        parts = _split(uri)
        address, port = self._addresses(parts)[0]
        literal = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        url = urlunsplit((parts.scheme, literal, parts.path or "/", parts.query, ""))
        headers = {"Host": parts.netloc, **more.pop("headers", {})}
        try:
            with _Deadline() as deadline, requests.Session() as session:
                session.trust_env = False
                session.mount("http://", _Bounded(deadline))
                session.mount("https://", _Named(deadline, str(parts.hostname)))
                answer = session.request(
                    method, url, json=body, headers=headers, timeout=(CONNECT_SECONDS, ANSWER_SECONDS),
                    allow_redirects=False, stream=True, verify=self.ca or True,
                    cert=self.identity if client else None, **more,
                )  # fmt: skip
                with answer:
                    _read(answer)
                deadline.end()
                return answer
        except (requests.RequestException, OSError, ValueError) as error:
            raise Undelivered(TOO_MUCH if deadline.over else _why(error)) from None


class _Deadline:
    """Ends connections, whatever they are at, ANSWER_SECONDS after it was begun: time-outs of sockets begin anew with
    each byte."""

    def __init__(self) -> None:
        self.over = False
        self._lock = threading.Lock()
        self._watched: list[socket.socket] = []
        self._timer = threading.Timer(ANSWER_SECONDS, self._end)
        self._timer.daemon = True

    def __enter__(self) -> _Deadline:
        self._timer.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._timer.cancel()
        with self._lock:
            for each in self._watched:
                each.close()
            self._watched.clear()

    def end(self) -> None:
        """Raises Undelivered when it is over: what is cut short may look complete."""
        if self.over:
            raise Undelivered(TOO_MUCH)

    def watch(self, connection: socket.socket) -> None:
        with self._lock:
            self._watched.append(connection.dup())  # TLS takes the descriptor of the first one
        if self.over:
            self._end()

    def _end(self) -> None:
        self.over = True
        with self._lock:
            for each in self._watched:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)


class _Bounded(HTTPAdapter):
    """For connections that a deadline ends."""

    def __init__(self, deadline: _Deadline):
        self._deadline = deadline
        super().__init__()

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        super().init_poolmanager(*args, **more)
        self.poolmanager.pool_classes_by_scheme = {
            "http": _pools(HTTPConnectionPool, self._deadline), "https": _pools(HTTPSConnectionPool, self._deadline),
        }  # fmt: skip


def _pools(kind: Any, deadline: _Deadline) -> Any:
    """A kind of pools whose connections a deadline watches."""

    class Watched(kind.ConnectionCls):
        def _new_conn(self) -> socket.socket:
            made: socket.socket = super()._new_conn()
            deadline.watch(made)
            return made

    return type("Watching", (kind,), {"ConnectionCls": Watched})


class _Named(_Bounded):
    """To an address, whose certificate has to be that of a name."""

    def __init__(self, deadline: _Deadline, name: str):
        self._name = name
        super().__init__(deadline)

    def init_poolmanager(self, *args: Any, **more: Any) -> None:
        super().init_poolmanager(*args, server_hostname=self._name, assert_hostname=self._name, **more)


def _read(answer: requests.Response) -> None:
    content = b""
    for chunk in answer.iter_content(4096):
        content += chunk
        if len(content) > MOST_ANSWER:
            raise Undelivered(TOO_MUCH)
    answer._content = content  # what `answer.json` reads


def _split(uri: str) -> SplitResult:
    """Raises Undelivered."""
    try:
        return urlsplit(uri)
    except ValueError:
        raise Undelivered("no http or https URI of a host") from None


def _why(error: Exception) -> str:
    """The innermost reason, in a line."""
    while (inner := error.__cause__ or error.__context__) is not None and isinstance(inner, Exception):
        error = inner
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).splitlines()[0][:200]


@contextlib.contextmanager
def _told_as(place: str, uri: str) -> Any:
    try:
        yield
    except Undelivered as error:
        remedy = "notification_targets in coven.yaml, or coven serve --notify NETWORK, says where notifications may go"
        shown = _PASSWORD.sub("//***@", uri)[:100]
        raise Refused(
            Mistake(field=place, found=f"{shown}: {error}", expected="a URI that answers", remedy=remedy),
            title="not to be notified",
        ) from None


@dataclass
class Notified:
    """One subscriber: how it is told, as it wanted to be (SubscriptionAuthentication, SOL013 8.3.4)."""

    targets: Targets
    callback: str
    authentication: Row
    _token: str | None = None
    _token_ends: float = field(default=0.0)

    def test(self) -> None:
        """The test of its endpoint (SOL013 8.3.4: GET, answered 204). Raises Refused."""
        with _told_as("callbackUri", self.callback):
            self.tell("GET", None)

    def tell(self, method: str, body: Any) -> None:
        """Raises Undelivered unless it was taken."""
        answer = self.targets.send(method, self.callback, body, **self._credentials())
        if answer.status_code == 401:
            self._token = None
        if answer.status_code != 204 and (method == "GET" or answer.status_code // 100 != 2):
            raise Undelivered(f"it answers {answer.status_code}")

    def _credentials(self) -> Row:
        kinds = self.authentication.get("authType", [])
        if "TLS_CERT" in kinds and self.targets.identity is not None:
            return {"client": True}
        if "OAUTH2_CLIENT_CREDENTIALS" in kinds and (given := self.authentication.get("paramsOauth2ClientCredentials")):
            return {"headers": {"Authorization": f"Bearer {self._access(given)}"}}
        if "BASIC" in kinds and (given := self.authentication.get("paramsBasic")):
            return {"auth": (given.get("userName", ""), given.get("password", ""))}
        return {}

    def _access(self, given: Row) -> str:
        if self._token is None or time.monotonic() > self._token_ends:
            answer = self.targets.send(
                "POST", given.get("tokenEndpoint", ""), data={"grant_type": "client_credentials"},
                auth=(given.get("clientId", ""), given.get("clientPassword", "")),
            )  # fmt: skip
            try:
                told = json.loads(answer.content)
                self._token, lasts = str(told["access_token"]), float(told.get("expires_in", 60))
            except (ValueError, KeyError, TypeError, RecursionError):
                raise Undelivered(f"its token endpoint gives no token: {answer.status_code}") from None
            self._token_ends = time.monotonic() + lasts * 0.9
        return self._token
