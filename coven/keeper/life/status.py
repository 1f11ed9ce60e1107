"""The status document: one consistent snapshot of the segment in the words of the descriptor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

from coven.base.seconds import moment
from coven.keeper.hosts.process import HostProcess
from coven.keeper.hosts.says import Values
from coven.keeper.hosts.swap import Retired
from coven.keeper.ports.facts import PortFacts
from coven.package.descriptor import Descriptor
from itf.segment import REASONS, C, Forwarder
from itf.statistics import Statistics
from vns.pcap import broke_off

_SUMS = ("received", "originated", "cloned", "forwarded", "consumed")


class Drops:
    """Drop names with their counts and explanations, gathered place by place."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.explanations: dict[str, str] = {}

    def take(self, place: str, cell: Any, declared: Mapping[int, tuple[str, str]] | None = None) -> dict[str, int]:
        """The drops of one place, by reason."""
        own: dict[str, int] = {}
        for number, count in enumerate(cell.dropped):
            if count == 0:
                continue
            if number in REASONS:
                reason, why = REASONS[number].name, REASONS[number].why
            else:
                reason, why = (declared or {}).get(number, (f"reason_{number}", "declared by an earlier process"))
            name = f"{place}.{reason}"
            own[reason] = own.get(reason, 0) + count
            self.counts[name] = self.counts.get(name, 0) + count
            self.explanations[name] = why
        return own


def _unaccounted(received: int, made: int, forwarded: int, ended: int, in_flight: int) -> int:
    return received + made - forwarded - ended - in_flight


def _place(cell: Any, drops: dict[str, int]) -> dict[str, Any]:
    figures: dict[str, Any] = {name: int(getattr(cell, name)) for name in _SUMS}
    figures["dropped"] = drops
    figures["in_flight"] = int(cell.in_flight)
    figures["unaccounted"] = _unaccounted(
        cell.received, cell.originated + cell.cloned, cell.forwarded, cell.consumed + sum(drops.values()),
        cell.in_flight,
    )  # fmt: skip
    return figures


def _add(figures: dict[str, Any], more: Mapping[str, Any]) -> None:
    for name, value in more.items():
        if isinstance(value, int):
            figures[name] += value
    for reason, count in more["dropped"].items():
        figures["dropped"][reason] = figures["dropped"].get(reason, 0) + count


def _port(
    arriving: Any, leaving: Any, came: dict[str, int], went: dict[str, int], facts: PortFacts, incomplete: bool
) -> dict[str, Any]:
    """A port keeps two sums: what arrived (handed on or dropped), what left (sent or dropped). `incomplete`: its
    capture broke off, and what follows was not read."""
    dropped = {name: came.get(name, 0) + went.get(name, 0) for name in {**came, **went}}
    return {
        "backend": facts.backend,
        "why": facts.why,
        "interface": facts.interface,
        "link": facts.link,
        "link_since": None if facts.since is None else moment(facts.since),
        "mtu": facts.mtu,
        "incomplete": incomplete,
        "trouble": [{"what": words, "since": moment(since)} for words, since in facts.trouble],
        "received": int(arriving.received),
        "sent": int(leaving.forwarded),
        "bytes_in": int(arriving.bytes_in),
        "bytes_out": int(leaving.bytes_out),
        "dropped": dropped,
        "in_flight": int(arriving.in_flight + leaving.in_flight),
        # what an operator let in originates here, and is consumed instead of being sent (itf/inject.c)
        "unaccounted": _unaccounted(
            arriving.received, arriving.originated, arriving.forwarded, sum(came.values()), arriving.in_flight
        ) + _unaccounted(
            leaving.received, 0, leaving.forwarded, leaving.consumed + sum(went.values()), leaving.in_flight
        ),
    }


def metrics(host: HostProcess) -> dict[str, Any]:
    """What the VNFC declared, by name; counters and histograms go on counting over its restarts and versions."""
    return {each.name: _distribution(each.value) if each.kind == C.METRIC_HISTOGRAM else each.value
            for each in host.metrics()}  # fmt: skip


def _distribution(values: Values) -> dict[str, Any]:
    buckets = {str(2**k): n for k, n in enumerate(values.buckets) if n}
    return {"count": values.count, "sum": values.total, "buckets": buckets}


