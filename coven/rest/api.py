"""The REST API: a Bottle application over the lifecycle. JSON under /v1, errors as problem details."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import IO, Any, Protocol
from urllib.parse import quote

import bottle

from coven.agent.health import health
from coven.agent.library import Library
from coven.agent.lifecycle import Lifecycle
from coven.agent.notifying.deliveries import Deliveries
from coven.agent.rights.audit import Audit
from coven.agent.rights.callers import Scope
from coven.agent.store import Row, missing, resting
from coven.base import troubles
from coven.base.problem import joined, problem
from coven.base.version import VERSION
from coven.rest import web
from coven.rest.arguments import positional
from coven.rest.bodies import Body, Parameters
from coven.rest.gate import Gate, admit
from coven.rest.masks import Masks
from coven.rest.openapi import NOTHING, document
from coven.rest.operations import MAX_WAIT, SECONDS, OperationsApi
from coven.rest.paths import ServicePathsApi
from coven.rest.routes import BYTES, JSON, PROBLEM, ZIP, Query, Route, route, table
from coven.rest.schema import LOG_PLACE, NAME
from coven.rest.sol.exchange import AS_USUAL, Manner
from coven.rest.sol.interfaces import INTERFACES
from coven.rest.tokens import TokensApi
from coven.rest.watching.bottlenecks import BottlenecksApi
from coven.rest.watching.captures import CapturesApi
from coven.rest.watching.chain import ChainApi
from coven.rest.watching.metrics import MetricsApi
from coven.rest.watching.traces import TracesApi
from itf import limits
from itf.mistakes import Kind, Mistake, Refused, suggest

log = logging.getLogger("coven.agent")

FOLLOWERS = 4  #: requests that may wait at once for log lines, a thread each; others are answered at once
LOOK_SECONDS = 1.0  #: a keeper is asked to hold an answer back so long at once: the agent may have to end

_FOLLOW = Query("wait", "with after: answer when there are such lines, or after so many seconds", SECONDS)
_BEGIN: Row = {"status": 202, "reply": "Operation", "errors": (409, 503, 507)}


class Part(Protocol):
    """What answers some of the routes, by its methods."""

    def around(self, entry: Route, call: Callable[[], Any]) -> Any:
        """The value that answers a request, which is in force; `call` has the route's method make it."""


