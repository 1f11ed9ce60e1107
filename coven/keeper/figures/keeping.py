"""The keeper's part of the statistics object: the directory, and what the keeper alone knows, once a second.

Of each figure there is a cell, in the order of the directory, which is written anew when it has other series.
"""

from __future__ import annotations

import math
import os
import struct
import time
from array import array
from collections.abc import Iterator
from typing import Any, Protocol

from agents.catalogue import custom, labels
from coven.keeper.figures import directory
from coven.keeper.figures.directory import HopFacts, PortFacts
from coven.keeper.figures.processes import Processes
from coven.keeper.health.running import RunningHealth
from coven.keeper.health.state import Health
from coven.keeper.hosts.process import HostProcess
from coven.keeper.hosts.running import RunningHosts
from coven.keeper.hosts.state import State
from coven.keeper.logs import PLATFORM
from coven.keeper.ports.running import RunningPorts
from coven.keeper.running import Running
from itf.segment import C, ffi
from itf.statistics import Row, Statistics

SECONDS = 1.0  #: between two looks
PROCESS_TICKS = 5  #: looks, of which one is at processes, too: that takes longest
ASKED_SECONDS = 0.5  #: so old they may be when somebody asks how the VNF is

PACKED = {
    C.FIGURE_COUNTER: struct.Struct("=Q"), C.FIGURE_GAUGE: struct.Struct("=q"),
    C.FIGURE_REAL_COUNTER: struct.Struct("=d"), C.FIGURE_REAL: struct.Struct("=d"),
    C.FIGURE_VALUES: struct.Struct(f"=Qd{C.HOP_BUCKETS}Q"),
}  # fmt: skip
_KINDS = {C.METRIC_COUNTER: C.FIGURE_COUNTER, C.METRIC_GAUGE: C.FIGURE_REAL, C.METRIC_HISTOGRAM: C.FIGURE_VALUES}
_NONE = array("Q", bytes(8 * C.REASONS)).tobytes()


class Figured(Running, Protocol):
    """Of what VNF they are."""

    hosts: RunningHosts
    ports: RunningPorts
    health: RunningHealth


