"""The agent's API as the command line sees it. Address, token and, with TLS, its certificate are found without being
told when the agent is this machine's."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from coven.agent.states import UNFINISHED
from coven.base.places import SYSTEM_RUN, SYSTEM_STATE, Places, is_loopback
from coven.base.problem import Misuse, from_problem
from coven.base.terminal import progress
from coven.rest.routes import JSON, ZIP
from itf.mistakes import Kind, Mistake, Refused

if TYPE_CHECKING:
    import requests

DEFAULT_URL = "http://127.0.0.1:8080"
TIMEOUT = 120.0  #: seconds for one answer: an upload is unpacked and checked in it
WAIT = 20  #: seconds that the agent is asked to hold an answer back


@dataclass(frozen=True)
class Address:
    url: str
    token: str | None
    certificate: str | None = None  #: SHA-256 of the one that it shows
    file: Path | None = None  #: that says so


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
                return _told(known, places.address)
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


def _told(known: dict[str, Any], file: Path) -> Address:
    return Address(known["url"], _token(Path(known["token"])), known.get("certificate"), file)


def again(address: Address) -> Address:
    """The same agent's address by now: one that was started anew may listen elsewhere."""
    if address.file is not None:
        with suppress(OSError, ValueError, KeyError, TypeError):
            return _told(json.loads(address.file.read_text()), address.file)
    return address


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


class _Answer(dict[str, Any]):
    """An answer's object: what it should have and does not is a refusal, since an agent of another version, or somebody
    else, has answered."""

    def __init__(self, found: dict[str, Any], stranger: Callable[[str], Refused]):
        super().__init__(found)
        self._stranger = stranger

    def __missing__(self, key: str) -> Any:
        raise self._stranger(f"answers without {key}: an agent of another version, or somebody else")


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
        self._ca = ca

    @cached_property
    def _session(self) -> requests.Session:
        from coven.cli.transport import session

        return session(self.address.url, self._ca, self.address.certificate)

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
        from requests import RequestException

        from coven.cli.transport import unreachable

        try:
            response = self._session.request(
                method, f"{self.address.url.rstrip('/')}{path}", data=data, headers=headers, timeout=TIMEOUT,
                params={key: value for key, value in query.items() if value is not None}, allow_redirects=False,
            )  # fmt: skip
        except RequestException as error:
            raise unreachable(self.address.url, error) from None
        if response.status_code >= HTTPStatus.BAD_REQUEST:
            raise self._problem(response)
        try:
            answer = response.json(object_hook=self._answer) if response.content else None
        except ValueError:
            answer = ""
        if not isinstance(answer, dict | None):
            raise self._stranger(f"answers {response.status_code}, but not as an agent does")
        return answer

    def _problem(self, response: requests.Response) -> Refused:
        """What an answer of 400 and more says; a stranger's says no more than that."""
        try:
            body = response.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            return self._stranger(f"answers {response.status_code} {response.reason}, but not as an agent does")
        return from_problem(body, response.status_code)

    def _stranger(self, found: str) -> Refused:
        mistake = Mistake(
            found=f"{self.address.url} {found}", expected="an agent", remedy="is this its address? (--agent URL)"
        )
        return Refused(mistake, title="no agent")

    def _answer(self, found: dict[str, Any]) -> dict[str, Any]:
        return _Answer(found, self._stranger)

    def stream(self, path: str, **query: Any) -> Iterator[bytes]:
        """What a GET brings, as it comes. Raises Refused with the agent's problem, also when it breaks off."""
        from requests import RequestException

        from coven.cli.transport import unreachable

        headers = {"Authorization": f"Bearer {self.address.token}"} if self.address.token else {}
        try:
            response = self._session.get(
                f"{self.address.url.rstrip('/')}{path}", headers=headers, timeout=TIMEOUT, stream=True,
                params={key: value for key, value in query.items() if value is not None}, allow_redirects=False,
            )  # fmt: skip
            with response:
                if response.status_code >= HTTPStatus.BAD_REQUEST:
                    raise self._problem(response)
                yield from response.iter_content(None)
        except RequestException as error:
            raise unreachable(self.address.url, error) from None

    def get(self, path: str, **query: Any) -> Any:
        return self.ask("GET", path, **query)

    def push(self, data: bytes) -> Any:
        return self.ask("POST", "/v1/packages", data=data)

    def operate(self, name: str, kind: str, body: Any = None) -> Any:
        """Begin an operation, show how it goes on, and wait until it is over. Raises Refused unless it COMPLETED."""
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
        names = [vnf["name"] for vnf in self.get("/v1/vnfs")["vnfs"]]
        if len(names) == 1:
            return str(names[0])
        found = f"{len(names)} VNFs: {', '.join(names)}" if names else "no VNF"
        remedy = "say which" if names else "deploy one: coven deploy PACKAGE --in IF --out IF"
        mistake = Mistake(field="VNF", found=found, expected="one", remedy=remedy)
        raise Refused(mistake, title="which VNF?", kind=Kind.ABSENT)


def agent_of(given: argparse.Namespace) -> Client:
    """The agent that a command's options mean. Raises Refused."""
    return Client(find(given.state, given.agent), given.ca)
