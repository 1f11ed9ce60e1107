"""Refusals as RFC 7807 problem details, and back: which HTTP status says each kind best."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from http.client import responses
from typing import Any

from itf.mistakes import Kind, Mistake, Refused

STATUS = {
    Kind.INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
    Kind.UNREADABLE: HTTPStatus.BAD_REQUEST,
    Kind.UNAUTHENTICATED: HTTPStatus.UNAUTHORIZED,
    Kind.FORBIDDEN: HTTPStatus.FORBIDDEN,
    Kind.ABSENT: HTTPStatus.NOT_FOUND,
    Kind.CONFLICT: HTTPStatus.CONFLICT,
    Kind.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Kind.UNSUPPORTED: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    Kind.NOT_ACCEPTABLE: HTTPStatus.NOT_ACCEPTABLE,
    Kind.CHANGED: HTTPStatus.PRECONDITION_FAILED,
    Kind.TOO_LONG: HTTPStatus.REQUEST_URI_TOO_LONG,
    Kind.TOO_MANY: HTTPStatus.TOO_MANY_REQUESTS,
    Kind.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    Kind.TIMEOUT: HTTPStatus.GATEWAY_TIMEOUT,
    Kind.NO_SPACE: HTTPStatus.INSUFFICIENT_STORAGE,
    Kind.FAULT: HTTPStatus.INTERNAL_SERVER_ERROR,
}
_KINDS: dict[int, Kind] = {status: kind for kind, status in STATUS.items()}


class Misuse(Refused):
    """A command line that means nothing. Exit status 2."""

    def __init__(self, mistakes: Mistake | Iterable[Mistake]):
        super().__init__(mistakes, title="wrong arguments")


def problem(
    status: int, title: str, mistakes: Iterable[Mistake] = (), *, instance: str | None = None
) -> dict[str, Any]:
    """RFC 7807 problem details. `detail` repeats the first mistake for clients that ignore `errors`."""
    errors = [mistake.as_dict() for mistake in mistakes]
    body: dict[str, Any] = {"type": "about:blank", "title": title, "status": int(status)}
    body["detail"] = str(Mistake.from_dict(errors[0])) if errors else title
    if instance is not None:
        body["instance"] = instance
    body["errors"] = errors
    return body


def joined(told: Iterable[Mistake], more: Iterable[Mistake]) -> list[Mistake]:
    """Those of `more` behind those told already: what is within another's field, or around it, follows from it."""
    found = list(told)
    fields = [f"{mistake.field}." for mistake in found if mistake.field]
    for mistake in more:
        here = f"{mistake.field}."
        if not mistake.field or not any(here.startswith(each) or each.startswith(here) for each in fields):
            found.append(mistake)
    return found


def from_problem(body: Mapping[str, Any], status: int) -> Refused:
    """The refusal that a problem details document stands for."""
    said = body.get("errors")
    errors = [Mistake.from_dict(each) for each in (said if isinstance(said, list) else ()) if isinstance(each, dict)]
    title = str(body.get("title") or responses.get(status, f"status {status}"))
    if not errors and body.get("detail") not in (None, title):
        errors = [Mistake(found=str(body["detail"]))]
    return Refused(errors, title=title, kind=_KINDS.get(status, Kind.FAULT))
