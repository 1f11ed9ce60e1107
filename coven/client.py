"""The agent's API as the command line sees it. Address and token are found without being told."""

from __future__ import annotations

import http.client
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from coven.errors import Mistake, Refused, from_problem
from coven.places import SYSTEM_RUN, SYSTEM_STATE, Places
from coven.routes import JSON, ZIP
from coven.store import UNFINISHED

DEFAULT_URL = "http://127.0.0.1:8080"
TIMEOUT = 120.0  #: seconds for one answer: an upload is unpacked and checked in it
WAIT = 20  #: seconds that the agent is asked to hold an answer back


@dataclass(frozen=True)
class Address:
    url: str
    token: str | None


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
            return Address(url or known["url"], _token(Path(known["token"])))
        except PermissionError:
            denied = denied or places.address
        except (OSError, ValueError, KeyError, TypeError):
            continue
    if denied is not None and url is None:
        raise Refused(
            Mistake(
                str(denied),
                None,
                None,
                None,
                "not readable by you",
                None,
                "use sudo, or a user's own: coven serve",
            ),
            title="the agent is another user's",
        )
    return Address(url or DEFAULT_URL, os.environ.get("COVEN_TOKEN") or _token(mine.token))


def _token(file: Path) -> str | None:
    try:
        return file.read_text().strip()
    except OSError:
        return None


class Client:
    def __init__(self, address: Address):
        self.address = address
        parts = urlsplit(address.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Refused(
                Mistake(None, None, None, "--agent", address.url, "a URL such as http://127.0.0.1:8080")
            )
        self._parts = parts

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
        kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(self._parts.hostname or "", self._parts.port, timeout=TIMEOUT)
        try:
            connection.request(method, target, data, headers)
            response = connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise Refused(
                Mistake(
                    None,
                    None,
                    None,
                    None,
                    f"no agent at {self.address.url} ({error or type(error).__name__})",
                    None,
                    "start one: coven serve",
                ),
                title="no agent",
                status=HTTPStatus.SERVICE_UNAVAILABLE,
            ) from None
        finally:
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
        raise Refused(Mistake(None, None, None, "VNF", found, "one", remedy), title="which VNF?", status=404)