class Figures:
    """Keeps `vnf`'s object up to date as long as it runs."""

    def __init__(self, vnf: Figured, statistics: Statistics):
        self.vnf = vnf
        self.statistics = statistics
        self.processes = Processes()
        self._structure: object = None
        self._forwarders: list[Row] = []
        self._series: list[Row] = []
        self._complained = False
        self._over = False
        self._ticks = 0
        self._looked = -math.inf  #: at processes, by the monotonic clock

    def start(self) -> None:
        """From now on."""
        self._tick()

    def stop(self) -> None:
        """It ends: what stands there stays."""
        self._over = True

    def asked(self) -> None:
        """Who asks how the VNF is finds its processes in the object as they are now: a rate made of two such looks is
        what they used between them."""
        if not self._over and time.monotonic() - self._looked >= ASKED_SECONDS:
            self._renew(True)

    def _tick(self) -> None:
        if self._over:
            return
        self.vnf.loop.later(SECONDS, self._tick)
        self._renew(self._ticks % PROCESS_TICKS == 0 and time.monotonic() - self._looked >= ASKED_SECONDS)
        self._ticks += 1

    def _renew(self, processes: bool) -> None:
        try:
            if processes:
                self._look_at_processes()
            self.refresh()
        except Exception as problem:  # what VNFCs write is theirs: no figure is worth a VNF
            self.vnf.logs.say(PLATFORM, f"the figures could not be written: {problem!r}")

    def _look_at_processes(self) -> None:
        self._looked = time.monotonic()
        self.processes.look("keeper", "", os.getpid())
        self.processes.look("forwarder", "", self.vnf.forwarder.process.pid)
        for name, host in self.vnf.hosts.items():
            self.processes.look("vnfc", name, host.pid)

    def refresh(self) -> None:
        """Write what is so now."""
        own: list[Row] = []
        packed: list[bytes] = []
        at = self.statistics.head.cells
        for name, pairs, why, unit, kind, value in self._own():
            raw = PACKED[kind].pack(*value) if isinstance(value, tuple) else PACKED[kind].pack(value)
            own.append(Row(name, labels(pairs), why, unit, kind, at))
            packed.append(raw)
            at += len(raw)
        series = [*self._rows(), *own]
        changed = series != self._series
        left_out = self.statistics.write(series if changed else None, b"".join(packed)[: 8 * C.FIGURE_CELLS])
        self._series = series
        if left_out and not self._complained:
            self._complained = True
            self.vnf.logs.say(PLATFORM, f"{left_out} figures have no room in the statistics object")

    # the forwarder's

    def _rows(self) -> list[Row]:
        vnf = self.vnf
        ports = [PortFacts(name, port.number) for name, port in vnf.descriptor.ports.items()]
        ports += [PortFacts(name, number, False) for name, number in vnf.ports.retired.items()]
        hops = [HopFacts(host.name, host.number, _names(host.reasons), host.plan.vnfc.outputs)
                for host in vnf.hosts.values()]  # fmt: skip
        hops += [HopFacts(hop.name, hop.number, _names(hop.reasons), hop.outputs, hop.name in vnf.hosts)
                 for hop in vnf.hosts.retired]  # fmt: skip
        structure = (ports, hops, self._dropped(ports, hops))
        if structure != self._structure:
            self._structure = structure
            self._forwarders = directory.rows(self.statistics.head.published, *structure)
        return self._forwarders

    def _dropped(self, ports: list[PortFacts], hops: list[HopFacts]) -> list[tuple[int, int]]:
        """Places and reasons of which there were drops."""
        places = [base + port.number for port in ports for base in (C.PLACE_ARRIVING, C.PLACE_LEAVING)]
        places += [C.PLACE_HOP + hop.number for hop in hops]
        places += [C.PLACE_CLASSIFIER, C.PLACE_NSH, C.PLACE_FLOW]
        found, published = [], self.statistics.published
        for place in places:
            raw = bytes(ffi.buffer(published.place[place].dropped))
            if raw != _NONE:
                found += [(place, reason) for reason, count in enumerate(array("Q", raw)) if count]
        return found

    # the keeper's

    def _own(self) -> Iterator[tuple[str, dict[str, str], str, str, int, Any]]:
        yield from (self._known(*each) for each in self._told())
        for host in self.vnf.hosts.values():
            yield from _customs(host)

    @staticmethod
    def _known(name: str, value: Any, pairs: dict[str, str]) -> tuple[str, dict[str, str], str, str, int, Any]:
        made = directory.row(name, 0, **pairs)
        return made.name, pairs, made.why, made.unit, made.kind, value

    def _told(self) -> Iterator[tuple[str, Any, dict[str, str]]]:
        vnf, head = self.vnf, self.statistics.head
        forwarder = vnf.forwarder
        yield "coven_vnf_started", int(vnf.forwarding), {}
        yield "coven_vnf_start_time_seconds", head.start_wall_ns / 1e9, {}
        yield "coven_timed_one_in", int(head.sample), {}
        yield "coven_estimated", int(bool(forwarder.segment.head.estimated)), {}
        yield "coven_forwarder_up", int(forwarder.process.pid is not None), {}
        yield "coven_forwarder_restarts_total", max(forwarder.watch.restarts, 0), {}
        for place, state in vnf.health.states().items():
            for each in Health:
                yield "coven_health", int(state == each), {"place": place, "state": str(each)}
        for name, facts in vnf.ports.shown().items():
            if facts.link is not None and name in vnf.descriptor.ports:
                yield "coven_port_up", int(facts.link == "up"), {"port": name}
        for path in forwarder.wiring.service_paths.document(forwarder.segment):
            pairs = {"spi": str(path["spi"]), "si": str(path["si"])}
            yield "coven_nsh_path_packets_total", max(path["packets"], 0), pairs
            yield "coven_nsh_path_bytes_total", max(path["bytes"], 0), pairs
        processes = [("keeper", ""), ("forwarder", "")]
        for name, host in vnf.hosts.items():
            vnfc, counted = {"vnfc": name}, host.counted()
            yield "coven_vnfc_up", int(host.state == State.RUNNING), vnfc
            yield "coven_vnfc_restarts_total", host.restarts, vnfc
            yield "coven_vnfc_exceptions_total", counted.exceptions, vnfc
            asked = host.asked_for()
            yield "coven_vnfc_requests_total", asked.asked, vnfc
            yield "coven_vnfc_request_timeouts_total", asked.timed_out, vnfc
            yield "coven_vnfc_request_seconds_total", asked.seconds, vnfc
            for name_of, field in (("coven_vnfc_held_packets", "held"), ("coven_vnfc_lent_packets", "lent")):
                yield name_of, int(getattr(host.head, field)) if host.hop is not None else 0, vnfc
            processes.append(("vnfc", name))
        for role, name in processes:
            seconds, memory = self.processes.told(role, name)
            yield "coven_process_cpu_seconds_total", seconds, {"role": role, "vnfc": name}
            yield "coven_process_resident_memory_bytes", memory, {"role": role, "vnfc": name}


def _names(reasons: Any) -> tuple[tuple[int, str], ...]:
    return tuple((number, name) for number, (name, _) in reasons.items())


def _customs(host: HostProcess) -> Iterator[tuple[str, dict[str, str], str, str, int, Any]]:
    """What its author declared."""
    for metric in host.metrics():
        kind, value = _KINDS[metric.kind], metric.value
        if kind == C.FIGURE_COUNTER:
            value &= 2**64 - 1
        elif kind == C.FIGURE_VALUES:
            value = (value.count & 2**64 - 1, value.total, *value.buckets)
        elif value is None:
            continue
        name, more = custom(metric.name, kind)
        yield name, {"vnfc": host.name, **more}, metric.why, metric.unit, kind, value
