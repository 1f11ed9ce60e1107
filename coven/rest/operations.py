"""The REST API's part for operations: what was begun, how far it is, and waiting for its end."""

from __future__ import annotations

import threading

from coven.agent.store import Row, Store, missing, resting
from coven.rest import web
from coven.rest.routes import Query, route
from coven.rest.schema import NAME, TEXT
from itf.mistakes import Kind, Mistake, Refused

MAX_WAIT = 20.0  #: seconds that a client may wait for an operation in one request
WAITERS = 8  #: requests that may wait at once for an operation: they hold a thread each

SECONDS: Row = {"type": "number", "minimum": 0, "maximum": MAX_WAIT, "default": 0}
_WAIT = Query("wait", f"answer when it is over, or after so many seconds (at most {MAX_WAIT:g})", SECONDS)
_PROGRESS = Query("progress", "with wait: answer also when its progress is another than this", TEXT)


class OperationsApi:
    def __init__(self, store: Store):
        self.store = store
        self._waiters = threading.BoundedSemaphore(WAITERS)

    @route(
        "GET",
        "/v1/operations",
        "The operations, the newest first",
        reply="Operations",
        query=(Query("vnf", "of this VNF only", NAME),),
    )
    def list_operations(self, query: Row) -> Row:
        rows = self.store.operations(query.get("vnf"))
        return {"operations": [_shown_operation(row) for row in rows]}

    def newest_operations(self, most: int) -> list[Row]:
        return [_shown_operation(row) for row in self.store.operations(most=most)]

    @route(
        "GET",
        "/v1/operations/{id}",
        "One operation",
        reply="Operation",
        query=(_WAIT, _PROGRESS),
        errors=(503,),
    )
    def get_operation(self, id: str, query: Row) -> Row:
        row = self.store.operation(id)
        if row is not None and query["wait"]:
            row = self._wait(id, query["wait"], query.get("progress"))
        if row is None:
            raise missing(f"operation {id}")
        return _shown_operation(row)

    def _wait(self, operation: str, seconds: float, progress: str | None = None) -> Row | None:
        if not self._waiters.acquire(blocking=False):
            raise Refused(
                Mistake(field="wait", found=f"{WAITERS} others that wait", remedy="try again in a second"),
                title="too many wait",
                kind=Kind.UNAVAILABLE,
            )
        try:
            return self.store.await_end(operation, seconds, progress)
        finally:
            self._waiters.release()

    def _began(self, operation: Row) -> Row:
        web.located(f"/v1/operations/{operation['id']}")
        return _shown_operation(operation)


def _shown_operation(row: Row) -> Row:
    shown = {key: row[key] for key in ("id", "vnf", "operation", "target", "state", "progress", "errors", "started",
                                       "changed")}  # fmt: skip
    return {**shown, "resting": resting(row), "left_out": row["request"].get("left_out", [])}
