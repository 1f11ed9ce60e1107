"""The REST API's part for scrapers: every VNF's figures as Prometheus reads them."""

from __future__ import annotations

from agents.metrics import MEDIA, exposition
from coven.agent.lifecycle import Lifecycle
from coven.agent.store import Row
from coven.rest.routes import route
from itf.mistakes import Refused


class MetricsApi:
    lifecycle: Lifecycle

    @route("GET", "/metrics", "Every figure of every VNF, for Prometheus", reply="Metrics", produces=MEDIA)
    def get_metrics(self) -> str:
        return exposition(statuses(self.lifecycle)).decode()


def statuses(lifecycle: Lifecycle) -> dict[str, Row | None]:
    """The status document of each VNF that is instantiated; None when its keeper does not answer."""
    found: dict[str, Row | None] = {}
    for vnf in lifecycle.store.vnfs():
        if vnf["instantiation_state"] == "INSTANTIATED":
            try:
                found[vnf["name"]] = lifecycle.ask(vnf["name"], "status")
            except Refused:  # one that is silent hides no other
                found[vnf["name"]] = None
    return found
