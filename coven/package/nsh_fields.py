"""What a descriptor says about NSH: `paths`, `next_hops`, `oam`, a port's and a rule's share of it.

Each function reads with a `Reader`, so mistakes gather with the document's others; an operator's new path
table goes through the same ones.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Mapping

from coven.base.reading import Reader
from coven.base.yaml12 import Node, show
from coven.package.chains import Graph
from coven.package.model import Address, Descriptor, Encap, NextHop, Port, ServicePath
from itf.mistakes import suggest
from itf.segment import C

PORT_FIELDS = ("nsh", "trusted", "address")
NSH_KINDS = ("none", "ethernet", "vxlan-gpe")
TRANSPORTS = ("ethernet", "vxlan-gpe", "none")
_PATH_FIELDS = ("spi", "si", "chain", "context")
_HOP_FIELDS = ("spi", "si", "port", "transport", "mac", "vlan", "vni", "address")
_TUNNEL_NEEDS = {
    "mac": 'add mac: "..." of the host that has address:, or of the router to it (`ip neigh`): it is not asked for',
    "address": "add address: of the tunnel's other end",
    "port": "add port: whose own address the tunnel begins at",
}
_HEX32 = re.compile(r"[0-9a-fA-F]{32}")
_MAC = re.compile(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}")
SPI_MOST, SI_MOST, VNI_MOST, VLAN_MOST, TTL_MOST = 0xFFFFFF, 255, 0xFFFFFF, 4094, 63


def read_port(reader: Reader, name: str, number: int, node: Node) -> Port:
    """A port's entry: `nsh`, `trusted`, `address`."""
    place = f"ports.{name}"
    entries = reader.map(node, place, PORT_FIELDS)
    # what cannot be read counts as the kind with which nothing else is wrong
    nsh = reader.choice(entries["nsh"], f"{place}.nsh", "vxlan-gpe", NSH_KINDS) if "nsh" in entries else None
    trusted = _boolean(reader, entries.get("trusted"), f"{place}.trusted", True)
    addresses: list[Address] = []
    if (node_of := entries.get("address")) is not None:
        items = node_of.value if isinstance(node_of.value, list) else [node_of]
        for item in items:
            address = _address(reader, item, f"{place}.address")
            if address is not None and any(address.version == other.version for other in addresses):
                reader.wrong(
                    item, f"{place}.address", f"a second IPv{address.version} address", "one of each"
                )
            elif address is not None:
                addresses.append(address)
    return Port(name, number, nsh, trusted, tuple(addresses))


def read_oam(reader: Reader, node: Node | None) -> str:
    return reader.choice(node, "oam", "drop", ("drop", "bypass"))


def read_paths(reader: Reader, node: Node | None, chains: Collection[str]) -> list[ServicePath]:
    """`paths`: (SPI, SI) to a chain."""
    seen: dict[tuple[int, int | None], int] = {}
    paths: list[ServicePath] = []
    items = reader.list(node, "paths") if node else []
    if node and len(items) > C.SEG_PATHS:
        reader.wrong(node, "paths", f"{len(items)} paths", f"at most {C.SEG_PATHS}")
    for number, item in enumerate(items[: C.SEG_PATHS]):
        place = f"paths[{number}]"
        entries = reader.map(item, place, _PATH_FIELDS)
        key = _place_in_path(reader, entries, item, place, seen)
        chain = _chain(reader, entries.get("chain"), f"{place}.chain", chains, item)
        context = _context(reader, entries.get("context"), f"{place}.context")
        if key is not None:
            paths.append(ServicePath(*key, chain, context, item.line))
    return paths


def read_next_hops(reader: Reader, node: Node | None, ports: Mapping[str, Port]) -> list[NextHop]:
    """`next_hops`: (SPI, SI) to a port, a transport and whom it is for."""
    seen: dict[tuple[int, int | None], int] = {}
    hops: list[NextHop] = []
    items = reader.list(node, "next_hops") if node else []
    if node and len(items) > C.SEG_NEXT_HOPS:
        reader.wrong(node, "next_hops", f"{len(items)} next hops", f"at most {C.SEG_NEXT_HOPS}")
    for number, item in enumerate(items[: C.SEG_NEXT_HOPS]):
        place = f"next_hops[{number}]"
        entries = reader.map(item, place, _HOP_FIELDS)
        get = entries.get
        key = _place_in_path(reader, entries, item, place, seen, 0)
        transport = reader.choice(get("transport"), f"{place}.transport", "ethernet", TRANSPORTS)
        port = _port(reader, get("port"), f"{place}.port", ports)
        mac = _mac(reader, get("mac"), f"{place}.mac")
        vlan = reader.integer(get("vlan"), f"{place}.vlan", 0, 1, VLAN_MOST) if "vlan" in entries else None
        vni = reader.integer(get("vni"), f"{place}.vni", 0, 0, VNI_MOST)
        address = _address(reader, get("address"), f"{place}.address")
        tunnel = transport == "vxlan-gpe"
        for field, remedy in _TUNNEL_NEEDS.items():
            if tunnel and field not in entries:
                reader.wrong(item, f"{place}.{field}", "nothing", f"the {field}, which vxlan-gpe needs", remedy)
        for field in ("address", "vni"):
            if field in entries and not tunnel:
                reader.wrong(
                    entries[field], f"{place}.{field}", f"{field} with {transport}", "vxlan-gpe only"
                )
        if (
            tunnel
            and address
            and port
            and all(own.version != address.version for own in ports[port].addresses)
        ):
            reader.wrong(entries["address"], f"{place}.address", str(address),
                         f"an address that port {port} can send to",
                         f"give ports.{port}.address an IPv{address.version} address")  # fmt: skip
        if key is not None and key[1] == 0 and transport != "none":
            reader.wrong(entries["si"], f"{place}.si", f"si 0 with transport {transport}",
                         "transport: none: at SI 0 a path has ended")  # fmt: skip
        if port is not None and ports[port].nsh == "none" and transport != "none":
            reader.wrong(entries["port"], f"{place}.port", f"{port}, which has nsh: none", "a port with NSH")
        if key is not None:
            hops.append(NextHop(*key, port, transport, mac, vlan, vni, address, item.line))
    return hops