def document(
    descriptor: Descriptor,
    forwarder: Forwarder,
    statistics: Statistics,
    ports: Mapping[str, PortFacts],
    hosts: Mapping[str, HostProcess],
    retired: Sequence[Retired] = (),
    retired_ports: Mapping[str, int] = MappingProxyType({}),
) -> dict[str, Any]:
    """The whole status document. `retired`: hops that were VNFCs before an upgrade; what they counted counts for the
    VNFC of that name, if there is one, and always in the sums, as that of `retired_ports` (numbers) does. Raises
    TimeoutError as `Statistics.statistics` does."""
    snapshot = statistics.statistics()
    cells = snapshot.place
    drops = Drops()
    vnfcs: dict[str, Any] = {}
    shown: dict[str, Any] = {}
    used = [C.PLACE_CLASSIFIER, C.PLACE_NSH, C.PLACE_FLOW]
    for name, port in descriptor.ports.items():
        arriving, leaving = C.PLACE_ARRIVING + port.number, C.PLACE_LEAVING + port.number
        came, went = drops.take(name, cells[arriving]), drops.take(name, cells[leaving])
        incomplete = ports[name].backend == "pcap" and broke_off(forwarder.head.memory[port.number].word)
        shown[name] = _port(cells[arriving], cells[leaving], came, went, ports[name], incomplete)
        used += [arriving, leaving]
    for name, host in hosts.items():
        place = C.PLACE_HOP + host.number
        own = drops.take(name, cells[place], host.reasons)
        vnfcs[name] = {**_vnfc(host), **_place(cells[place], own)}
        vnfcs[name]["bogus"] = int(cells[place].bogus)
        used.append(place)
    for hop in retired:
        place = C.PLACE_HOP + hop.number
        own = drops.take(hop.name, cells[place], hop.reasons)
        if hop.name in vnfcs:
            _add(vnfcs[hop.name], _place(cells[place], own))
        used.append(place)
    gone = [(cells[C.PLACE_ARRIVING + number], cells[C.PLACE_LEAVING + number]) for number in retired_ports.values()]
    for name, number in retired_ports.items():
        for place in (C.PLACE_ARRIVING + number, C.PLACE_LEAVING + number):
            drops.take(name, cells[place])
            used.append(place)
    classifier = _place(cells[C.PLACE_CLASSIFIER], drops.take("classifier", cells[C.PLACE_CLASSIFIER]))
    nsh = _place(cells[C.PLACE_NSH], drops.take("nsh", cells[C.PLACE_NSH]))
    drops.take("flow", cells[C.PLACE_FLOW])
    whole: dict[str, Any] = {
        "received": sum(port["received"] for port in shown.values()) + sum(int(came.received) for came, _ in gone),
        "originated": sum(int(cells[place].originated) for place in used),
        "cloned": sum(int(cells[place].cloned) for place in used),
        "forwarded": sum(port["sent"] for port in shown.values()) + sum(int(went.forwarded) for _, went in gone),
        "consumed": sum(int(cells[place].consumed) for place in used),
        "dropped": dict(sorted(drops.counts.items())),
        "in_flight": sum(int(cells[place].in_flight) for place in used),
    }
    whole["unaccounted"] = _unaccounted(
        whole["received"], whole["originated"] + whole["cloned"], whole["forwarded"],
        whole["consumed"] + sum(whole["dropped"].values()), whole["in_flight"],
    )  # fmt: skip
    return {
        **whole,
        "estimated": bool(forwarder.head.estimated),
        "time_ns": int(snapshot.time_ns),
        "ports": shown,
        "vnfcs": vnfcs,
        "classifier": classifier,
        "nsh": nsh,
        "explanations": drops.explanations,
    }


def _vnfc(host: HostProcess) -> dict[str, Any]:
    head = host.head if host.hop is not None else None
    return {
        "language": host.plan.vnfc.language,
        "state": host.state,
        "pid": host.pid,
        "restarts": host.restarts,
        "backoff_seconds": host.waits,
        "confinement": host.plan.confinement,
        "engine": host.plan.engine,
        "memory_limit": host.plan.memory_limit,
        "metrics": metrics(host),
        "requests": asdict(host.asked_for()),
        "held": int(head.held) if head is not None else 0,
        "exceptions": host.counted().exceptions,
        "log_lines_suppressed": host.logs.suppressed(host.name)
        + (int(head.log_lines_suppressed) if head is not None else 0),
    }


def not_accounted(status: Mapping[str, Any]) -> bool:
    """Whether law 1 is broken anywhere: for the whole VNF, or at one port or VNFC."""
    places = [*status["ports"].values(), *status["vnfcs"].values(), status["classifier"]]
    places += [status["nsh"]] if "nsh" in status else []
    return status["unaccounted"] != 0 or any(place["unaccounted"] != 0 for place in places)
