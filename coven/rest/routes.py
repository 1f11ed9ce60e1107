"""What the API offers: each method that answers says which route it answers. `table` collects them; the application
registers from that table and the OpenAPI document is made from it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

JSON = "application/json"
ZIP = "application/zip"
BYTES = "application/octet-stream"
PROBLEM = "application/problem+json"


@dataclass(frozen=True)
class Query:
    """A parameter of a route. `schema`: of what its text stands for, with its default."""

    name: str
    why: str
    schema: Mapping[str, Any]


@dataclass(frozen=True)
class Route:
    method: str
    path: str  #: with {parameters}
    handler: str  #: the method of the API that answers
    summary: str
    status: int
    reply: str | None  #: name of a schema, None without content
    body: str | None = None  #: name of a schema
    media: tuple[str, ...] = (JSON,)  #: that the body may have
    judged: bool = False  #: the method tells what is wrong with the body itself, along with what it finds besides
    query: tuple[Query, ...] = ()
    errors: tuple[int, ...] = ()
    again: int | None = None  #: the status when it was done already

    @property
    def bottle_path(self) -> str:
        return re.sub(r"\{(\w+)\}", r"<\1>", self.path)

    @property
    def parameters(self) -> list[str]:
        return re.findall(r"\{(\w+)\}", self.path)


def route(
    method: str,
    path: str,
    summary: str,
    *,
    status: int = 200,
    reply: str | None = None,
    body: str | None = None,
    media: tuple[str, ...] = (JSON,),
    judged: bool = False,
    query: tuple[Query, ...] = (),
    errors: tuple[int, ...] = (),
    again: int | None = None,
) -> Callable[[F], F]:
    """Say of a method which route it answers.

    It is called with the path's parameters; with `query`, where it has some: their values by name, defaults included;
    with `body`: the JSON object, or the file of another media type; and where `judged`, with `mistakes`: what the
    schemas found, which is left out of `body`.
    """

    def enter(function: F) -> F:
        function.__dict__["route"] = Route(
            method, path, function.__name__, summary, status, reply, body, media, judged, query, errors, again
        )
        return function

    return enter


def table(api: type) -> tuple[Route, ...]:
    """The routes that the methods of a class answer, those of its bases last."""
    methods = [method for part in api.__mro__ for method in vars(part).values()]
    return tuple(method.route for method in methods if isinstance(getattr(method, "route", None), Route))
