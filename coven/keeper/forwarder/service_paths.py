"""NSH in the wiring: which paths lead where, what ports and rules do about it, and each path's figures.

The path table is the only part of a descriptor that operators change while packets pass (`replace`); chains,
ports and next hops stay as the descriptor says.
"""

from __future__ import annotations

import json
from typing import Any

from coven.base.reading import Reader
from coven.base.yaml12 import read
from coven.package import nsh_fields
from coven.package.chains import Graph
from coven.package.descriptor import Descriptor, Port, ServicePath
from itf.mistakes import Mistake, Refused
from itf.segment import C, Forwarder, ffi

Place = tuple[int, int | None]  #: SPI, and SI or None for every one

_TRANSPORTS = {"none": C.NSH_PLAIN, "ethernet": C.NSH_ETHERNET, "vxlan-gpe": C.NSH_VXLAN_GPE}


def place_in_path(spi: int, si: int | None) -> int:
    return spi << 8 | (si or 0)


def without_figures(table: list[Any]) -> list[Any]:
    """A path table as `document` gives it, as one that may be wanted."""
    return [
        {key: value for key, value in row.items() if key not in ("packets", "bytes") and value is not None}
        if isinstance(row, dict)
        else row
        for row in table
    ]


class ServicePaths:
    """The path table as it stands, and how NSH is written into a `struct wiring`."""

    def __init__(self, descriptor: Descriptor, wanted: Any = None):
        """`wanted`: a table instead of the descriptor's. Raises Refused with every mistake in it."""
        self.descriptor = descriptor
        self.paths: list[ServicePath] = list(descriptor.paths) if wanted is None else self._read(wanted)
        self._counters: dict[Place, int] = {}
        self._base: dict[int, tuple[int, int]] = {}  #: what a counter's earlier paths had counted
        self._number()

    def _number(self) -> list[int]:
        """A counter for each path: its own for as long as it is there. Returns those that are new."""
        wanted = [(path.spi, path.si) for path in self.paths]
        self._counters = {place: n for place, n in self._counters.items() if place in set(wanted)}
        free = sorted(set(range(C.SEG_PATHS)) - set(self._counters.values()), key=lambda n: (n in self._base, n))
        new = []
        for place in wanted:
            if place not in self._counters:
                self._counters[place] = free.pop(0)
                new.append(self._counters[place])
        return new

    def _read(self, wanted: Any) -> list[ServicePath]:
        reader = Reader(None)
        if isinstance(wanted, list):  # what `document` gave may come back
            wanted = without_figures(wanted)
        node = read(json.dumps(wanted).encode())
        paths = nsh_fields.read_paths(reader, node, self.descriptor.chains)
        if reader.mistakes:
            mistakes = [
                Mistake(field=m.field, found=m.found, expected=m.expected, remedy=m.remedy) for m in reader.mistakes
            ]
            raise Refused(mistakes, title="paths refused")
        return paths

    def replace(self, wanted: Any, forwarder: Forwarder) -> None:
        """Take another path table over, as a document says it. Raises Refused with every mistake, then the
        old one stays."""
        self.paths = self._read(wanted)
        self._count_anew(forwarder)

    def take_over(self, old: ServicePaths, forwarder: Forwarder) -> None:
        """Count on what paths of the same place have counted there."""
        self._counters, self._base = dict(old._counters), dict(old._base)
        self._count_anew(forwarder)

    def _count_anew(self, forwarder: Forwarder) -> None:
        for number in self._number():
            cell = forwarder.head.nsh_path[number]
            self._base[number] = (int(cell.packets), int(cell.bytes))

    def table(self) -> list[dict[str, Any]]:
        """The paths, as they may be wanted."""
        return without_figures([
            {"spi": path.spi, "si": path.si, "chain": path.chain,
             "context": path.context.hex() if path.context is not None else None}
            for path in self.paths
        ])  # fmt: skip

    def document(self, forwarder: Forwarder) -> list[dict[str, Any]]:
        """The paths with what came in by each: packets, and bytes of inner packets."""
        rows = []
        for path, row in zip(self.paths, self.table(), strict=True):
            number = self._counters[path.spi, path.si]
            cell, (packets, size) = forwarder.head.nsh_path[number], self._base.get(number, (0, 0))
            figures = {"packets": int(cell.packets) - packets, "bytes": int(cell.bytes) - size}
            rows.append({"si": None, "context": None, **row, **figures})
        return rows

    # the wiring

    def fill(self, slot: Any, graphs: list[tuple[int, str, Any]]) -> None:
        """Write NSH's part; `graphs`: (chain, ingress port, way) in the order of their numbers."""
        slot.nsh_flags = C.NSH_OAM_BYPASS if self.descriptor.oam == "bypass" else 0
        # an empty list counts as none: operators may empty the table, and then no path is known
        if not self.descriptor.paths and not self.paths:
            slot.nsh_flags |= C.NSH_ANY_PATH
        for port in self.descriptor.ports.values():
            self._fill_port(slot, port)
        self._fill_paths(slot)
        self._fill_next_hops(slot)
        for number, (_, ingress, way) in enumerate(graphs):
            self._fill_graph(slot, number, ingress, way)

    def _fill_port(self, slot: Any, port: Port) -> None:
        cell = slot.nsh_port[port.number]
        if port.nsh != "none":
            cell.flags = C.NSH_PORT_ON
        if port.nsh == "vxlan-gpe":
            cell.flags |= C.NSH_PORT_VXLAN_GPE
        if port.nsh != "none" or port.addresses:  # who asks for an address is answered there
            slot.port[port.number].enter = C.STAGE_NSH
        if not port.trusted:
            cell.flags |= C.NSH_PORT_UNTRUSTED
        for address in port.addresses:
            cell.flags |= C.NSH_PORT_IP4 if address.version == 4 else C.NSH_PORT_IP6
            into = cell.ip4 if address.version == 4 else cell.ip6
            ffi.memmove(into, address.packed, len(address.packed))

    def _fill_paths(self, slot: Any) -> None:
        chains = list(self.descriptor.chains)
        slot.paths = len(self.paths)
        ordered = sorted(self.paths, key=lambda path: place_in_path(path.spi, path.si))
        for cell, path in zip(slot.path, ordered, strict=False):
            cell.spi_si = place_in_path(path.spi, path.si)
            cell.chain, cell.counter = chains.index(path.chain), self._counters[path.spi, path.si]
            if path.context is not None:
                cell.has_context = 1
                ffi.memmove(cell.context, path.context, len(path.context))

    def _fill_next_hops(self, slot: Any) -> None:
        hops = sorted(self.descriptor.next_hops, key=lambda hop: (place_in_path(hop.spi, hop.si), hop.si is None))
        slot.next_hops = len(hops)
        for cell, hop in zip(slot.next_hop, hops, strict=False):
            cell.spi_si, cell.transport = place_in_path(hop.spi, hop.si), _TRANSPORTS[hop.transport]
            cell.port = C.NSH_SAME_PORT if hop.port is None else self.descriptor.ports[hop.port].number
            cell.vlan = C.VLAN_UNTAGGED if hop.vlan is None else hop.vlan
            cell.vni, cell.zero = hop.vni, int(hop.si == 0)
            if hop.mac is not None:
                cell.has_mac = 1
                ffi.memmove(cell.mac, hop.mac, 6)
            if hop.address is not None:
                cell.ip6 = int(hop.address.version == 6)
                ffi.memmove(cell.address, hop.address.packed, len(hop.address.packed))

    def _fill_graph(self, slot: Any, number: int, ingress: str, way: Any) -> None:
        slot.graph_exit[number] = slot.first[number]
        if isinstance(way, Graph):
            vnfcs = {vnfc for vnfc, _ in way.next}
            slot.graph_aware[number] = int(all(self.descriptor.vnfcs[name].nsh == "aware" for name in vnfcs))
            port = self.descriptor.ports[nsh_fields.leads_out(way)]
            slot.graph_exit[number] = C.STAGE_PORT + port.number
        else:  # no VNFC of this graph sees a packet
            slot.graph_aware[number] = 1

    def fill_encap(self, slot: Any, rule: Any) -> int:
        """The number that a rule's cell has for its encapsulation, 0 for none."""
        if rule.encap is None:
            return 0
        cell = slot.encap[slot.encaps]
        cell.spi_si = place_in_path(rule.encap.spi, rule.encap.si)
        if rule.encap.context is not None:
            ffi.memmove(cell.context, rule.encap.context, len(rule.encap.context))
        slot.encap_ttl[slot.encaps] = rule.encap.ttl
        slot.encaps += 1
        return int(slot.encaps)
