"""What the API offers: each method that answers says which route it answers. `table` collects them; the application
registers from that table and the OpenAPI document is made from it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeVar

from coven.agent.rights.callers import Scope
from coven.rest.schema import TEXT
from coven.rest.sol.versions import SERVED

F = TypeVar("F", bound=Callable[..., Any])

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
ZIP = "application/zip"
BYTES = "application/octet-stream"
FORM = "application/x-www-form-urlencoded"
PCAPNG = "application/x-pcapng"
PROBLEM = "application/problem+json"
TOKEN_ENDPOINT = "/oauth2/token"


@dataclass(frozen=True)
class Query:
    """A parameter of a route. `schema`: of what its text stands for, with its default."""

    name: str
    why: str
    schema: Mapping[str, Any]


#: what lists of the ETSI interfaces take (SOL013 5.2, 5.3, 5.4.2)
LISTING = (
    Query("filter", "(OPERATOR,ATTRIBUTE,VALUE)[;...]: only those that match", TEXT),
    Query("all_fields", "with every attribute", TEXT),
    Query("fields", "with these complex attributes, and all that are simple or required", TEXT),
    Query("exclude_fields", "without these complex attributes", TEXT),
    Query("exclude_default", "without the complex attributes that are left out by default", TEXT),
    Query("nextpage_opaque_marker", "the page that a Link header named", TEXT),
)


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
    produces: str = JSON  #: the media type of its content
    scope: Scope | None = None  #: that who asks must have; None: the method sees to that itself

    @property
    def interface(self) -> str:
        """The API that it belongs to: the first part of its path."""
        return self.path.split("/")[1]

    @property
    def etsi(self) -> bool:
        return self.interface in SERVED

    @property
    def conditional(self) -> bool:
        """Whether If-Match matters."""
        return HTTPStatus.PRECONDITION_FAILED in self.errors

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
    produces: str = JSON,
    scope: Scope | None = Scope.OPERATE,
) -> Callable[[F], F]:
    """Say of a method which route it answers. `scope`: for GET reading is enough, unless it is another.

    It is called with the path's parameters; with `query`, where it has some: their values by name, defaults included;
    with `body`: the JSON object, or the file of another media type; and where `judged`, with `mistakes`: what the
    schemas found, which is left out of `body`.
    """

    def enter(function: F) -> F:
        needs = Scope.READ if method == "GET" and scope == Scope.OPERATE else scope
        function.__dict__["route"] = Route(
            method, path, function.__name__, summary, status, reply, body, media, judged, query, errors, again,
            produces, needs
        )
        return function

    return enter


def table(api: type) -> tuple[Route, ...]:
    """The routes that the methods of a class answer, those of its bases last."""
    methods = [method for part in api.__mro__ for method in vars(part).values()]
    return tuple(method.route for method in methods if isinstance(getattr(method, "route", None), Route))
