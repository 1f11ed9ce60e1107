"""The REST API's part for NSH service paths: what operators see of them and change while packets pass."""

from __future__ import annotations

from coven.agent.lifecycle import Lifecycle
from coven.agent.store import Row
from coven.rest.routes import route


class ServicePathsApi:
    lifecycle: Lifecycle

    @route(
        "GET",
        "/v1/vnfs/{name}/paths",
        "Its service paths as they stand, with what came in by each",
        reply="ServicePaths",
        errors=(409, 503),
    )
    def get_paths(self, name: str) -> Row:
        return {"paths": self.lifecycle.ask(name, "paths")["paths"]}

    @route(
        "PUT",
        "/v1/vnfs/{name}/paths",
        "Another path table, in force at once: packets under way follow the old one, none is lost",
        reply="ServicePaths",
        body="ServicePaths",
        errors=(409, 503, 507),
    )
    def put_paths(self, name: str, body: Row) -> Row:
        return {"paths": self.lifecycle.set_paths(name, body["paths"])}
