"""The REST API's part for scrapers: every VNF's figures as Prometheus reads them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from agents.metrics import MEDIA, exposition
from coven.agent.lifecycle import Lifecycle
from coven.agent.store import Row
from coven.rest.routes import route
from itf.mistakes import Refused

AT_ONCE = 8  #: keepers that are asked: each that hangs takes QUICK_SECONDS, and scrapers wait for 10 s in all


class MetricsApi:
    lifecycle: Lifecycle

    @route("GET", "/metrics", "Every figure of every VNF, for Prometheus", reply="Metrics", produces=MEDIA)
    def get_metrics(self) -> str:
        return exposition(statuses(self.lifecycle)).decode()


def statuses(lifecycle: Lifecycle) -> dict[str, Row | None]:
    """The status document of each VNF that is instantiated; None when its keeper does not answer."""

    def status(name: str) -> Row | None:
        try:
            return lifecycle.ask(name, "status")
        except Refused:  # one that is silent hides no other
            return None

    names = [vnf["name"] for vnf in lifecycle.store.vnfs() if vnf["instantiation_state"] == "INSTANTIATED"]
    with ThreadPoolExecutor(AT_ONCE, "metrics") as threads:
        return dict(zip(names, threads.map(status, names), strict=True))
