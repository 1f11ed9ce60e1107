"""Requests and replies of the REST API: bodies, queries, problem details, and who may ask at all."""

from __future__ import annotations

import hmac
import json
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import bottle

from coven.errors import Mistake, Refused, problem, suggest
from coven.routes import JSON, PROBLEM
from coven.store import Row

MAX_JSON = 1 << 20  #: bytes of a request's JSON body


def body(media: str) -> Any:
    """The body as a file. Raises Refused for another media type."""
    given = (bottle.request.content_type or "").split(";")[0].strip().lower()
    if given != media:
        raise Refused(
            Mistake(None, None, None, "Content-Type", given or "nothing", media),
            title="another media type", status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        )  # fmt: skip
    return bottle.request.environ["wsgi.input"]


def json_body() -> Row:
    def refused(found: str, line: int | None = None, column: int | None = None) -> Refused:
        mistake = Mistake("request", line, column, None, found, "a JSON object")
        return Refused(mistake, title="request not readable", status=HTTPStatus.BAD_REQUEST)

    def no_constant(text: str) -> Any:
        raise refused(text)

    def once(pairs: list[tuple[str, Any]]) -> Row:
        if len(record := dict(pairs)) < len(pairs):
            keys = [key for key, _ in pairs]
            raise refused(f"{next(key for key in keys if keys.count(key) > 1)[:60]} twice")
        return record

    data = body(JSON).read(MAX_JSON + 1)
    if len(data) > MAX_JSON:
        raise Refused(
            Mistake("request", None, None, None, f"more than {MAX_JSON} bytes", "a smaller request"),
            title="request too large", status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        )  # fmt: skip
    try:
        value = json.loads(data, parse_constant=no_constant, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise refused(error.msg, error.lineno, error.colno) from None
    except (ValueError, RecursionError) as error:
        raise refused(type(error).__name__) from None
    if not isinstance(value, dict):
        raise refused("another value")
    return value


def fields(body: Row, known: set[str]) -> Row:
    mistakes = [Mistake(None, None, None, key, "an unknown field", None, suggest(key, known))
                for key in body if key not in known]  # fmt: skip
    if mistakes:
        raise Refused(mistakes, title="request refused")
    return body


def no_body() -> None:
    """For what takes no argument: an empty object at most."""
    if bottle.request.content_length > 0:
        fields(json_body(), set())


def integer(name: str, default: int, low: int, high: int) -> int:
    text = bottle.request.query.get(name, str(default))
    if text.isascii() and text.isdigit() and low <= int(text[:12]) <= high:
        return int(text)
    raise Refused(Mistake(None, None, None, name, text[:60], f"an integer from {low} to {high}"))


def number(name: str, default: float, low: float, high: float) -> float:
    text = bottle.request.query.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise Refused(Mistake(None, None, None, name, text[:60], f"a number from {low:g} to {high:g}"))
    return value


def reply_problem(refused: Refused) -> str:
    bottle.response.status = refused.status
    if refused.status == HTTPStatus.SERVICE_UNAVAILABLE:
        bottle.response.set_header("Retry-After", "1")
    bottle.response.content_type = PROBLEM
    return json.dumps(problem(refused.status, refused.title, refused.mistakes, instance=bottle.request.path))


def check_caller(token: str | None) -> None:
    """Who may ask. Raises Refused with 401 or 403."""
    origin = bottle.request.get_header("Origin")
    host = bottle.request.get_header("Host", "")
    # a web page that the user visits could ask a loopback agent in the user's name
    if origin and urlsplit(origin).netloc != host:
        raise Refused(
            Mistake(None, None, None, "Origin", origin[:100], "no other origin"),
            title="forbidden",
            status=403,
        )
    if token is None:
        name = urlsplit(f"//{host}").hostname or ""
        if name not in ("localhost", "::1") and not name.startswith("127."):
            raise Refused(
                Mistake(None, None, None, "Host", host[:100], "localhost"), title="forbidden", status=403
            )
        return
    scheme, _, given = bottle.request.get_header("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), token.encode()):
        bottle.response.set_header("WWW-Authenticate", 'Bearer realm="coven"')
        raise Refused(
            Mistake(
                None,
                None,
                None,
                "Authorization",
                "no valid token" if given else "no token",
                "Bearer TOKEN",
                "the token is in the file `token` of the agent's state folder",
            ),
            title="unauthorized",
            status=HTTPStatus.UNAUTHORIZED,
        )