class Api(
    OperationsApi, MetricsApi, ServicePathsApi, TokensApi, TracesApi, CapturesApi, BottlenecksApi, ChainApi,
):  # fmt: skip
    """What the routes under /v1 do. `parts`: what answers elsewhere."""

    def __init__(
        self, lifecycle: Lifecycle, library: Library, gate: Gate, audit: Audit, deliveries: Deliveries,
        manner: Manner = AS_USUAL,
    ):  # fmt: skip
        self.lifecycle = lifecycle
        self.interfaces = [interface(lifecycle, manner, deliveries) for interface in INTERFACES]
        OperationsApi.__init__(self, lifecycle.store)
        MetricsApi.__init__(self, lifecycle)
        TracesApi.__init__(self)
        CapturesApi.__init__(self)
        BottlenecksApi.__init__(self)
        self.parts: tuple[Part, ...] = (self, *self.interfaces)
        self.library = library
        self.gate = gate
        self.audit = audit
        self.deliveries = deliveries
        self._followers = threading.BoundedSemaphore(FOLLOWERS)

    def around(self, entry: Route, call: Callable[[], Any]) -> Any:
        return call()

    def start(self) -> None:
        """Begin with what goes on between requests, too."""
        self.deliveries.start()
        for interface in self.interfaces:
            interface.start()

    def close(self) -> None:
        for interface in self.interfaces:
            interface.close()
        self.deliveries.close()
        self.readers.close()

    # the agent

    @route("GET", "/v1/openapi.json", "This document", reply="Document")
    def openapi(self) -> Row:
        return document(ROUTES, VERSION, self.gate.tokens is not None)

    @route("GET", "/v1/agent", "What answers here", reply="Agent")
    def agent(self) -> Row:
        places = self.lifecycle.places
        why = troubles.read(places.run)
        return {
            "version": VERSION, "state": str(places.state), "pid": os.getpid(),
            "authentication": "none" if self.gate.tokens is None else "token",
            "health": {"status": "degraded" if why else "healthy", "why": why},
        }  # fmt: skip

    @route("GET", "/v1/subscriptions", "How it goes with those who want to be notified", reply="Subscriptions")
    def list_deliveries(self) -> Row:
        return {"subscriptions": self.deliveries.shown()}

    # packages

    @route("GET", "/v1/packages", "The packages", reply="Packages")
    def list_packages(self) -> Row:
        return {"packages": [_shown_package(row) for row in self.store.packages()]}

    @route(
        "POST",
        "/v1/packages",
        "Take a package in (200: it was there already)",
        scope=Scope.ONBOARD,
        status=201,
        reply="Package",
        body="Package",
        media=(ZIP, BYTES),
        errors=(409, 507),
        again=200,
    )
    def add_package(self, body: IO[bytes]) -> Row:
        row, new = self.library.add(body)
        bottle.response.status = HTTPStatus.CREATED if new else HTTPStatus.OK
        web.located(f"/v1/packages/{quote(row['id'])}")
        return _shown_package(row)

    @route("GET", "/v1/packages/{id}", "One package, by NAME:VERSION or by NAME", reply="Package")
    def get_package(self, id: str) -> Row:
        return _shown_package(self.library.find(id))

    @route("DELETE", "/v1/packages/{id}", "Remove a package that no VNF uses", status=204, errors=(409, 507),
           scope=Scope.ONBOARD)  # fmt: skip
    def delete_package(self, id: str) -> None:
        self.library.remove(id, self.lifecycle.runs_from)

    # VNFs

    @route("GET", "/v1/vnfs", "The VNFs", reply="Vnfs")
    def list_vnfs(self) -> Row:
        return {"vnfs": [self._shown(row) for row in self.store.vnfs()]}

    @route(
        "POST",
        "/v1/vnfs",
        "Create a VNF from a package, NOT_INSTANTIATED",
        status=201,
        reply="Vnf",
        body="CreateVnf",
        errors=(404, 409, 507),
    )
    def create_vnf(self, body: Row) -> Row:
        row = self.store.add_vnf(body["name"], self.library.find(body["package"])["id"])
        web.located(f"/v1/vnfs/{row['name']}")
        return self._shown(row)

    @route("GET", "/v1/vnfs/{name}", "One VNF", reply="Vnf")
    def get_vnf(self, name: str) -> Row:
        return self._shown(self.lifecycle.vnf(name))

    @route(
        "DELETE",
        "/v1/vnfs/{name}",
        f"Delete a VNF that is NOT_INSTANTIATED, or within {MAX_WAIT:g} s TERMINATEd",
        status=204,
        errors=(409, 503, 507),
    )
    def delete_vnf(self, name: str) -> None:
        for ending in self.store.unfinished(name):
            if ending["operation"] == "TERMINATE" and not resting(ending):
                self._wait(ending["id"], MAX_WAIT)
        self.lifecycle.delete(name)

    @route(
        "POST",
        "/v1/vnfs/{name}/instantiate",
        "Build it, bind its ports, start its VNFCs",
        body="Instantiate",
        judged=True,
        **_BEGIN,
    )
    def instantiate_vnf(self, name: str, body: Row, mistakes: list[Mistake]) -> Row:
        return self._began(self.lifecycle.instantiate(name, body, mistakes))

    @route(
        "POST",
        "/v1/vnfs/{name}/upgrade",
        "Put another version of its package in its place, while packets flow",
        body="Upgrade",
        judged=True,
        **_BEGIN,
    )
    def upgrade_vnf(self, name: str, body: Row, mistakes: list[Mistake]) -> Row:
        if not isinstance(body.get("package"), str):
            raise Refused(mistakes, title="request refused")
        wanted = {**body, "package": self.library.find(body["package"])["id"]}
        return self._began(self.lifecycle.upgrade(name, wanted, mistakes))

    @route("POST", "/v1/vnfs/{name}/start", "Let packets pass", body="Nothing", **_BEGIN)
    def start_vnf(self, name: str) -> Row:
        return self._began(self.lifecycle.operate(name, "start"))

    @route("POST", "/v1/vnfs/{name}/stop", "Let no packet pass", body="Nothing", **_BEGIN)
    def stop_vnf(self, name: str) -> Row:
        return self._began(self.lifecycle.operate(name, "stop"))

    @route(
        "POST", "/v1/vnfs/{name}/terminate", "End it and give its interfaces back", body="Nothing", **_BEGIN
    )
    def terminate_vnf(self, name: str) -> Row:
        return self._began(self.lifecycle.operate(name, "terminate"))

    @route("GET", "/v1/vnfs/{name}/stats", "Every figure, exact", reply="Stats", errors=(409, 503))
    def get_stats(self, name: str) -> Row:
        return _answer(self.lifecycle.ask(name, "status"))

    @route("GET", "/v1/vnfs/{name}/health", "Whether all of it works", reply="Health")
    def get_health(self, name: str) -> Row:
        return health(self.lifecycle, name)

    @route(
        "GET",
        "/v1/vnfs/{name}/logs",
        "What its VNFCs and keeper said",
        reply="Logs",
        errors=(409, 503),
        query=(
            Query("vnfc", "of this VNFC only", NAME),
            Query("lines", "at most so many: the last ones; with after, the first ones",
                  {"type": "integer", "minimum": 1, "maximum": 10_000, "default": 100}),
            Query("after", "what came since the answer whose `next` this is", LOG_PLACE),
            _FOLLOW,
        ),
    )  # fmt: skip
    def get_logs(self, name: str, query: Row) -> Row:
        if "vnfc" in query:
            self._known_vnfc(name, query["vnfc"])
        wait = query.pop("wait")
        answer = self.lifecycle.ask(name, "logs", **query)
        if "after" in query and wait and not answer["lines"] and self._followers.acquire(blocking=False):
            try:
                answer = self._follow(name, query, wait)
            finally:
                self._followers.release()
        return {key: answer[key] for key in ("lines", "missed", "next")}

    def _follow(self, name: str, query: Row, seconds: float) -> Row:
        end = time.monotonic() + seconds
        while True:
            left = min(max(end - time.monotonic(), 0.0), LOOK_SECONDS)
            answer = self.lifecycle.ask(name, "logs", wait=left, **query)
            if answer["lines"] or left < LOOK_SECONDS or self.store.released:
                return answer

    # configuration

    @route("GET", "/v1/vnfs/{name}/config", "The configuration of its VNFCs", reply="Config")
    def get_config(self, name: str) -> Row:
        vnf = self.lifecycle.vnf(name)
        descriptor = self.lifecycle.descriptor(vnf["package"])
        return Masks(descriptor).over(vnf["config"] or descriptor.config)

    @route(
        "PUT",
        "/v1/vnfs/{name}/config",
        "Set it: what is not stated has its default",
        reply="Config",
        body="Config",
        judged=True,
        errors=(409, 503, 507),
    )
    def put_config(self, name: str, body: Row, mistakes: list[Mistake]) -> Row:
        return self._configured(name, body, mistakes, replace=True)

    @route(
        "PATCH",
        "/v1/vnfs/{name}/config",
        "Change it: what is not stated stays",
        reply="Config",
        body="Config",
        judged=True,
        errors=(409, 503, 507),
    )
    def patch_config(self, name: str, body: Row, mistakes: list[Mistake]) -> Row:
        return self._configured(name, body, mistakes, replace=False)

    def _configured(self, name: str, body: Row, mistakes: list[Mistake], replace: bool) -> Row:
        vnf = self.lifecycle.vnf(name)
        descriptor = self.lifecycle.descriptor(vnf["package"])
        masks = Masks(descriptor)
        wanted = masks.taken_off(body, vnf["config"] or descriptor.config)
        if mistakes:
            told = [dataclasses.replace(each, field=f"config.{each.field}") for each in mistakes]
            try:
                descriptor.configured(wanted, None if replace else vnf["config"])
            except Refused as refused:
                told = joined(told, refused.mistakes)
            raise Refused(told, title="configuration refused")
        return masks.over(self.lifecycle.configure(name, wanted, replace))

    # agent requests

    @route(
        "GET",
        "/v1/vnfs/{name}/requests",
        "The agent requests that its VNFCs offer",
        reply="Requests",
        errors=(409, 503),
    )
    def list_requests(self, name: str) -> Row:
        requests: Row = self.lifecycle.ask(name, "list").get("requests", {})
        return requests

    @route(
        "POST",
        "/v1/vnfs/{name}/requests",
        "Ask a VNFC (504: it did not answer within 1 s)",
        reply="Answer",
        body="AskRequest",
        scope=Scope.READ,  # for one that changes nothing
        errors=(409, 503, 504),
    )
    def ask_vnfc(self, name: str, body: Row) -> Row:
        vnfc, request, args = body["vnfc"], body["request"], body.get("args", [])
        self._known_vnfc(name, vnfc)
        offered = {each["name"]: each for each in self.list_requests(name).get(vnfc, [])}
        if request not in offered:
            raise missing(f"request {request} at {vnfc}", suggest(request, offered))
        if offered[request].get("changes"):
            admit(web.caller(), Scope.OPERATE)
        if isinstance(args, dict):
            args = positional(args, offered[request].get("args", []))
        answer = self.lifecycle.ask(name, "request", vnfc=vnfc, name=request, args=args)
        return {"vnfc": vnfc, "request": request, "value": answer.get("value")}

    def _known_vnfc(self, name: str, vnfc: str) -> None:
        descriptor = self.lifecycle.descriptor(self.lifecycle.vnf(name)["package"])
        if vnfc not in descriptor.vnfcs:
            raise missing(f"VNFC {vnfc} in {name}", suggest(vnfc, descriptor.vnfcs))

    def _shown(self, vnf: Row) -> Row:
        package = self.store.package(vnf["package"])
        running = self.store.unfinished(vnf["name"])
        return {
            "name": vnf["name"], "id": vnf["instance"], "package": vnf["package"],
            "vnfd_id": package["vnfd_id"] if package else None,
            "instantiation_state": vnf["instantiation_state"], "operational_state": vnf["operational_state"],
            "ports": vnf["ports"], "operation": running[0]["id"] if running else None,
            "errors": vnf["errors"], "created": vnf["created"],
            "control_sockets": self.lifecycle.control.where(vnf["name"]),
        }  # fmt: skip


