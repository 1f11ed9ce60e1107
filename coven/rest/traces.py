"""The REST API's part for packets' fates: what those that pass now are, meet on their way, and end as."""

from __future__ import annotations

import threading

from coven.agent.keepers.line import unavailable
from coven.agent.lifecycle import Lifecycle
from coven.agent.rights.callers import Scope
from coven.agent.store import Row
from coven.rest.routes import Query, route
from coven.rest.schema import TEXT

TRACERS = 2  #: may wait at once, with all others that may fewer than the server has threads


class TracesApi:
    lifecycle: Lifecycle

    def __init__(self) -> None:
        self._tracers = threading.BoundedSemaphore(TRACERS)

    @route(
        "GET",
        "/v1/vnfs/{name}/trace",
        "What becomes of the packets that pass now, each when it has ended",
        reply="Trace",
        errors=(409, 503),
        scope=Scope.CAPTURE,
        query=(
            Query("count", "answer after so many", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 10}),
            Query("wait", "or after so many seconds", {"type": "number", "minimum": 0.1, "maximum": 10, "default": 5}),
            Query("filter", "only those that match when they are first seen: a pcap-filter expression", TEXT),
            Query("every", "look at one packet in so many only",
                  {"type": "integer", "minimum": 1, "maximum": 1_000_000_000, "default": 1}),
        ),
    )  # fmt: skip
    def get_trace(self, name: str, query: Row) -> Row:
        if not self._tracers.acquire(blocking=False):
            raise unavailable(f"{TRACERS} others that trace", title="too many trace")
        try:
            answer = self.lifecycle.ask(name, "trace", **query)
        finally:
            self._tracers.release()
        return {"packets": answer["packets"], "lost": answer["lost"]}
