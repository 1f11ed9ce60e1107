"""External virtual links of requests as bindings of ports, and back.

A port's external connection point has the port's name as its id, and PORT_ext as its cpdId. Its interface is the one
that its link port names, by name or MAC address; else the one with the MAC address that its cpConfig states; else, for
a port that is alone on its link, the resource of the link.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from coven.agent.store import Row
from coven.package.csar.vnfd import MANAGEMENT
from coven.rest.schema import INTERFACE
from coven.rest.sol.vnfconfig import address
from itf.mistakes import Mistake, suggest

_SUFFIX = "_ext"


@dataclass
class Connections:
    """What extVirtualLinks of a request ask for."""

    ports: dict[str, str] = field(default_factory=dict)  #: by port: the interface, by name or MAC address
    places: dict[str, str] = field(default_factory=dict)  #: by port: where the request says so
    mistakes: list[Mistake] = field(default_factory=list)

    def placed(self, mistakes: list[Mistake]) -> list[Mistake]:
        """Mistakes about ports, at the place in the request that is about them."""
        found = []
        for mistake in mistakes:
            start, _, rest = (mistake.field or "").partition(".")
            port = rest.partition(".")[0]
            if start != "ports":
                found.append(mistake)
            elif port not in self.places:
                found.append(Mistake(field="extVirtualLinks", found="nothing", expected=f"one with {port}{_SUFFIX}"))
            elif port in self.ports:  # else it is told already
                found.append(replace(mistake, field=self.places[port]))
        return found


def read(links: list[Row], known: Mapping[str, Any]) -> Connections:
    """`known`: the ports that there are."""
    found = Connections()

    def wrong(place: str, what: str, expected: str | None = None, remedy: str | None = None) -> None:
        found.mistakes.append(Mistake(field=place, found=what[:100], expected=expected, remedy=remedy))

    for number, link in enumerate(links):
        resources = {each["id"]: each["resourceHandle"]["resourceId"] for each in link.get("extLinkPorts", ())}
        for place, point in ((f"extVirtualLinks.{number}.extCps.{n}", cp) for n, cp in enumerate(link["extCps"])):
            port = port_of(point["cpdId"])
            if port == MANAGEMENT and port not in known:
                continue  # the machine's own
            if port not in known:
                wrong(f"{place}.cpdId", point["cpdId"], "a connection point of the VNF", suggest(port, known))
                continue
            if port in found.places:
                wrong(f"{place}.cpdId", f"{point['cpdId']} twice", "each connection point once")
                continue
            found.places[port] = place
            config: Row = next(iter(point.get("cpConfig", {}).values()), {})
            if (asked := config.get("linkPortId")) is not None and asked not in resources:
                wrong(f"{place}.cpConfig", f"the link port {asked}", "one of extLinkPorts", suggest(asked, resources))
                continue
            address = next((data["ipOverEthernet"]["macAddress"] for data in config.get("cpProtocolData", ())
                            if "macAddress" in data.get("ipOverEthernet", {})), None)  # fmt: skip
            named = resources.get(asked) if asked is not None else address
            if named is None and len(link["extCps"]) == 1:
                named = link["resourceId"]
            if named is None:
                wrong(place, "no interface", "a link port, or a MAC address, that says which")
                continue
            if not re.fullmatch(INTERFACE["pattern"], named) or named in INTERFACE["not"]["enum"]:
                wrong(place, named, INTERFACE["description"])
                continue
            found.ports[port] = named
    return found


def port_of(cpd: str) -> str:
    return cpd.removesuffix(_SUFFIX)


def replaced(before: list[Row], after: list[Row]) -> list[Row]:
    """The links of a VNF when some of its connection points are on others."""
    moved = {port_of(point["cpdId"]) for link in after for point in link["extCps"]}
    kept = []
    for link in before:
        points = [point for point in link["extCps"] if port_of(point["cpdId"]) not in moved]
        if points and link["id"] not in [each["id"] for each in after]:
            kept.append({**link, "extCps": points})
        elif points:  # the same link with fewer or other points
            after = [{**each, "extCps": [*points, *each["extCps"]]} if each["id"] == link["id"] else each
                     for each in after]  # fmt: skip
    return [*kept, *after]


def points(vnf: Row) -> list[Row]:
    """VnfExtCpInfo of every port (SOL002 5.5.3.25)."""
    found = []
    on = {port_of(point["cpdId"]): (link, point) for link in vnf["links"] for point in link["extCps"]}
    for port, binding in vnf["ports"].items():
        mac = address(binding["interface"])
        ethernet = {"ipOverEthernet": {"macAddress": mac}} if mac else {"ipOverEthernet": {}}
        shown: Row = {
            "id": port, "cpdId": f"{port}{_SUFFIX}", "cpConfigId": "default",
            "cpProtocolInfo": [{"layerProtocol": "IP_OVER_ETHERNET", **ethernet}],
            "metadata": {"interface": binding["interface"], "backend": binding["backend"]},
        }  # fmt: skip
        if port in on:
            for key, config in on[port][1].get("cpConfig", {}).items():
                shown["cpConfigId"] = key
                if "linkPortId" in config:
                    shown["extLinkPortId"] = config["linkPortId"]
        found.append(shown)
    return found


def links(vnf: Row) -> list[Row]:
    """ExtVirtualLinkInfo of each link that a VNFM has stated (SOL002 5.5.2.12)."""
    return [_link(link) for link in vnf["links"]]


def _link(link: Row) -> Row:
    points = {config.get("linkPortId"): port_of(point["cpdId"]) for point in link["extCps"]
              for config in point.get("cpConfig", {}).values()}  # fmt: skip
    shown: Row = {"id": link["id"], "resourceHandle": _handle(link), "currentVnfExtCpData": link["extCps"]}
    ports = [
        {"id": each["id"], "resourceHandle": _handle(each["resourceHandle"]),
         **({"cpInstanceId": points[each["id"]]} if each["id"] in points else {})}
        for each in link.get("extLinkPorts", ())
    ]  # fmt: skip
    return {**shown, "extLinkPorts": ports} if ports else shown


def _handle(stated: Row) -> Row:
    """ResourceHandle, as far as it was stated."""
    return {key: stated[key] for key in ("vimConnectionId", "resourceProviderId", "resourceId") if key in stated}


def connectivity(operation: Row) -> list[Row]:
    """changedExtConnectivity of an operation: the links as it stated them."""
    return [_link(link) for link in (operation["params"] or {}).get("extVirtualLinks", ())]
