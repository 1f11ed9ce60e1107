"""The page's routes: its files, the login, and the stream. What it does it asks of the API, as everybody does."""

from __future__ import annotations

import functools
import html
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

import bottle

from coven.agent.rights.callers import Scope
from coven.agent.rights.sessions import SECONDS
from coven.base.problem import STATUS
from coven.base.version import VERSION
from coven.rest import web
from coven.rest.api import Api
from coven.rest.gate import Credential, Judged, admit, check_origin, cookie_name
from coven.web.feed import Feed
from coven.web.files import HEADERS, File, files
from itf.mistakes import Kind, Mistake, Refused

LOGIN, LOGOUT, FILES, STREAM = "/login", "/logout", "/page/", "/page/stream"
OPERATIONS = 50  #: that the page shows, the newest
ASK_SECONDS = 2.0  #: until it is judged again whether whoever a stream is for may look
OBSERVED = 1.0  #: seconds, for what limits a VNF
_MOST_FORM = 4096  #: bytes

Row = dict[str, Any]


def for_anybody(path: str) -> bool:
    """Whether that is shown to whoever asks: what is needed to say who one is, and nothing that tells of VNFs."""
    return path in (LOGIN, LOGOUT) or (path.startswith(FILES) and path != STREAM)


class Page:
    def __init__(self, api: Api):
        self._api = api
        self._files = files()
        self._shown: tuple[int, Row] = (-1, {})
        self.feed = Feed(api.lifecycle, self.overview, api.get_stats, self._limits)

    def close(self) -> None:
        self.feed.close()

    def mount(self, app: bottle.Bottle) -> None:
        """Add the routes to an application."""
        for method, path, handler in (
            ("GET", "/", self.index), ("GET", STREAM, self.stream), ("GET", f"{FILES}<name:path>", self.file),
            ("GET", LOGIN, self.ask_token), ("POST", LOGIN, self.log_in), ("POST", LOGOUT, self.log_out),
        ):  # fmt: skip
            app.route(path, method, _answering(handler))

    # files

    def index(self) -> bytes:
        """To the login for whoever may not see it."""
        try:
            admit(web.caller(), Scope.READ)
        except Refused as refused:
            if refused.kind not in (Kind.UNAUTHENTICATED, Kind.FORBIDDEN):
                raise
            return _to(LOGIN)
        return self.file("index.html")

    def file(self, name: str) -> bytes:
        found = self._files.get(name)
        if found is None or (name == "login.html" and bottle.request.path.startswith(FILES)):
            raise Refused(Mistake(found=f"nothing at {bottle.request.path}"), title="not found", kind=Kind.ABSENT)
        return _sent(found)

    # who looks

    def ask_token(self) -> bytes:
        if self._api.gate.tokens is None:
            return _to("/")
        return self._login("")

    def log_in(self) -> bytes:
        """Begin a session. A wrong token is told on the page that asks for it."""
        gate = self._api.gate
        try:
            check_origin(web.header)
            if gate.tokens is None or gate.sessions is None:
                return _to("/")
            credential = Credential(_token())
            caller = gate.owner(credential, web.origin())
            admit(caller, Scope.READ)
            web.known_as(caller)
        except Refused as refused:
            self._note(int(STATUS[refused.kind]))
            bottle.response.status = int(STATUS[refused.kind])
            return self._login("; ".join(filter(None, (refused.mistakes[0].found, refused.mistakes[0].remedy))))
        self._note(HTTPStatus.SEE_OTHER)
        self._set_cookie(gate.sessions.begin(credential.token_digest), SECONDS)
        return _to("/")

    def log_out(self) -> bytes:
        check_origin(web.header)
        self._set_cookie("", 0)
        return _to(LOGIN)

    def _note(self, status: int) -> None:
        self._api.audit.note(web.who(), web.origin().address, f"POST {LOGIN}", int(status))

    def _login(self, wrong: str) -> bytes:
        page = self._files["login.html"]
        return _sent(File(page.data.replace(b"{{wrong}}", html.escape(wrong).encode()), page.media), cached=False)

    def _set_cookie(self, session: str, seconds: int) -> None:
        name = cookie_name(web.header)
        secure = {"secure": True} if web.origin().secure else {}
        bottle.response.set_cookie(
            name, session, path="/", httponly=True, samesite="strict", max_age=seconds, **secure
        )

    # what it shows

    def _limits(self, name: str) -> Row | None:
        found: Row | None = self._api.get_bottleneck(name, {"seconds": OBSERVED})["bottleneck"]
        return found

    def overview(self) -> Row:
        """VNFs, packages and the newest operations; made anew when something of it was written."""
        store = self._api.store
        changes = store.changes
        if self._shown[0] != changes:
            self._shown = changes, {
                "version": VERSION, **self._api.list_vnfs(), **self._api.list_packages(),
                "operations": self._api.newest_operations(OPERATIONS), "alarms": store.alarms(OPERATIONS),
            }  # fmt: skip
        return self._shown[1]

    def stream(self) -> Iterator[bytes]:
        """Events: `agent` (overview), `vnf` (a reading), `history` of a VNF. `?vnf=NAME,NAME`: which are read."""
        admit(web.caller(), Scope.READ)
        vnfs = tuple(filter(None, bottle.request.query.get("vnf", "").split(",")))
        known = {vnf["name"] for vnf in self.overview()["vnfs"]}
        shown = tuple(name for name in dict.fromkeys(vnfs) if name in known)
        self.feed.check_room(shown)
        judged = Judged(self._api.gate.lasting(web.header, web.origin()), Scope.READ, ASK_SECONDS)
        bottle.request.environ[web.STREAM] = functools.partial(self.feed.add, vnfs=shown, over=judged.is_over)
        bottle.response.content_type = "text/event-stream"
        return iter([b"retry: 1000\n\n"])


def _token() -> str:
    """That a form has. Raises Refused."""
    data = bottle.request.environ["wsgi.input"].read(_MOST_FORM)
    try:
        fields = parse_qs(data.decode("ascii"), errors="strict")
    except ValueError:
        fields = {}
    return fields.get("token", [""])[0].strip()


def _to(path: str) -> bytes:
    bottle.response.status = HTTPStatus.SEE_OTHER
    bottle.response.set_header("Location", path)
    return b""


def _sent(file: File, cached: bool = True) -> bytes:
    if cached:
        bottle.response.set_header("ETag", file.tag)
        if web.header("If-None-Match") == file.tag:
            bottle.response.status = HTTPStatus.NOT_MODIFIED
            return b""
    bottle.response.content_type = file.media
    return file.data


def _answering(handler: Callable[..., Any]) -> Callable[..., Any]:
    """What answers, with the page's headers; errors are told as by the API."""

    def answer(**parameters: str) -> Any:
        for name, value in HEADERS.items():
            bottle.response.set_header(name, value)
        try:
            web.check_address()
            return handler(**parameters)
        except Refused as refused:
            return web.reply_problem(refused)

    return answer
