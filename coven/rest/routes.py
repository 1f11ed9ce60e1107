"""One table of what the API offers: the routes register from it and the OpenAPI document is made from it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

JSON = "application/json"
ZIP = "application/zip"
PROBLEM = "application/problem+json"


@dataclass(frozen=True)
class Query:
    name: str
    why: str
    type: str = "string"


@dataclass(frozen=True)
class Route:
    method: str
    path: str  #: with {parameters}
    handler: str  #: the method of the API that answers
    summary: str
    status: int
    reply: str | None  #: name of a schema, None without content
    body: str | None = None  #: name of a schema
    media: str = JSON  #: of the body
    query: tuple[Query, ...] = ()
    errors: tuple[int, ...] = ()
    again: int | None = None  #: the status when it was done already

    @property
    def bottle_path(self) -> str:
        return re.sub(r"\{(\w+)\}", r"<\1>", self.path)

    @property
    def parameters(self) -> list[str]:
        return re.findall(r"\{(\w+)\}", self.path)


ROUTES: list[Route] = []


def route(
    method: str,
    path: str,
    summary: str,
    *,
    status: int = 200,
    reply: str | None = None,
    body: str | None = None,
    media: str = JSON,
    query: tuple[Query, ...] = (),
    errors: tuple[int, ...] = (),
    again: int | None = None,
) -> Callable[[F], F]:
    """Enter a method into the table."""

    def enter(function: F) -> F:
        ROUTES.append(
            Route(method, path, function.__name__, summary, status, reply, body, media, query, errors, again)
        )
        return function

    return enter
