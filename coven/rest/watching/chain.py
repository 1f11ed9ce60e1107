"""The REST API's part for drawing and filling in: a VNF's chain as its descriptor says it, the machine's interfaces."""

from __future__ import annotations

from typing import Any

from coven.agent import interfaces
from coven.agent.lifecycle import Lifecycle
from coven.agent.store import Row
from coven.package.chains import Bypass, Drop, Way
from coven.package.model import Descriptor, Rule
from coven.rest.masks import Masks
from coven.rest.routes import route


class ChainApi:
    lifecycle: Lifecycle

    @route("GET", "/v1/vnfs/{name}/chain", "Its ports, VNFCs and wires, with the schemas of their configuration",
           reply="Chain")  # fmt: skip
    def get_chain(self, name: str) -> Row:
        vnf = self.lifecycle.vnf(name)
        return {"package": vnf["package"], **drawn(self.lifecycle.descriptor(vnf["package"]))}

    @route("GET", "/v1/interfaces", "The machine's interfaces, and why one is refused as a port", reply="Interfaces")
    def list_interfaces(self) -> Row:
        return {"interfaces": interfaces.listed(self.lifecycle.store.vnfs())}


def drawn(descriptor: Descriptor) -> Row:
    """What is drawn of a descriptor."""
    defaults = Masks(descriptor).over(descriptor.config)
    return {
        "description": descriptor.description,
        "ports": [{"name": port.name, "nsh": port.nsh} for port in descriptor.ports.values()],
        "vnfcs": [
            {
                "name": vnfc.name, "language": vnfc.language, "outputs": list(vnfc.outputs), "nsh": vnfc.nsh,
                "config": defaults[vnfc.name], "schema": vnfc.schema,
            }
            for vnfc in descriptor.vnfcs.values()
        ],
        "chains": [
            {"name": chain.name, "ways": [_way(ingress, way) for ingress, way in chain.graphs.items()]}
            for chain in descriptor.chains.values()
        ],
        "classifier": [_rule(rule) for rule in descriptor.classifier],
        "paths": [{"spi": path.spi, "si": path.si, "chain": path.chain} for path in descriptor.paths],
    }  # fmt: skip


def _way(ingress: str, way: Way) -> Row:
    """`wires`: the first begins at the ingress port, which has no outputs."""
    match way:
        case Bypass(target):
            return {"ingress": ingress, "kind": "bypass", "wires": [_wire(ingress, None, str(target))]}
        case Drop():
            return {"ingress": ingress, "kind": "drop", "wires": []}
    wires = [_wire(ingress, None, way.first)]
    wires += [_wire(vnfc, output, target) for (vnfc, output), target in way.next.items()]
    return {"ingress": ingress, "kind": "graph", "wires": wires}


def _wire(source: str, output: str | None, target: str) -> Row:
    return {"from": source, "output": output, "to": target}


def _rule(rule: Rule) -> dict[str, Any]:
    match rule.then:
        case Bypass(target):
            then = "bypass" if target is None else f"bypass:{target}"
        case Drop():
            then = "drop"
        case chain:
            then = chain
    return {"match": rule.match, "port": rule.port, "vlan": rule.vlan, "then": then}