def _shown_package(row: Row) -> Row:
    return {key: value for key, value in row.items() if key != "folder"}


def _answer(answer: Row) -> Row:
    """A keeper's answer without its envelope; the status document may come in one of its own."""
    inner = answer.get("status")
    if isinstance(inner, dict):
        return inner
    return {key: value for key, value in answer.items() if key not in ("id", "ok")}


ROUTES = tuple(entry for part in (Api, *INTERFACES) for entry in table(part))


class _Given:
    """What the method that answers a route gets of a request."""

    def __init__(self, entry: Route):
        self._entry = entry
        self._query = None if entry.etsi else Parameters(entry.query)  # ETSI's have a way of their own
        self._schema = Body(entry.body) if entry.body and JSON in entry.media else None

    def read(self) -> Row:
        """Raises Refused with all that is wrong, unless the method tells that itself."""
        query, mistakes = ({}, []) if self._query is None else self._query.read(web.query())
        given: Row = {"query": query} if self._entry.query and self._query is not None else {}
        if self._schema is not None and (self._entry.body != NOTHING or bottle.request.content_length > 0):
            body = web.json_body(self._entry.media)
            mistakes += self._schema.judge(body)
            if self._entry.body != NOTHING:
                given["body"] = body
        if self._entry.judged:
            return {**given, "mistakes": mistakes}
        if mistakes:
            raise Refused(mistakes, title="request refused")
        if self._entry.body and self._schema is None:
            given["body"] = web.body(self._entry.media)
        return given


