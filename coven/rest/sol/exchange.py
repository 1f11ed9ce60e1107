"""What every ETSI interface does with a request and its answer: the patterns of SOL013, once for all.

Versions, content negotiation, conditional requests, filters, selectors and pages. An interface is a subclass whose
methods say which routes they answer.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import bottle

from coven.agent.lifecycle import Lifecycle
from coven.agent.notifying.deliveries import Deliveries
from coven.agent.store import Row, conflict
from coven.rest import web
from coven.rest.openapi import resolved
from coven.rest.routes import JSON, LISTING, Route
from coven.rest.schema import ref
from coven.rest.sol import filters, paging, selectors
from coven.rest.sol.versions import SERVED, negotiated
from itf.mistakes import Kind, Mistake, Refused

_TAG_KEY = secrets.token_bytes(32)  #: secrets are part of what is tagged: nobody can guess them by it
_TAGS = re.compile(r'\s*(?:W/)?(?:"([^"]*)"|([^\s,"]+))\s*(?:,|$)')


@dataclass(frozen=True)
class Manner:
    """How the agent speaks with VNFMs and EMSs, as its operator wants it."""

    vnf: str | None = None  #: that the interfaces of a single VNF speak for; None: the only one
    strict: bool = False  #: requests must say which version they mean


AS_USUAL = Manner()


class Interface:
    """One of the ETSI interfaces."""

    def __init__(self, agent: Lifecycle, manner: Manner, deliveries: Deliveries):
        self.agent = agent
        self.manner = manner
        self.deliveries = deliveries

    def start(self) -> None:
        """Begin with what goes on between requests."""

    def close(self) -> None:
        """End it."""

    def around(self, entry: Route, call: Callable[[], Any]) -> Any:
        """Answer a request by `call`. Raises Refused."""
        if entry.etsi:
            bottle.response.set_header("Version", str(SERVED[entry.interface]))
            version = negotiated(entry.interface, web.header("Version"), self.manner.strict)
            bottle.response.set_header("Version", str(version))
        if entry.reply is not None:
            _check_acceptable(web.header("Accept") or "*/*")
        query = _query(entry)
        value = call()
        if entry.query == LISTING:
            return _listed(entry, value, query)
        if entry.method == "GET" and entry.etsi and value is not None and not bottle.response.get_header("ETag"):
            tag(value)
        return value

    def subject(self) -> Row:
        return subject(self.agent, self.manner)


def subject(agent: Lifecycle, manner: Manner) -> Row:
    """The VNF that interfaces of a single one speak for. Raises Refused with 409 when that is none."""
    vnfs = {vnf["name"]: vnf for vnf in agent.store.vnfs()}
    if manner.vnf is not None:
        vnfs = {name: vnf for name, vnf in vnfs.items() if name == manner.vnf}
        found = f"no VNF called {manner.vnf}"
    else:
        found = f"{len(vnfs)} VNFs: {', '.join(vnfs)}" if vnfs else "no VNF"
    if len(vnfs) != 1:
        raise conflict(found, "coven serve --vnf NAME says for which VNF the interface speaks", "which VNF?")
    return vnfs.popitem()[1]


def root() -> str:
    """The apiRoot by which the caller reached us."""
    parts = bottle.request.urlparts
    return f"{parts.scheme}://{parts.netloc}"


def here() -> str:
    return root() + bottle.request.path


def link(path: str) -> Row:
    return {"href": root() + path}


def tag(value: Any) -> str:
    """Give the answer the ETag of a representation."""
    made = _tag(value)
    bottle.response.set_header("ETag", f'"{made}"')
    return made


def demand(value: Any) -> None:
    """Raises Refused with 412 when the request is meant for another representation than this one (RFC 9110, 13.1.1).

    The tags of If-Match may come without their quotes."""
    text = web.header("If-Match")
    if text is None or text.strip() == "*":
        return
    tags = [quoted or bare for quoted, bare in _TAGS.findall(text)]
    if _tag(value) not in tags:
        raise Refused(
            Mistake(field="If-Match", found=text[:60], expected=f'"{_tag(value)}"', remedy="read it again"),
            title="changed meanwhile", kind=Kind.CHANGED,
        )  # fmt: skip


def _tag(value: Any) -> str:
    text = json.dumps(value, sort_keys=True).encode()
    return hashlib.blake2b(text, digest_size=12, key=_TAG_KEY).hexdigest()


def _check_acceptable(accept: str) -> None:
    for part in accept.split(","):
        media, *parameters = (each.strip().lower() for each in part.split(";"))
        refused = any(re.fullmatch(r"q=0(\.0*)?", each) for each in parameters)
        if media in (JSON, "application/*", "*/*", "") and not refused:
            return
    raise Refused(
        Mistake(field="Accept", found=accept[:60], expected=JSON), title="nothing acceptable", kind=Kind.NOT_ACCEPTABLE
    )


def _query(entry: Route) -> Row:
    """The request's query. Raises Refused with 400 for what the route does not take."""

    def wrong(name: str, found: str, expected: str) -> Refused:
        mistake = Mistake(field=name[:60], found=found, expected=expected)
        return Refused(mistake, title="query refused", kind=Kind.UNREADABLE)

    try:
        pairs = parse_qsl(bottle.request.query_string, keep_blank_values=True, errors="strict")
    except ValueError:
        raise wrong("query", "bytes that are no UTF-8", "UTF-8") from None
    known = [each.name for each in entry.query]
    query = dict(pairs)
    for name, value in pairs:
        if name not in known:
            raise wrong(name, "an unknown parameter", " | ".join(known) or "none")
        if value != query[name]:  # some clients say the same twice
            raise wrong(name, "the parameter twice", "once")
    return query


def _listed(entry: Route, items: Sequence[Mapping[str, Any]], query: Mapping[str, str]) -> list[Row]:
    """What a query asks of a list of objects, a page of it."""
    schema = resolved(ref(str(entry.reply)))["items"]
    selection = selectors.read(query, schema, resolved)
    if (text := query.get("filter")) is not None:
        expressions = filters.parse(text, resolved, schema)
        items = [item for item in items if filters.matches(expressions, item)]
    shown, marker = paging.page(items, query.get(paging.MARKER))
    if marker is not None:
        bottle.response.set_header("Link", paging.link(here(), list(query.items()), marker))
    return [selection.of(item, schema, resolved) for item in shown]
