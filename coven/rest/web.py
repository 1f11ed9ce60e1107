"""Requests and replies of the REST API: bodies, queries, problem details, where they come from."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

import bottle

from coven.agent.rights.callers import NOBODY, Caller
from coven.agent.store import Row
from coven.base.problem import STATUS, problem
from coven.package.zips import MAX_ARCHIVE
from coven.rest.gate import UNKNOWN, Origin
from coven.rest.routes import JSON, PROBLEM, TOKEN_ENDPOINT
from itf.mistakes import Kind, Mistake, Refused

CHALLENGES = tuple(("WWW-Authenticate", f'{scheme} realm="coven"') for scheme in ("Bearer", "Basic"))
#: in a request's WSGI environment: what the server says of it
ORIGIN, VERDICT, PENDING = "coven.origin", "coven.verdict", "coven.pending"
STREAM = "coven.stream"  #: there, put by who answers: what takes the writing end of an answer that goes on
UPLOADS = "/v1/packages"
MAX_ADDRESS = 8192  #: characters of a path and its query
MAX_JSON = 1 << 20  #: bytes of a request's JSON body


def body(media: Sequence[str]) -> Any:
    """The body as a file. Raises Refused for another media type."""
    given = (bottle.request.content_type or "").split(";")[0].strip().lower()
    if given not in media:
        raise Refused(
            Mistake(field="Content-Type", found=given or "nothing", expected=" or ".join(media)),
            title="another media type", kind=Kind.UNSUPPORTED,
        )  # fmt: skip
    return bottle.request.environ["wsgi.input"]


def check_address() -> None:
    """Raises Refused for an address that is longer than anybody needs."""
    if (length := len(bottle.request.path) + len(bottle.request.query_string)) > MAX_ADDRESS:
        mistake = Mistake(file="request", found=f"an address of {length} characters", expected=f"at most {MAX_ADDRESS}")
        raise Refused(mistake, title="address too long", kind=Kind.TOO_LONG)


def check_length(path: str, length: int) -> None:
    """Whether a body of so many bytes is taken there. Raises Refused."""
    most = MAX_ARCHIVE if path == UPLOADS else MAX_JSON
    if length > most:
        raise Refused(
            Mistake(file="request", found=f"{length} bytes", expected=f"at most {most}"),
            title="request too large", kind=Kind.TOO_LARGE,
        )  # fmt: skip


def json_body(media: Sequence[str] = (JSON,)) -> Row:
    """The JSON object in the body. Raises Refused for what is none."""

    def refused(found: str, line: int | None = None, column: int | None = None) -> Refused:
        mistake = Mistake(file="request", line=line, column=column, found=found, expected="a JSON object")
        return Refused(mistake, title="request not readable", kind=Kind.UNREADABLE)

    def no_constant(text: str) -> Any:
        raise refused(text)

    def once(pairs: list[tuple[str, Any]]) -> Row:
        if len(record := dict(pairs)) < len(pairs):
            keys = [key for key, _ in pairs]
            raise refused(f"{next(key for key in keys if keys.count(key) > 1)[:60]} twice")
        return record

    check_length("", bottle.request.content_length)
    data = body(media).read(MAX_JSON + 1)
    if len(data) > MAX_JSON:
        raise Refused(
            Mistake(file="request", found=f"more than {MAX_JSON} bytes", expected="a smaller request"),
            title="request too large", kind=Kind.TOO_LARGE,
        )  # fmt: skip
    try:
        value = json.loads(data, parse_constant=no_constant, object_pairs_hook=once)
    except json.JSONDecodeError as error:
        raise refused(error.msg, error.lineno, error.colno) from None
    except UnicodeDecodeError:
        raise refused("bytes that are no UTF-8") from None
    except RecursionError:
        raise refused("lists and maps nested without end") from None
    except ValueError:
        raise refused("a number of too many digits") from None
    if not isinstance(value, dict):
        raise refused("another value")
    return value


def header(name: str) -> str | None:
    """A header of the request, its bytes as Latin-1: bottle's own way fails at what is no UTF-8."""
    found: str | None = bottle.request.headers.raw(name)
    return found


def query() -> dict[str, list[str]]:
    """The query's parameters, each with its values as they were written."""
    given = bottle.request.query
    return {name: given.getall(name) for name in given}


def reply_problem(refused: Refused) -> str:
    status = STATUS[refused.kind]
    bottle.response.status = int(status)
    if refused.kind == Kind.UNAUTHENTICATED:
        for challenge in CHALLENGES:
            bottle.response.add_header(*challenge)
    elif refused.kind in (Kind.UNAVAILABLE, Kind.TOO_MANY):
        bottle.response.set_header("Retry-After", str(refused.retry or 1))
    bottle.response.content_type = PROBLEM
    told = problem(status, refused.title, refused.mistakes, instance=bottle.request.path)
    if bottle.request.path == TOKEN_ENDPOINT:  # RFC 6749, 5.2
        told["error"] = "invalid_client" if status == HTTPStatus.UNAUTHORIZED else refused.title
    return json.dumps(told)


def origin() -> Origin:
    """Where the request comes from, as the server says."""
    found: Origin = bottle.request.environ.get(ORIGIN, UNKNOWN)
    return found


def caller() -> Caller:
    """Who asks, as the server has judged. Raises Refused where it has refused."""
    verdict: Caller | Refused = bottle.request.environ[VERDICT]
    if isinstance(verdict, Refused):
        raise verdict
    return verdict


def pending() -> Callable[[], int | None]:
    """What tells how many bytes of the answer the client has yet to take, None once it has gone; as the server says."""
    found: Callable[[], int | None] = bottle.request.environ.get(PENDING, lambda: 0)
    return found


def known_as(caller: Caller) -> None:
    """Who the request turned out to be from."""
    bottle.request.environ[VERDICT] = caller


def who() -> str:
    verdict = bottle.request.environ[VERDICT]
    return verdict.name if isinstance(verdict, Caller) else NOBODY.name


def located(path: str) -> None:
    bottle.response.set_header("Location", path)
