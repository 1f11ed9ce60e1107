"""VNF Indicators (SOL002 8): what the package declares, answered by its VNFCs, and what holds for every VNF."""

from __future__ import annotations

from collections.abc import Callable
from operator import itemgetter
from typing import Any
from urllib.parse import quote

from coven.agent.store import Row, missing
from coven.rest.routes import LISTING, route
from coven.rest.sol.exchange import Interface, link
from itf.mistakes import Refused, suggest

#: indicators of every VNF: unit, and how the status document says it. Those of packages are called VNFC.REQUEST.
STANDARD: dict[str, tuple[str, Callable[[Row], Any]]] = {
    **{name: ("packets", itemgetter(name))
       for name in ("received", "forwarded", "consumed", "originated", "cloned", "in_flight", "unaccounted")},
    "dropped": ("packets", lambda status: sum(status["dropped"].values())),
    "vnfcs_down": ("VNFCs", lambda status: sum(each["state"] != "running" for each in status["vnfcs"].values())),
    "ports_down": ("ports", lambda status: sum(each["link"] != "up" for each in status["ports"].values())),
}  # fmt: skip


class VnfIndicators(Interface):
    @route("GET", "/vnfind/v1/indicators", "The indicators of the VNF", reply="VnfIndicators", query=LISTING,
           errors=(409,))  # fmt: skip
    def list_indicators(self) -> list[Row]:
        return self._all(self.subject())

    @route("GET", "/vnfind/v1/indicators/{vnfInstanceId}", "The indicators of a VNF, by its id", reply="VnfIndicators",
           query=LISTING, errors=(409,))  # fmt: skip
    def list_indicators_of(self, vnfInstanceId: str) -> list[Row]:
        return self._all(self._subject(vnfInstanceId))

    @route("GET", "/vnfind/v1/indicators/{vnfInstanceId}/{indicatorId}", "One indicator", reply="VnfIndicator",
           errors=(409,))  # fmt: skip
    def read_indicator(self, vnfInstanceId: str, indicatorId: str) -> Row:
        vnf = self._subject(vnfInstanceId)
        known = supported(self.agent.descriptor(vnf["package"]).indicators, vnf)
        if indicatorId not in known:
            raise missing(f"indicator {indicatorId}", suggest(indicatorId, known))
        [(name, value)] = values(self.agent, vnf, [indicatorId])
        return _shown(vnf, name, value)

    def _subject(self, instance: str) -> Row:
        vnf = self.subject()
        if vnf["instance"] != instance:
            raise missing(f"VNF instance {instance}", suggest(instance, [vnf["instance"]]))
        return vnf

    def _all(self, vnf: Row) -> list[Row]:
        known = supported(self.agent.descriptor(vnf["package"]).indicators, vnf)
        return [_shown(vnf, name, value) for name, value in values(self.agent, vnf, known)]


def supported(declared: list[str], vnf: Row) -> list[str]:
    """The indicators that there are: none while the VNF is not instantiated."""
    return [*STANDARD, *declared] if vnf["instantiation_state"] == "INSTANTIATED" else []


def _shown(vnf: Row, name: str, value: Row) -> Row:
    path = f"/vnfind/v1/indicators/{vnf['instance']}/{quote(name)}"
    return {
        "id": name, "name": name, "value": value, "vnfInstanceId": vnf["instance"],
        "_links": {"self": link(path), "vnfInstance": link(f"/vnflcm/v2/vnf_instances/{vnf['instance']}")},
    }  # fmt: skip


def values(agent: Any, vnf: Row, names: list[str]) -> list[tuple[str, Row]]:
    """What indicators say now, each {value, unit}; null where a VNFC does not answer, which is asked once.

    Raises Refused when the keeper does not answer."""
    found: list[tuple[str, Row]] = []
    status = agent.ask(vnf["name"], "status") if any(name in STANDARD for name in names) else {}
    offered = agent.ask(vnf["name"], "list")["requests"] if any(name not in STANDARD for name in names) else {}
    silent: set[str] = set()
    for name in names:
        if name in STANDARD:
            unit, read = STANDARD[name]
            found.append((name, {"value": read(status), "unit": unit}))
            continue
        vnfc, _, request = name.partition(".")
        unit = next((each["unit"] for each in offered.get(vnfc, ()) if each["name"] == request), "")
        value = None
        if vnfc not in silent:
            try:
                value = agent.ask(vnf["name"], "request", vnfc=vnfc, name=request, args=[]).get("value")
            except Refused:
                silent.add(vnfc)
        found.append((name, {"value": value, "unit": unit}))
    return found