def read_encap(reader: Reader, node: Node | None, place: str) -> Encap | None:
    """A rule's `encap`: what its packets leave in."""
    if node is None:
        return None
    entries = reader.map(node, place, ("spi", "si", "ttl", "context"))
    if "spi" not in entries:
        reader.wrong(node, f"{place}.spi", "nothing", "a service path identifier", "add spi:")
    spi = reader.integer(entries.get("spi"), f"{place}.spi", 0, 0, SPI_MOST)
    si = reader.integer(entries.get("si"), f"{place}.si", SI_MOST, 1, SI_MOST)
    ttl = reader.integer(entries.get("ttl"), f"{place}.ttl", TTL_MOST, 1, TTL_MOST)
    return Encap(spi, si, _context(reader, entries.get("context"), f"{place}.context"), ttl)


def leads_out(graph: Graph) -> str:
    """The port at the end of a graph's main line: every VNFC forwards to its first output."""
    outputs: dict[str, str] = {}
    for (vnfc, _), target in graph.next.items():
        outputs.setdefault(vnfc, target)
    at = graph.first
    while at in outputs:
        at = outputs[at]
    return at


def check_encaps(reader: Reader, descriptor: Descriptor) -> None:
    """No rule encapsulates what leaves by a port that has no NSH."""
    for number, rule in enumerate(descriptor.classifier):
        if rule.encap is None or not isinstance(rule.then, str) or rule.then not in descriptor.chains:
            continue
        for port in descriptor.ports if rule.port is None else [rule.port]:
            way = descriptor.chains[rule.then].graphs.get(port)
            out = leads_out(way) if isinstance(way, Graph) else None
            if out is not None and out in descriptor.ports and descriptor.ports[out].nsh == "none":
                reader.wrong((rule.line, 1), f"classifier[{number}].then.encap",
                             f"chain {rule.then} from {port} leaves by {out}, which has nsh: none",
                             "a port with NSH",
                             "say port: which of the ports the rule is for" if rule.port is None else None,
                             )  # fmt: skip


def _place_in_path(
    reader: Reader,
    entries: dict[str, Node],
    item: Node,
    place: str,
    seen: dict[tuple[int, int | None], int],
    least: int = 1,
) -> tuple[int, int | None] | None:
    """An entry's SPI and SI, of which 0 is the end of a path: no service function is there."""
    if "spi" not in entries:
        reader.wrong(item, f"{place}.spi", "nothing", "a service path identifier", "add spi:")
        return None
    before = len(reader.mistakes)
    spi = reader.integer(entries["spi"], f"{place}.spi", 0, 0, SPI_MOST)
    si = reader.integer(entries["si"], f"{place}.si", SI_MOST, least, SI_MOST) if "si" in entries else None
    if len(reader.mistakes) > before:  # no place, so no other one's either
        return None
    if (spi, si) in seen:
        found = f"spi {spi} with the same si again"
        remedy = f"it stands in line {seen[spi, si]} already"
        reader.wrong(item, place, found, "every (SPI, SI) once", remedy)
        return None
    seen[spi, si] = item.line
    return spi, si


def _boolean(reader: Reader, node: Node | None, place: str, default: bool) -> bool:
    if node is None or isinstance(node.value, bool):
        return default if node is None else node.value
    reader.wrong(node, place, f"{node.kind}: {show(node)}", "true | false")
    return default


def _chain(reader: Reader, node: Node | None, place: str, chains: Collection[str], at: Node) -> str:
    if node is None:
        reader.wrong(at, place, "nothing", "the name of a chain", suggest("", chains))
        return ""
    value = reader.string(node, place)
    if isinstance(node.value, str) and value not in chains:
        reader.wrong(node, place, show(value), "the name of a chain", suggest(value, chains))
    return value


def _port(reader: Reader, node: Node | None, place: str, ports: Mapping[str, Port]) -> str | None:
    if node is None:
        return None
    value = reader.string(node, place)
    if not isinstance(node.value, str) or value in ports:
        return value if value in ports else None
    reader.wrong(node, place, show(value), "a port", suggest(value, ports))
    return None


def _context(reader: Reader, node: Node | None, place: str) -> bytes | None:
    if node is None or node.value is None:
        return None
    text = reader.string(node, place)
    if isinstance(node.value, str) and not _HEX32.fullmatch(text):
        reader.wrong(node, place, show(text), "32 hex digits")
    return bytes.fromhex(text) if _HEX32.fullmatch(text) else None


def _mac(reader: Reader, node: Node | None, place: str) -> bytes | None:
    if node is None:
        return None
    text = reader.string(node, place)
    if not _MAC.fullmatch(text):
        if isinstance(node.value, str):
            reader.wrong(node, place, show(text), "a MAC address such as 02:00:00:00:00:01")
        return None
    return bytes.fromhex(text.replace(":", ""))


def _address(reader: Reader, node: Node | None, place: str) -> Address | None:
    if node is None:
        return None
    text = reader.string(node, place)
    if not isinstance(node.value, str):
        return None
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        reader.wrong(node, place, show(text), "an IPv4 or IPv6 address")
        return None
