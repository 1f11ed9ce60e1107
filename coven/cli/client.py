"""The agent's API as the command line sees it. Address, token and, with TLS, its certificate are found without being
told when the agent is this machine's."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from coven.agent.store import UNFINISHED
from coven.base.places import SYSTEM_RUN, SYSTEM_STATE, Places, is_loopback
from coven.base.problem import Misuse, from_problem
from coven.rest.routes import JSON, ZIP
from itf.mistakes import Kind, Mistake, Refused

DEFAULT_URL = "http://127.0.0.1:8080"
TIMEOUT = 120.0  #: seconds for one answer: an upload is unpacked and checked in it
WAIT = 20  #: seconds that the agent is asked to hold an answer back


@dataclass(frozen=True)
class Address:
    url: str
    token: str | None
    certificate: str | None = None  #: SHA-256 of the one that it shows


def find(state: str | None, url: str | None = None) -> Address:
    """Where the agent is: `url` (or $COVEN_AGENT), else that of the state folder, else the system's.

    Raises Refused when the token is there and cannot be read.
    """
    url = url or os.environ.get("COVEN_AGENT")
    mine = Places.find(state)
    candidates = [mine]
    if state is None and "COVEN_STATE" not in os.environ and mine.state != SYSTEM_STATE:
        candidates.append(Places(SYSTEM_STATE, SYSTEM_RUN))
    denied: Path | None = None
    for places in candidates:
        try:
            known = json.loads(places.address.read_text())
            if url is None or url.rstrip("/") == known["url"]:
                return Address(known["url"], _token(Path(known["token"])), known.get("certificate"))
            if is_here(url):
                return Address(url, os.environ.get("COVEN_TOKEN") or _token(Path(known["token"])))
        except PermissionError:
            denied = denied or places.address
        except (OSError, ValueError, KeyError, TypeError):
            continue
    if denied is not None and url is None:
        raise Refused(
            Mistake(file=str(denied), found="not readable by you", remedy="use sudo, or a user's own: coven serve"),
            title="the agent is another user's",
        )
    url = url or DEFAULT_URL
    # the token of this machine's agent is nobody else's business
    return Address(url, os.environ.get("COVEN_TOKEN") or (_token(mine.token) if is_here(url) else None))


def is_here(url: str) -> bool:
    """Whether the URL is this machine's."""
    try:
        return is_loopback(urlsplit(url).hostname or "")
    except ValueError:
        return False


def _token(file: Path) -> str | None:
    try:
        return file.read_text().strip()
    except OSError:
        return None


def _trust(ca: str | None) -> ssl.SSLContext:
    """Whom to believe: the system's CAs, or `ca` alone. Raises Refused for a file that is no certificate."""
    try:
        context = ssl.create_default_context(cafile=ca)
    except OSError as error:  # ssl.SSLError is one
        found = error.strerror if not isinstance(error, ssl.SSLError) else "no certificate"
        raise Refused(Mistake(file=ca, field="--ca", found=found, expected="a certificate in PEM")) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca:
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the agent's own certificate will do
    return context


