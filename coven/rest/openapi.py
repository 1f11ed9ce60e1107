"""The OpenAPI document, made from the table of routes and the schemas here."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

from coven.agent.bindings import BACKENDS
from coven.agent.operations import OPERATIONS
from coven.agent.rights.callers import Scope
from coven.agent.states import State
from coven.keeper.health.state import Health
from coven.rest.routes import FORM, JSON, LISTING, PROBLEM, TOKEN_ENDPOINT, Route
from coven.rest.schema import (
    ANY,
    COUNT,
    FLAG,
    INTERFACE,
    LOG_PLACE,
    NAME,
    NEW_NAME,
    NULL_COUNT,
    NULL_TEXT,
    PORT,
    TEXT,
    TIME,
    TOKEN_NAME,
    Schema,
    mapping,
    record,
    ref,
    several,
)
from coven.rest.sol import schemas as sol
from coven.rest.sol.vnffm import schemas as vnffm
from coven.rest.sol.vnflcm import schemas as vnflcm
from coven.rest.sol.vnfpm import schemas as vnfpm

#: the schema of what takes no argument: its body may be missing
NOTHING = "Nothing"

_ERRORS = several(ref("Mistake"))
_CONFIG = mapping(mapping(ANY))
#: how packets end, or do not yet
_ENDS: Schema = {"dropped": mapping(COUNT), "in_flight": COUNT, "unaccounted": {"type": "integer"}}
#: of a place that packets come to and leave
_FIGURES: Schema = {
    **dict.fromkeys(("received", "originated", "cloned", "forwarded", "consumed"), COUNT), **_ENDS,
}

#: how well a part is, the worst state first
_STANDING: Schema = {
    "state": {"enum": [str(state) for state in Health]},
    "since": TIME, "why": NULL_TEXT,
}

_RATE: Schema = {"type": "number", "minimum": 0}
_USED: Schema = {
    "cores": {**_RATE, "description": "that its process kept busy"},
    "kernel": {**_RATE, "description": "of these, in the kernel"},
}

SCHEMAS: Schema = {
    "Mistake": record({
        "file": NULL_TEXT, "line": NULL_COUNT, "column": NULL_COUNT, "field": NULL_TEXT,
        "found": NULL_TEXT, "expected": NULL_TEXT, "remedy": NULL_TEXT,
    }),
    "Problem": record({
        "type": TEXT, "title": TEXT, "status": {"type": "integer"}, "detail": TEXT, "instance": TEXT,
        "errors": _ERRORS,
    }, ("type", "title", "status", "detail", "errors")),
    "Agent": record({
        "version": TEXT, "state": TEXT, "pid": COUNT, "authentication": {"enum": ["token", "none"]},
        "health": record({"status": {"enum": ["healthy", "degraded"]}, "why": several(TEXT)})}),
    "Package": record({
        "id": TEXT, "name": TEXT, "version": TEXT, "provider": TEXT, "description": TEXT,
        "vnfd_id": TEXT, "sha256": TEXT, "size": COUNT, "created": TIME,
        "csar": {"oneOf": [ref("Csar"), {"type": "null"}]},
    }),
    "Csar": record({
        "kind": {"enum": ["VNF", "PNF"]}, "foreign": FLAG, "reading": {"enum": ["strict", "lenient"]},
        "metadata": mapping(TEXT), "warnings": _ERRORS,
        "signature": {"oneOf": [record({
            "option": {"enum": [1, 2]}, "verified": FLAG, "signers": several(TEXT)}), {"type": "null"}]},
    }),
    "Packages": record({"packages": several(ref("Package"))}),
    "Binding": record({
        "interface": INTERFACE, "backend": {"enum": list(BACKENDS)}, "take": FLAG,
    }, ("interface",), closed=True),
    "Vnf": record({
        "name": NAME, "id": {"type": "string", "format": "uuid"}, "package": TEXT,
        "vnfd_id": {"type": "string", "format": "uuid"},
        "instantiation_state": {"enum": ["NOT_INSTANTIATED", "INSTANTIATED"]},
        "operational_state": {"enum": ["STARTED", "STOPPED", None]},
        "ports": mapping(ref("Binding")), "operation": NULL_TEXT, "errors": _ERRORS, "created": TIME,
        "control_sockets": several(TEXT),
    }),
    "Vnfs": record({"vnfs": several(ref("Vnf"))}),
    "CreateVnf": record({"name": NEW_NAME, "package": TEXT}, closed=True),
    "Instantiate": record({
        "ports": {**mapping(ref("Bind")), "default": {}, "description": "a map: one for each port of the package"},
        "config": {**_CONFIG, "default": {}}, "start": {**FLAG, "default": False},
        "latency": {"enum": ["low", "normal"], "default": "normal"},
    }, (), closed=True),
    "Upgrade": record({
        "package": {**TEXT, "description": "another version of the VNF's package: NAME:VERSION"},
        "ports": {**mapping(ref("Bind")), "default": {}, "description": "a map: one for each port that is new"},
        "config": {**_CONFIG, "default": {}},
    }, ("package",), closed=True),
    "Nothing": record({}, closed=True),
    "Operation": record({
        "id": {"type": "string", "format": "uuid"}, "vnf": NAME,
        "operation": {"enum": sorted({name for name, _ in OPERATIONS.values()})},
        "target": {"enum": ["STARTED", "STOPPED", None]},
        "state": {"enum": list(State)},
        "resting": {**FLAG, "description": "it waits in FAILED_TEMP for somebody's decision (vnflcm)"},
        "progress": TEXT, "errors": _ERRORS, "started": TIME, "changed": TIME,
        "left_out": {**_ERRORS, "description": "of an UPGRADE: what was configured and the new version does not take"},
    }),
    "Operations": record({"operations": several(ref("Operation"))}),
    "Stats": record({
        "name": TEXT, "state": {"enum": ["STARTED", "STOPPED"]},
        "operation": {"enum": ["start", "stop", "upgrade", None], "description": "what the keeper is about"},
        "statistics": {**NULL_TEXT, "description": "the name of its statistics object"},
        "forwarder": record({
            "pid": NULL_COUNT,
            "state": {"enum": ["starting", "running", "draining", "done", "hung", "down", "failed"]},
            "restarts": COUNT, "silent_seconds": {"type": "number", "minimum": 0}, "why": NULL_TEXT,
        }, closed=True),
        **_FIGURES, "estimated": FLAG, "time_ns": COUNT,
        "ports": mapping(record({
            "backend": TEXT, "why": TEXT, "interface": NULL_TEXT, "link": {"enum": ["up", "down", "gone", None]},
            "link_since": {"anyOf": [TIME, {"type": "null"}]}, "mtu": NULL_COUNT, "incomplete": FLAG,
            "trouble": several(record({"what": TEXT, "since": TIME})),
            "received": COUNT, "sent": COUNT, "bytes_in": COUNT, "bytes_out": COUNT, **_ENDS,
            "health": record(_STANDING, closed=True),
        }, closed=True)),
        "vnfcs": mapping(record({
            "language": TEXT, "state": {"enum": ["stopped", "starting", "running", "down", "failed"]},
            "pid": NULL_COUNT, "restarts": COUNT, "backoff_seconds": {"type": ["number", "null"], "minimum": 0},
            "confinement": TEXT, "engine": NULL_TEXT, "memory_limit": TEXT,
            "metrics": mapping(ANY),
            "requests": record({"asked": COUNT, "timed_out": COUNT, "seconds": {"type": "number", "minimum": 0}},
                               closed=True),
            "health": record({**_STANDING, "says": NULL_TEXT}, closed=True),
            "held": COUNT, "exceptions": COUNT, "log_lines_suppressed": COUNT,
            **_FIGURES, "bogus": COUNT,
        }, closed=True)),
        "classifier": record(_FIGURES, closed=True), "nsh": record(_FIGURES, closed=True),
        "explanations": mapping(TEXT), "health": record(_STANDING, closed=True),
    }, closed=True),
    "Health": record({
        "status": {"enum": ["healthy", "degraded", "stopped", "not instantiated"]},
        "vnfcs": mapping(TEXT), "unaccounted": {"type": "integer"}, "why": several(TEXT),
        "parts": {**mapping(record(_STANDING)),
                  "description": "the VNF (its name is empty), each VNFC and port; none if its keeper is silent"},
    }),
    "Chain": record({
        "package": TEXT, "description": TEXT,
        "ports": several(record({"name": NAME, "nsh": NULL_TEXT})),
        "vnfcs": several(record({
            "name": NAME, "language": TEXT, "outputs": several(TEXT), "nsh": TEXT, "config": mapping(ANY),
            "schema": {"type": ["object", "null"], "description": "JSON Schema of its configuration"},
        })),
        "chains": several(record({"name": TEXT, "ways": several(record({
            "ingress": NAME, "kind": {"enum": ["graph", "bypass", "drop"]},
            "wires": several(record({"from": NAME, "output": NULL_TEXT, "to": NAME})),
        }))})),
        "classifier": several(record({"match": NULL_TEXT, "port": NULL_TEXT, "vlan": NULL_COUNT, "then": TEXT})),
        "paths": several(record({"spi": COUNT, "si": NULL_COUNT, "chain": TEXT})),
    }),
    "Interfaces": record({"interfaces": several(record({
        "name": TEXT, "mac": TEXT, "mtu": COUNT,
        "refused": {**several(TEXT), "description": "what speaks against it as a port"},
        "takeable": {**FLAG, "description": "whether `take` overrides that"},
    }))}),
    "Config": _CONFIG,
    "Logs": record({
        "lines": several(record({
            "number": COUNT, "time": {"type": "number", "description": "seconds since 1970"}, "vnfc": TEXT,
            "line": TEXT,
        })),
        "missed": {**FLAG, "description": "whether lines that were asked for are not here: not kept, or no room"},
        "next": LOG_PLACE,
    }),
    "Trace": record({
        "packets": several(ref("Followed")),
        "lost": {**COUNT, "description": "steps of packets that were not read in time"},
        "passed": {**COUNT, "description": "packets that were not looked at, since `rate` others were followed"},
        "next": {**TEXT, "description": "asked `after`, the next answer goes on where this one ends"},
    }),
    "Followed": record({
        "number": COUNT, "what": {**TEXT, "description": "a summary"}, "came": TEXT, "steps": several(TEXT),
        "end": {**TEXT, "description": "forward PORT, drop PLACE.REASON, consume"}, "why": TEXT,
        "note": {**TEXT, "description": "what the VNFC that dropped it said of that"},
        "bytes": {**TEXT, "description": "its first ones as it came, in hex"},
        "hops": several(record({
            "vnfc": TEXT, "verdict": {"enum": ["forward", "back", "consume", "drop", "passed by"]},
            "output": {**NULL_TEXT, "description": "where it is not the first"},
            "reason": {**NULL_TEXT, "description": "the drop's name"}, "why": TEXT, "note": TEXT,
            "mark": COUNT, "context": {**TEXT, "description": "in hex, empty: all zeros"},
            "changed": several({**TEXT, "description": "FIELD OLD -> NEW"}),
            "seconds": {"type": "number", "description": "from where it was handed to the VNFC to its verdict"},
            "ring_seconds": {"type": ["number", "null"], "description": "of them, waiting in its ring"},
            "vnfc_seconds": {"type": ["number", "null"], "description": "and in the VNFC"},
        })),
    }),
    "Why": record({
        "why": {**TEXT, "description": "a paragraph"},
        "packet": {"anyOf": [ref("Followed"), {"type": "null"}], "description": "null: none came to an end in time"},
    }),
    "LikePacket": record({
        "port": {**NAME, "description": "that it comes in by; without: the first"},
        "src": TEXT, "dst": TEXT, "proto": {"enum": ["tcp", "udp", "icmp"]}, "sport": PORT, "dport": PORT,
        "send": {**FLAG, "description": "whether it may leave; without, the port that it would leave by consumes it"},
        "wait": {"type": "number", "minimum": 0.1, "maximum": 10},
    }, (), closed=True),
    "Bottleneck": record({
        "seconds": {**_RATE, "description": "that it was observed for"},
        "bottleneck": {"anyOf": [record({
            "limit": {"enum": ["vnfc", "core", "forwarder", "transmit", "port"]},
            "where": {**TEXT, "description": "the VNFC, the port, the core's number, or forwarder"}, "why": TEXT,
            "allows": {**_RATE, "description": "packets a second"}, "helps": several(TEXT),
            "place": {**TEXT, "description": "the VNFC that packets wait for, or the port where they are lost"},
        }, closed=True), {"type": "null"}]},
        "received": _RATE, "forwarder": record(_USED, closed=True),
        "vnfcs": mapping(record({
            "arrived": _RATE, "served": _RATE, "lost": _RATE,
            "backlogged": {**_RATE, "description": "part of the looks at which much waited for it"},
            "seconds": {"type": ["number", "null"], "description": "that a packet is in it"}, **_USED,
        }, closed=True)),
        "cores": mapping(_RATE),
    }, closed=True),
    "Requests": mapping(several(record({
        "name": TEXT, "why": TEXT, "unit": TEXT,
        "changes": {**FLAG, "description": "asking changes something, and takes the right to operate"},
        "standard": {**FLAG, "description": "every VNFC answers it"},
        "args": several(record({"name": TEXT, "type": TEXT, "default": ANY}, ("name", "type"))),
    }, ("name",)))),
    "AskRequest": record({
        "vnfc": NAME, "request": TEXT, "args": {"type": ["array", "object"], "default": []},
    }, ("vnfc", "request"), closed=True),
    "Answer": record({"vnfc": NAME, "request": TEXT, "value": ANY}),
    "ServicePaths": record({
        "paths": several(record({
            "spi": COUNT, "si": NULL_COUNT, "chain": NAME, "context": NULL_TEXT, "packets": COUNT,
            "bytes": COUNT,
        }, ("spi", "chain"), closed=True)),
    }, ("paths",), closed=True),
    "Subscriptions": record({"subscriptions": several(record({
        "id": TEXT, "interface": TEXT, "callback": TEXT, "created": TIME, "waiting": COUNT, "lost": COUNT,
        "failing_since": {"anyOf": [TIME, {"type": "null"}]}, "error": NULL_TEXT,
    }))}),
    "CreateToken": record({
        "name": TOKEN_NAME, "scopes": {**several({"enum": [str(each) for each in Scope]}), "minItems": 1},
        "seconds": {"type": "number", "exclusiveMinimum": 0, "maximum": 1e9, "description": "that it lasts"},
        "certificate": {**FLAG, "default": False,
                        "description": "for who presents a client certificate of that common name"},
    }, ("name", "scopes"), closed=True),
    "Token": record({
        "name": TEXT, "scopes": several(TEXT), "created": TIME, "expires": {"anyOf": [TIME, {"type": "null"}]},
        "certificate": FLAG, "expired": FLAG,
    }),
    "Tokens": record({"tokens": several(ref("Token"))}),
    "NewToken": {"allOf": [ref("Token"), record({"token": NULL_TEXT})]},
    "AccessTokenRequest": record({
        "grant_type": {"enum": ["client_credentials"]}, "client_id": TEXT, "client_secret": TEXT, "scope": TEXT,
    }, ("grant_type",)),
    "AccessToken": record({"access_token": TEXT, "token_type": TEXT, "expires_in": COUNT, "scope": TEXT}),
    "Figures": record({
        "vnf": TEXT, "timed_one_in": {**COUNT, "description": "of how many packets one is timed; 0: none is"},
        "metrics": several(record({
            "name": TEXT, "kind": {"enum": ["counter", "gauge", "histogram", "unknown"]}, "unit": TEXT,
            "labels": mapping(TEXT), "value": {"type": ["number", "null"]},
            "count": COUNT, "sum": {"type": ["number", "null"]},
            "buckets": several(record({
                "from": {"type": "number"}, "below": {"type": ["number", "null"], "description": "null: no limit"},
                "count": COUNT,
            }, closed=True)),
        }, ("name", "kind", "unit", "labels"), closed=True)),
    }, closed=True),
    "Document": {"type": "object"}, "Metrics": TEXT, "Capture": {"type": "string", "format": "binary"},
    **sol.SCHEMAS, **vnflcm.SCHEMAS, **vnffm.SCHEMAS, **vnfpm.SCHEMAS,
}  # fmt: skip
#: a binding, or its interface alone: no keyword here means both a text and an object
SCHEMAS["Bind"] = {
    **SCHEMAS["Binding"], **INTERFACE, "type": ["string", "object"],
    "description": "an interface's name or MAC address, or an object with it",
}  # fmt: skip


def resolved(schema: Schema) -> Schema:
    """The schema that references lead to."""
    while "$ref" in schema:
        schema = SCHEMAS[schema["$ref"].rpartition("/")[2]]
    return schema


#: what any call of an ETSI interface may answer (SOL013 6.4)
_ETSI_ERRORS = {400, 404, 406, 422, 429, 503, 504}
_VERSION: Schema = {
    "name": "Version", "in": "header", "schema": TEXT, "description": "of the interface; absent: the newest",
}  # fmt: skip
_IF_MATCH: Schema = {
    "name": "If-Match", "in": "header", "schema": TEXT, "description": "only if its ETag is one of these",
}  # fmt: skip


_SECURITY: Schema = {
    "token": {"type": "http", "scheme": "bearer"}, "basic": {"type": "http", "scheme": "basic"},
    "oauth2": {"type": "oauth2", "flows": {"clientCredentials": {
        "tokenUrl": TOKEN_ENDPOINT, "scopes": {str(scope): f"to {scope}" for scope in Scope}}}},
    "certificate": {"type": "mutualTLS"},
}  # fmt: skip


def _operation(route: Route, authentication: bool) -> Schema:
    replies: Schema = {}
    reply: Schema = {"description": HTTPStatus(route.status).phrase}
    if route.reply:
        reply["content"] = {route.produces: {"schema": ref(route.reply)}}
    headers = {"Location": "where to look from now on"} if route.status in (201, 202) else {}
    if route.etsi:
        headers |= {"Version": "that answers"}
    if route.query == LISTING:
        headers |= {"Link": "the next page, if there is one"}
    elif route.etsi and (route.method == "GET" or route.conditional):
        headers |= {"ETag": "of what is there now"}
    if headers:
        reply["headers"] = {name: {"schema": TEXT, "description": why} for name, why in headers.items()}
    replies[str(route.status)] = reply
    if route.again is not None:
        replies[str(route.again)] = {**reply, "description": HTTPStatus(route.again).phrase}
        if route.again == HTTPStatus.ACCEPTED:  # nothing to show yet
            replies[str(route.again)] = {"description": HTTPStatus(route.again).phrase}
    errors = {*route.errors, 403, 422, *((400, 401, 429) if authentication else ()),
              *((404,) if route.parameters else ()),
              *((400, 413, 415) if route.body else ()),
              *(_ETSI_ERRORS if route.etsi else ()), 414, 500, 503}  # fmt: skip
    for status in sorted(errors):
        content = {PROBLEM: {"schema": ref("Problem")}}
        replies[str(status)] = {"description": HTTPStatus(status).phrase, "content": content}
    operation: Schema = {"operationId": route.handler, "summary": route.summary, "responses": replies}
    parameters = [{"name": p, "in": "path", "required": True, "schema": TEXT} for p in route.parameters]
    parameters += [
        {"name": q.name, "in": "query", "description": q.why, "schema": q.schema} for q in route.query
    ]
    parameters += [_VERSION] * route.etsi + [_IF_MATCH] * route.conditional
    if parameters:
        operation["parameters"] = parameters
    if authentication:
        scopes = [] if route.scope is None else [str(route.scope)]
        operation["security"] = [{name: scopes} for name in _SECURITY] if scopes else []
    if route.body:
        schema = ref(route.body) if {JSON, FORM} & set(route.media) else {"type": "string", "format": "binary"}
        operation["requestBody"] = {
            "required": route.body != NOTHING,
            "content": {media: {"schema": schema} for media in route.media},
        }
    return operation


def document(routes: Iterable[Route], version: str, authentication: bool) -> Schema:
    paths: Schema = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, authentication)
    made: Schema = {
        "openapi": "3.1.0",
        "info": {
            "title": "Coven Management Agent",
            "version": version,
            "description": "VNF packages, VNFs and their lifecycle, and ETSI's SOL002 interfaces. "
                           "Errors are RFC 7807 problem details.",
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": SCHEMAS},
    }
    if authentication:
        made["components"]["securitySchemes"] = _SECURITY
    return made
