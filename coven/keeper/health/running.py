"""The health of one running VNF, kept up by looks at its parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from coven.keeper.forwarder.running import RunningForwarder
from coven.keeper.health.port import PortHealth
from coven.keeper.health.state import Health, Judgement, Standing, worst
from coven.keeper.health.vnfc import VnfcHealth
from coven.keeper.hosts.running import RunningHosts
from coven.keeper.ports.running import RunningPorts
from coven.package.chains import Graph
from coven.package.descriptor import Descriptor
from itf.segment import C

_FORWARDER = {
    "hung": (Health.STUCK, "nothing has moved for {silent_seconds:g} s"),
    "down": (Health.DOWN, "it ended, and is started again soon"),
    "failed": (Health.DOWN, "it cannot start"),
}


class RunningHealth:
    """`descriptor`: the one in force."""

    def __init__(
        self, descriptor: Callable[[], Descriptor], forwarder: RunningForwarder, hosts: RunningHosts,
        ports: RunningPorts,
    ):  # fmt: skip
        self.descriptor = descriptor
        self.forwarder = forwarder
        self.hosts = hosts
        self.ports = ports
        self.whole = Standing()
        self._vnfcs: dict[str, VnfcHealth] = {}
        self._ports: dict[str, PortHealth] = {}

    def look(self) -> None:
        descriptor = self.descriptor()
        fed = set(_port_fed(descriptor))
        self._vnfcs = {name: self._vnfcs.get(name) or VnfcHealth(name in fed) for name in self.hosts}
        self._ports = {name: self._ports.get(name) or PortHealth() for name in descriptor.ports}
        cells = self.forwarder.statistics.published.place
        for name, vnfc in self._vnfcs.items():
            vnfc.port_fed = name in fed
            host = self.hosts[name]
            vnfc.look(host, self.hosts.idle(name), int(cells[C.PLACE_HOP + host.number].in_flight))
        for name, facts in self.ports.shown().items():
            if name in self._ports:
                number = descriptor.ports[name].number
                self._ports[name].look(facts, (cells[C.PLACE_ARRIVING + number], cells[C.PLACE_LEAVING + number]))
        self.whole.become(worst(self._parts()))

    def _parts(self) -> Iterator[tuple[str, Standing]]:
        yield from ((name, part.standing) for name, part in self._vnfcs.items())
        yield from ((name, part.standing) for name, part in self._ports.items())
        told = self.forwarder.watch.document(None)
        if (known := _FORWARDER.get(str(told["state"]))) is not None:
            forwarder = Standing()
            forwarder.become(Judgement(known[0], known[1].format(**told)))
            yield "the forwarder", forwarder

    def of(self, vnfc: str) -> dict[str, Any]:
        """The health of a VNFC; `says`: what it finds wrong with itself."""
        known = self._vnfcs[vnfc]
        return {**known.standing.document(), "says": known.says}

    def states(self) -> dict[str, Health]:
        """As of the last look: of the VNF (its name is nothing), each VNFC and port."""
        vnfcs = {name: part.standing.state for name, part in self._vnfcs.items()}
        return {"": self.whole.state, **vnfcs, **{name: part.standing.state for name, part in self._ports.items()}}

    def told(self, status: dict[str, Any]) -> dict[str, Any]:
        """A status document with the health of its parts."""
        self.look()
        for name, vnfc in status["vnfcs"].items():
            vnfc["health"] = self.of(name)
        for name, port in status["ports"].items():
            port["health"] = self._ports[name].standing.document()
        return {**status, "health": self.whole.document()}


def _port_fed(descriptor: Descriptor) -> Iterator[str]:
    for chain in descriptor.chains.values():
        for way in chain.graphs.values():
            if isinstance(way, Graph):
                yield way.first
