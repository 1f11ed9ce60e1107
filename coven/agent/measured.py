"""What the agent counts of itself: requests, operations, its certificate; and the machine that it is on."""

from __future__ import annotations

import time
from collections import deque
from datetime import datetime

from prometheus_client import CollectorRegistry, generate_latest

from agents.families import counter, gauge, histogram
from agents.machine import Machine
from coven.agent.states import UNFINISHED, State
from coven.agent.store import Row

REQUEST_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 25.0)
OPERATION_BOUNDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class Measured:
    """Counters begin with the agent. Called from any thread; observes a store."""

    def __init__(self) -> None:
        self.began = time.time()
        self.registry = CollectorRegistry()
        gauge("coven_agent_start_time_seconds", self.registry).set(self.began)
        self._requests = counter("coven_agent_requests_total", self.registry)
        self._request_seconds = histogram("coven_agent_request_seconds", self.registry, REQUEST_BOUNDS)
        self._operations = counter("coven_operations_total", self.registry)
        self._operation_seconds = histogram("coven_operation_seconds", self.registry, OPERATION_BOUNDS)
        self._expiry = gauge("coven_certificate_expiry_time_seconds", self.registry)
        self._ended: deque[str] = deque(maxlen=64)
        self.registry.register(Machine())

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """One was answered."""
        self._requests.labels(method, route, str(status)).inc()
        self._request_seconds.labels(method, route).observe(seconds)

    def operation_entered(self, operation: Row) -> None:
        if State(operation["state"]) in UNFINISHED or operation["id"] in self._ended:
            return
        self._ended.append(operation["id"])  # on a full disk it is told again and again
        took = _seconds(operation["changed"]) - _seconds(operation["started"])
        self._operations.labels(operation["operation"], operation["state"]).inc()
        self._operation_seconds.labels(operation["operation"]).observe(max(took, 0.0))

    def vnf_created(self, vnf: Row) -> None: ...

    def vnf_deleted(self, vnf: Row) -> None: ...

    def certificate(self, file: str, expires: float | None) -> None:
        """The one in use expires then, seconds since 1970; None: nobody can tell."""
        self._expiry.clear()
        if expires is not None:
            self._expiry.labels(file).set(expires)

    def text(self) -> str:
        """For a scraper."""
        return generate_latest(self.registry).decode()


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
