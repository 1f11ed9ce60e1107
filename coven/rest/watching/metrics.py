"""The REST API's part for who watches: every VNF's figures as Prometheus reads them, and one's as JSON."""

from __future__ import annotations

from agents.metrics import MEDIA, Exposition, document
from coven.agent.figures import Readers
from coven.agent.lifecycle import Lifecycle
from coven.agent.measured import Measured
from coven.agent.store import Row
from coven.rest.routes import route
from itf.mistakes import Kind, Mistake, Refused


class MetricsApi:
    lifecycle: Lifecycle

    def __init__(self, lifecycle: Lifecycle):
        self.readers = Readers(lifecycle.places.run)
        self.measured = Measured()
        lifecycle.store.observers.append(self.measured)
        self._exposition = Exposition()

    @route("GET", "/metrics", "Every figure of every VNF, for Prometheus", reply="Metrics", produces=MEDIA)
    def get_metrics(self) -> str:
        with self.readers.of(self.lifecycle.instantiated(), forget=True) as readers:
            return self._exposition.text(readers) + self.measured.text()

    @route("GET", "/v1/vnfs/{name}/metrics", "Its figures, under the names that /metrics has", reply="Figures",
           errors=(409, 503))  # fmt: skip
    def get_figures(self, name: str) -> Row:
        self.lifecycle.keeper(name)
        with self.readers.of([name]) as readers:
            reader = readers[name]
            try:
                if reader is not None:
                    return document(reader)
            except TimeoutError as problem:
                found = str(problem)
            else:
                found = f"{name} has no statistics object"
        mistake = Mistake(found=found, remedy="try again in a moment")
        raise Refused(mistake, title="not there now", kind=Kind.UNAVAILABLE)