def application(api: Api) -> bottle.Bottle:
    """The WSGI application."""
    app = bottle.Bottle()
    app.uninstall(bottle.JSONPlugin)  # answers are ours
    for part in api.parts:
        for entry in table(type(part)):
            app.route(entry.bottle_path, entry.method, _answering(api, part, entry))

    def no_route(error: bottle.HTTPError) -> str:
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            found = f"{bottle.request.method} on {bottle.request.path}"
        else:
            found = f"nothing at {bottle.request.path}"
        mistake = Mistake(found=found, remedy="what there is: /v1/openapi.json")
        error.content_type = PROBLEM
        return json.dumps(
            problem(error.status_code, HTTPStatus(error.status_code).phrase, [mistake], instance=bottle.request.path)
        )

    app.default_error_handler = no_route
    return app


def _answering(api: Api, part: Part, entry: Route) -> Callable[..., Any]:
    """What answers a route: its method of that part, and for all of them who may ask, and how errors are told."""
    handler: Callable[..., Any] = getattr(part, entry.handler)
    given = _Given(entry)

    def timed(**parameters: str) -> Any:
        began = time.monotonic()
        answered = answer(**parameters)
        api.measured.request(entry.method, entry.path, bottle.response.status_code, time.monotonic() - began)
        return answered

    def answer(**parameters: str) -> Any:
        bottle.response.status = entry.status
        try:
            web.check_address()
            caller = web.caller()
            if entry.scope is not None:
                admit(caller, entry.scope)
            value = part.around(entry, lambda: handler(**parameters, **given.read()))
            if entry.reply is None or value is None:
                text = ""
            else:
                text = json.dumps(value) if entry.produces == JSON else value
        except Refused as refused:
            return web.reply_problem(refused)
        except Exception as error:
            log.exception("%s %s", entry.method, entry.path)
            if limits.reached(error) is not None:  # others may have ended what they do when it is asked again
                return web.reply_problem(Refused(Mistake.of(error), title="a limit is reached", kind=Kind.UNAVAILABLE))
            fault = Mistake(found="a fault of the agent", remedy="see its log")
            return web.reply_problem(Refused(fault, title="internal error", kind=Kind.FAULT))
        if text:
            bottle.response.content_type = entry.produces
        return text

    def audited(**parameters: str) -> Any:
        answered = timed(**parameters)
        where = {"location": found} if (found := bottle.response.get_header("Location")) else {}
        what = f"{entry.method} {bottle.request.path}"
        api.audit.note(web.who(), web.origin().address, what, bottle.response.status_code, **where)
        return answered

    return timed if entry.method == "GET" and entry.scope != Scope.CAPTURE else audited