class Client:
    """`ca`: a file (else $COVEN_CA) with the certificate of the CA, or of the agent itself, that is trusted."""

    def __init__(self, address: Address, ca: str | None = None):
        self.address = address
        try:
            parts = urlsplit(address.url)
            valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        except ValueError:
            valid = False
        if not valid:
            raise Misuse(
                Mistake(field="--agent", found=address.url, expected="a URL such as http://127.0.0.1:8080")
            )
        if parts.scheme == "http" and address.token and not is_here(address.url):
            raise Misuse(
                Mistake(
                    field="--agent", found=address.url, expected="https, beyond this machine",
                    remedy="plain http would show the token to the network"
                ),
            )  # fmt: skip
        self._parts = parts
        self._trust = _trust(ca or os.environ.get("COVEN_CA")) if parts.scheme == "https" else None
        if self._trust is not None and address.certificate is not None:
            self._trust.check_hostname = False  # the one certificate is known
            self._trust.verify_mode = ssl.CERT_NONE

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._trust is None:
            return http.client.HTTPConnection(host, port, timeout=TIMEOUT)
        connection = http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=self._trust)
        if self.address.certificate is not None:
            connection.connect()
            shown = connection.sock.getpeercert(binary_form=True) or b""
            if hashlib.sha256(shown).hexdigest() != self.address.certificate:
                connection.close()
                raise Refused(
                    Mistake(found=f"another certificate at {self.address.url}", expected="the agent's own",
                            remedy="something else answers there: ss -ltnp says what"), title="not our agent",
                )  # fmt: skip
        return connection

    def _unreachable(self, error: Exception) -> Refused:
        url = self.address.url
        found, expected, remedy = f"no agent at {url} ({error or type(error).__name__})", None, "start one: coven serve"
        if isinstance(error, ssl.SSLCertVerificationError):
            found, expected = f"{error.verify_message}, of the certificate of {url}", "one that can be trusted"
            remedy = "--ca FILE names its CA's certificate, in PEM"
        elif isinstance(error, ssl.SSLError):
            found = f"no TLS at {url} ({error.reason or error})"
            remedy = "an agent without TLS is asked with http://"
        mistake = Mistake(found=found, expected=expected, remedy=remedy)
        return Refused(mistake, title="no agent", kind=Kind.UNAVAILABLE)

    def ask(self, method: str, path: str, body: Any = None, data: bytes | None = None, **query: Any) -> Any:
        """The answer's JSON (None without content). Raises Refused with the agent's problem."""
        headers = {"Accept": JSON}
        if self.address.token:
            headers["Authorization"] = f"Bearer {self.address.token}"
        if data is not None:
            headers["Content-Type"] = ZIP
        elif body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = JSON
        stated = {key: value for key, value in query.items() if value is not None}
        target = f"{self._parts.path.rstrip('/')}{path}" + (f"?{urlencode(stated)}" if stated else "")
        connection = None
        try:
            connection = self._connect()
            connection.request(method, target, data, headers)
            response = connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from None
        finally:
            if connection is not None:
                connection.close()
        try:
            answer = json.loads(text) if text else None
        except ValueError:
            answer = None
            if response.status < HTTPStatus.BAD_REQUEST:
                raise Refused(
                    Mistake(found=f"{self.address.url} answers, but not as an agent does"), title="no agent"
                ) from None
        if response.status >= HTTPStatus.BAD_REQUEST:
            raise from_problem(answer if isinstance(answer, dict) else {}, response.status)
        return answer

    def get(self, path: str, **query: Any) -> Any:
        return self.ask("GET", path, **query)

    def push(self, data: bytes) -> Any:
        return self.ask("POST", "/v1/packages", data=data)

    def operate(self, name: str, kind: str, body: Any, progress: Callable[[str], None]) -> Any:
        """Begin an operation and wait until it is over. Raises Refused unless it COMPLETED."""
        operation = self.ask("POST", f"/v1/vnfs/{quote(name)}/{kind}", body)
        shown = ""
        while operation["state"] in UNFINISHED:
            if operation["progress"] != shown:
                shown = operation["progress"]
                progress(shown)
            operation = self.get(f"/v1/operations/{operation['id']}", wait=WAIT, progress=shown)
        progress("")
        if operation["state"] != "COMPLETED":
            how = {"ROLLED_BACK": "failed and was rolled back", "FAILED": "failed, also its rollback"}
            mistakes = [Mistake.from_dict(error) for error in operation["errors"]]
            raise Refused(mistakes, title=f"{kind} {how.get(operation['state'], 'failed')}")
        return operation

    def only_vnf(self, name: str | None) -> str:
        """The VNF meant: the one named, or the only one. Raises Refused when there is none, or several."""
        if name is not None:
            return name
        names = [vnf["name"] for vnf in self.get("/v1/vnfs")]
        if len(names) == 1:
            return str(names[0])
        found = f"{len(names)} VNFs: {', '.join(names)}" if names else "no VNF"
        remedy = "say which" if names else "deploy one: coven deploy PACKAGE --in IF --out IF"
        mistake = Mistake(field="VNF", found=found, expected="one", remedy=remedy)
        raise Refused(mistake, title="which VNF?", kind=Kind.ABSENT)
