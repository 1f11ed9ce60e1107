"""A descriptor as `struct wiring`: which stage follows which, in numbers that the forwarder obeys blindly.

Ports, VNFCs and chains have the numbers of their order in the descriptor, so a changed descriptor that
only adds keeps all the others. There is one graph for each (chain, ingress port).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from coven.keeper.forwarder.service_paths import ServicePaths
from coven.package.chains import Bypass, Drop, Graph, Way
from coven.package.descriptor import Descriptor, Rule
from coven.package.filters import Match, compile_match
from itf.mistakes import Mistake, Refused
from itf.segment import REASONS, C, Forwarder, ffi, put_text

QUOTA_LEAST = 2048  #: frames that a hop may have at once, at least
QUOTA_SPARE = 512  #: beyond what it may hold
QUEUE_MOST = 1024  #: frames that may wait for a hop
NO_GRAPH = 255
_LINKS = {"ethernet": C.LINK_ETHERNET, "ip": C.LINK_IP, "other": C.LINK_OTHER}
_ON_FAILURE = {"restart": C.FAILURE_RESTART, "bypass": C.FAILURE_BYPASS, "stop": C.FAILURE_STOP}
_DIED = next(number for number, reason in REASONS.items() if reason.name == "died")


def quota(hold_max: int) -> int:
    """Frames that a VNFC may have at once: what it may hold must not stop what passes."""
    return max(QUOTA_LEAST, hold_max + QUOTA_SPARE)


@dataclass
class PortState:
    """A port as it stands. `kind` PORT_NONE: the forwarder does not have it."""

    kind: int = C.PORT_NONE
    generation: int = 0
    mtu: int = 1500
    ifindex: int = 0
    queues: int = 0
    mac: bytes | None = None
    link: int = C.LINK_ETHERNET
    parameters: list[int] = field(default_factory=list)


@dataclass
class HopState:
    """A hop as it stands."""

    state: int = C.HOP_DOWN
    generation: int = 0
    lost_reason: int = _DIED
    previous: int = 0  #: the generation that it takes over from, as long as that one finishes what it has


class Wiring:
    """What a descriptor wires, compiled once; `fill` writes it with the ports and hops as they stand.

    Raises Refused with every expression that libpcap does not accept.
    """

    def __init__(
        self,
        descriptor: Descriptor,
        *,
        read: Collection[str] = (),
        written: Collection[str] = (),
        paths: Any = None,
    ):
        """`read`, `written`: the capture ports that packets come from, and whose leaving packets are kept.
        `paths`: the table of service paths, if it is another than the descriptor's."""
        self.descriptor = descriptor
        self.rules = self._compile_rules()
        self.service_paths = ServicePaths(descriptor, paths)
        self.lockstep = joins(descriptor, read, written)
        self.ports = {name: PortState() for name in descriptor.ports}
        self.hops = {name: HopState() for name in descriptor.vnfcs}
        #: hops that the descriptor has no more, until their processes have ended: by number, with the VNFC's name
        self.leaving: dict[int, tuple[str, HopState]] = {}
        self._graphs = [
            (chain_number, ingress, way)
            for chain_number, chain in enumerate(descriptor.chains.values())
            for ingress, way in chain.graphs.items()
        ]
        #: the graphs of the wiring before, by their numbers there: what they are now
        self._were = list(range(len(self._graphs)))

    # rules

    def _compile_rules(self) -> list[tuple[Rule, Match | None]]:
        rules: list[tuple[Rule, Match | None]] = []
        mistakes: list[Mistake] = []
        instructions = cells = 0
        for number, rule in enumerate(self.descriptor.classifier):
            place = f"classifier[{number}]"
            match = None
            if rule.match is not None:
                try:
                    match = compile_match(rule.match)
                except ValueError as problem:
                    mistakes.append(
                        Mistake(
                            file=self.descriptor.file, line=rule.line, field=f"{place}.match",
                            found=f"{rule.match}: {problem}", expected="a pcap-filter expression",
                            remedy="see man 7 pcap-filter; VLAN ids belong in vlan:"
                        )
                    )  # fmt: skip
                    continue
                instructions += len(match.ethernet) + len(match.ip)
            cells += len(self._rule_ports(rule)) if self._split(rule) else 1
            rules.append((rule, match))
        for what, found, most in (("rules", cells, C.SEG_RULES), ("instructions", instructions, C.SEG_INSNS)):
            if found > most:
                mistakes.append(
                    Mistake(
                        file=self.descriptor.file,
                        field="classifier",
                        found=f"{found} {what}",
                        expected=f"at most {most}",
                    )
                )
        if mistakes:
            raise Refused(mistakes, title="wrong descriptor")
        return rules

    def _rule_ports(self, rule: Rule) -> list[str]:
        return list(self.descriptor.ports) if rule.port is None else [rule.port]

    @staticmethod
    def _split(rule: Rule) -> bool:
        """`bypass` without a port leads elsewhere from each: a cell for each."""
        return isinstance(rule.then, Bypass) and rule.then.target is None

    def _other(self, port: str) -> str:
        return next((name for name in self.descriptor.ports if name != port), port)

    def describe(self, descriptor: Descriptor) -> None:
        """The same chains with other numbers, or with ports that no chain knows."""
        self.descriptor = self.service_paths.descriptor = descriptor

    def take_over(self, old: Wiring, forwarder: Forwarder) -> None:
        """Be what `old` becomes: ports and hops of the same name are as they stand there."""
        self.ports.update({name: state for name, state in old.ports.items() if name in self.ports})
        self.hops.update({name: state for name, state in old.hops.items() if name in self.hops})
        self.leaving = old.leaving
        self.service_paths.take_over(old.service_paths, forwarder)
        chains = list(self.descriptor.chains), list(old.descriptor.chains)
        new = {(chains[0][chain], ingress): number for number, (chain, ingress, _) in enumerate(self._graphs)}
        self._were = [new.get((chains[1][chain], ingress), NO_GRAPH) for chain, ingress, _ in old._graphs]

    # filling

    def fill(self, slot: Any, epoch: int) -> None:
        """Write everything into a `struct wiring` that nobody follows."""
        ffi.buffer(slot, ffi.sizeof("struct wiring"))[:] = bytes(ffi.sizeof("struct wiring"))
        slot.epoch = epoch
        slot.ports = 1 + max((port.number for port in self.descriptor.ports.values()), default=-1)
        slot.hops = 1 + max([vnfc.number for vnfc in self.descriptor.vnfcs.values()] + list(self.leaving), default=-1)
        slot.graphs, slot.lockstep = len(self._graphs), int(self.lockstep)
        self._fill_ports(slot)
        self._fill_hops(slot)
        self._fill_graphs(slot)
        self._fill_rules(slot)
        self.service_paths.fill(slot, self._graphs)
        ffi.memmove(slot.graph_was, bytes(self._were).ljust(C.SEG_GRAPHS, bytes([NO_GRAPH])), C.SEG_GRAPHS)

    def _fill_ports(self, slot: Any) -> None:
        for name, port in self.descriptor.ports.items():
            cell, state = slot.port[port.number], self.ports[name]
            put_text(cell.name, name)
            cell.kind, cell.generation = state.kind, state.generation
            cell.mtu, cell.ifindex, cell.queues = state.mtu, state.ifindex, state.queues
            cell.enter, cell.link = C.STAGE_CLASSIFIER, state.link
            if state.mac is not None:
                ffi.memmove(cell.mac, state.mac, 6)
                cell.has_mac = 1
            for i, value in enumerate(state.parameters):
                cell.parameter[i] = value

    def _fill_hops(self, slot: Any) -> None:
        for number, (name, state) in self.leaving.items():
            self._fill_hop(slot.hop[number], name, state)
        for name, vnfc in self.descriptor.vnfcs.items():
            cell = slot.hop[vnfc.number]
            self._fill_hop(cell, name, self.hops[name])
            cell.quota, cell.queue_max = quota(vnfc.hold_max), QUEUE_MOST
            cell.on_failure, cell.outputs = _ON_FAILURE[vnfc.on_failure], len(vnfc.outputs)
            cell.aware = int(vnfc.nsh == "aware")

    @staticmethod
    def _fill_hop(cell: Any, name: str, state: HopState) -> None:
        put_text(cell.name, name)
        cell.state, cell.generation, cell.lost_reason = state.state, state.generation, state.lost_reason
        cell.previous = state.previous

    def stage_name(self, stage: int) -> str:
        """A port's or VNFC's name, out of a stage id."""
        named = {self._stage(name): name for name in [*self.descriptor.ports, *self.descriptor.vnfcs]}
        return named.get(stage, "forwarder")

    def _stage(self, name: str) -> int:
        if name in self.descriptor.vnfcs:
            return int(C.STAGE_HOP + self.descriptor.vnfcs[name].number)
        return int(C.STAGE_PORT + self.descriptor.ports[name].number)

    def _fill_graphs(self, slot: Any) -> None:
        # 0xff bytes are NO_GRAPH and STAGE_NONE at once
        for table in ("graph_of", "emit_graph", "next"):
            cells = getattr(slot, table)
            ffi.memmove(cells, b"\xff" * ffi.sizeof(cells), ffi.sizeof(cells))
        for number, (chain, ingress, way) in enumerate(self._graphs):
            port = self.descriptor.ports[ingress].number
            slot.graph_of[chain][port] = number
            slot.graph_port[number] = port
            slot.first[number] = self._first(way, ingress)
            if not isinstance(way, Graph):
                continue
            for (vnfc, output), target in way.next.items():
                hop = self.descriptor.vnfcs[vnfc]
                slot.next[number][hop.number][hop.outputs.index(output)] = self._stage(target)
                if slot.emit_graph[hop.number][port] == NO_GRAPH:  # the first chain that has it
                    slot.emit_graph[hop.number][port] = number

    def _first(self, way: Way, ingress: str) -> int:
        if isinstance(way, Graph):
            return self._stage(way.first)
        if isinstance(way, Drop):
            return int(C.STAGE_DROP)
        return self._stage(way.target or self._other(ingress))

    def _fill_rules(self, slot: Any) -> None:
        at = row = 0
        chains = list(self.descriptor.chains)
        for rule, match in self.rules:
            places = (0, 0, 0, 0)
            if match is not None:
                for code, jt, jf, k in match.ethernet + match.ip:
                    cell = slot.insn[at]
                    cell.code, cell.jt, cell.jf, cell.k = code, jt, jf, k
                    at += 1
                ip_at = at - len(match.ip)
                places = (ip_at - len(match.ethernet), len(match.ethernet), ip_at, len(match.ip))
            ports = self._rule_ports(rule)
            encap = self.service_paths.fill_encap(slot, rule)
            for group in [[port] for port in ports] if self._split(rule) else [ports]:
                cell = slot.rule[row]
                row += 1
                cell.ports = sum(1 << self.descriptor.ports[port].number for port in group)
                cell.vlan = C.VLAN_ANY if rule.vlan is None else rule.vlan
                cell.ethernet_at, cell.ethernet_len, cell.ip_at, cell.ip_len = places
                if isinstance(rule.then, Drop):
                    cell.action = C.RULE_DROP
                elif isinstance(rule.then, Bypass):
                    cell.action = C.RULE_BYPASS
                    cell.target = self._stage(rule.then.target or self._other(group[0])) - C.STAGE_PORT
                else:
                    cell.action, cell.target = C.RULE_CHAIN, chains.index(rule.then)
                    cell.encap = encap
        slot.rules = row


