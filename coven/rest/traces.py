"""The REST API's part for packets' fates: what those that pass now are, meet on their way, and end as."""

from __future__ import annotations

import threading

from coven.agent.lifecycle import Lifecycle
from coven.agent.rights.callers import Scope
from coven.agent.store import Row
from coven.rest.routes import Query, route
from coven.rest.schema import TEXT
from itf.mistakes import Kind, Mistake, Refused

TRACERS = 4  #: may wait at once
_tracers = threading.BoundedSemaphore(TRACERS)


class TracesApi:
    lifecycle: Lifecycle

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
            Query("filter", "only those that match: a pcap-filter expression", TEXT),
        ),
    )  # fmt: skip
    def get_trace(self, name: str, query: Row) -> Row:
        if not _tracers.acquire(blocking=False):
            raise Refused(Mistake(found=f"{TRACERS} others that trace", remedy="try again in a moment"),
                          title="too many trace", kind=Kind.UNAVAILABLE)  # fmt: skip
        try:
            answer = self.lifecycle.ask(name, "trace", **query)
        finally:
            _tracers.release()
        return {"packets": answer["packets"], "lost": answer["lost"]}
