"""The REST API's part for what limits a chain."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict
from typing import Any

from agents.bottleneck import Observation, judge
from agents.observing import Part, observe
from coven.agent.figures import Readers
from coven.agent.keepers.line import unavailable
from coven.agent.lifecycle import Lifecycle
from coven.agent.store import Row
from coven.rest.routes import Query, route
from coven.rest.watching.seats import Seats

OBSERVERS = 2  #: may wait at once, with all others that may fewer than the server has threads
_SECONDS = {"type": "number", "minimum": 0.5, "maximum": 10, "default": 2}


class BottlenecksApi:
    lifecycle: Lifecycle

    def __init__(self) -> None:
        self._observers = Seats(OBSERVERS, "observe")

    @route(
        "GET",
        "/v1/vnfs/{name}/bottleneck",
        "What limits the chain at its load now: a VNFC, a core, a port, the kernel",
        reply="Bottleneck",
        errors=(409, 503),
        query=(Query("seconds", "that it is observed for", _SECONDS),),
    )
    def get_bottleneck(self, name: str, query: Row) -> Row:
        with self._observers.one():
            return self._observed(name, query["seconds"])

    def _observed(self, name: str, seconds: float) -> Row:
        status = self.lifecycle.ask(name, "status")
        vnfcs = {vnfc: Part(each["language"], each["pid"]) for vnfc, each in status["vnfcs"].items()}
        # of its own: it keeps one for seconds, and others' wait for each other
        with closing(Readers(self.lifecycle.places.run)) as readers, readers.of([name]) as found:
            reader = found[name]
            try:
                if reader is None:
                    raise unavailable(f"no statistics object of {name}", title="not there now")
                seen = observe(reader, vnfcs, status["forwarder"]["pid"], seconds)
            except TimeoutError as problem:
                raise unavailable(str(problem), title="not there now") from None
        judged = judge(seen)
        return {"seconds": seconds, "bottleneck": asdict(judged) if judged else None, **_shown(seen)}


def _shown(seen: Observation) -> dict[str, Any]:
    def process(each: Any) -> dict[str, float]:
        return {"cores": round(each.cpu, 3), "kernel": round(each.system, 3)}

    vnfcs: Mapping[str, Any] = {
        name: {"arrived": round(vnfc.arrived, 1), "served": round(vnfc.served, 1), "lost": round(vnfc.lost, 1),
               "backlogged": round(vnfc.backlogged, 2), "seconds": vnfc.seconds, **process(vnfc.process)}
        for name, vnfc in seen.vnfcs.items()
    }  # fmt: skip
    return {"received": round(seen.received, 1), "forwarder": process(seen.forwarder), "vnfcs": vnfcs,
            "cores": {str(core): round(part, 2) for core, part in seen.busy.items()}}  # fmt: skip