def joins(descriptor: Descriptor, read: Collection[str], written: Collection[str]) -> bool:
    """Whether with these captures the order at some stage depends on who is quicker.

    Each way from stage to stage keeps its order, so only a stage that several others feed can tell one
    schedule from another: a VNFC, or a port whose packets are written down. The chains and directions that
    packets come in by count together, and so do the ways `back` that every VNFC has.
    """
    feeders: dict[str, set[str]] = {}

    def feed(stage: str, feeder: str) -> None:
        if stage in descriptor.vnfcs or stage in written:
            feeders.setdefault(stage, set()).add(feeder)

    def feed_graph(ingress: str, way: Way) -> None:
        if isinstance(way, Bypass) and way.target is not None:
            feed(way.target, "")
        elif isinstance(way, Graph):
            feed(way.first, "")
            for (vnfc, _), target in way.next.items():
                feed(target, vnfc)
                feed(ingress, vnfc)

    for chain in descriptor.chains.values():
        for ingress, way in chain.graphs.items():
            if ingress in read:
                feed_graph(ingress, way)
    for rule in descriptor.classifier:
        if isinstance(rule.then, Bypass):
            for port in [rule.then.target] if rule.then.target else descriptor.ports:
                feed(port, "")
    return any(len(names) > 1 for names in feeders.values())


def same_topology(one: Any, other: Any) -> bool:
    """Whether packets find the same way in both: then a slot may be written while some still follow it."""
    return all(
        bytes(ffi.buffer(getattr(one, table))) == bytes(ffi.buffer(getattr(other, table)))
        for table in (
            "rule",
            "graph_of",
            "first",
            "graph_port",
            "next",
            "emit_graph",
            "insn",
            "nsh_port",
            "next_hop",
            "encap",
            "encap_ttl",
        )
    )
