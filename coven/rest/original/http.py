"""The prototype's HTTP interface, call by call. Its answers are texts."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import bottle

from coven.base.yaml12 import MAX_BYTES
from coven.package.zips import MAX_ARCHIVE
from coven.rest import web
from coven.rest.original.codes import Reply
from coven.rest.original.platform import Platform
from itf.mistakes import Kind, Mistake, Refused

log = logging.getLogger("coven.agent")

UPLOADS = ("/package/", "/setup/")
Note = Callable[[str, str, str], None]  #: from where, what was asked, what was answered


def check_length(path: str, length: int) -> None:
    """Whether a body of so many bytes is taken there. Raises Refused."""
    most = MAX_ARCHIVE if path.startswith(UPLOADS) else MAX_BYTES
    if length > most:
        mistake = Mistake(file="request", found=f"{length} bytes", expected=f"at most {most}")
        raise Refused(mistake, title="request too large", kind=Kind.TOO_LARGE)


def _body() -> Any:
    return bottle.request.environ["wsgi.input"]


def _script() -> bytes:
    data: bytes = _body().read(MAX_BYTES + 1)
    check_length("", len(data))
    return data


def application(platform: Platform, note: Note) -> bottle.Bottle:
    """The WSGI application. `note` hears of every change."""
    app = bottle.Bottle()
    app.uninstall(bottle.JSONPlugin)  # answers are ours

    def offer(path: str, call: Callable[..., Reply], method: str = "POST") -> None:
        def answer(**parameters: str) -> str:
            try:
                web.check_address()
                web.caller()
                reply = call(**parameters)
            except Refused as refused:
                reply = Reply.of(refused)
            except Exception:
                log.exception("%s", path)
                reply = Reply("ERROR: a fault of the agent, see its log", 500)
            bottle.response.status = reply.status
            bottle.response.content_type = "text/plain; charset=UTF-8"
            if not path.startswith("/ma/") and method != "GET":
                said = reply.text if reply.status == 200 else str(reply.status)
                note(web.origin().address, f"{method} {bottle.request.path}", said)
            return reply.text

        app.route(path, method, answer)

    offer("/package/<name>/", lambda name: platform.package(name, _body()))
    offer("/install/<name>/", platform.install)
    offer("/setup/<name>/", lambda name: platform.setup(name, _body()))
    offer("/configure/", lambda: platform.configure(_script()))
    offer("/start/", platform.start)
    offer("/stop/", platform.stop)
    offer("/launch/", lambda: platform.launch(_script()))
    offer("/reset/", platform.reset)
    offer("/off/", platform.off)
    offer("/status/", platform.status, "GET")
    for method in ("GET", "POST"):  # the prototype's own EMS posts
        offer("/ma/list", platform.requests, method)
        offer("/ma/check", platform.check, method)
        offer("/ma/request/<file>/<request>", platform.request, method)

    def no_route(error: bottle.HTTPError) -> str:
        error.content_type = "text/plain; charset=UTF-8"
        return str(error.status_line)

    app.default_error_handler = no_route
    return app
