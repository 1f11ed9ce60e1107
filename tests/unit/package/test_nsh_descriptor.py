"""What a descriptor says about NSH: read strictly, and written into the wiring."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from coven.keeper.forwarder.service_paths import ServicePaths
from coven.keeper.forwarder.wiring import Wiring, same_topology
from coven.package.descriptor import load
from itf.mistakes import Refused
from itf.segment import C, Forwarder, ffi, geometry

HEAD = 'name: n\nversion: "1"\nvnfcs:\n  a: {source: a.c, nsh: aware}\n  b: {source: a.c}\n'
TEXT = (
    HEAD
    + """
ports:
  in: {nsh: vxlan-gpe, trusted: false, address: [192.0.2.1, "fd01::1"]}
  out: {nsh: ethernet, address: 192.0.2.9}
  raw: {nsh: none}
  any: {}
chains:
  main: {in: a -> out, out: b -> a -> in, raw: "bypass:in", any: drop}
  other: {in: "bypass:out", out: drop, raw: drop, any: drop}
classifier:
  - {match: udp, then: {chain: main, encap: {spi: 7}}}
  - {match: tcp, then: {chain: other, encap: {spi: 8, si: 9, ttl: 4, context: "000102030405060708090a0b0c0d0e0f"}}}
  - {then: main}
oam: bypass
paths:
  - {spi: 2, chain: other}
  - {spi: 1, si: 5, chain: main, context: "ffffffffffffffffffffffffffffffff"}
  - {spi: 1, chain: other}
next_hops:
  - {spi: 1, si: 4, port: out, mac: "02:00:00:00:00:0a", vlan: 9}
  - {spi: 1, si: 3, port: in, transport: vxlan-gpe, mac: "02:00:00:00:00:0b", address: "fd01::2", vni: 77}
  - {spi: 0, transport: none}
  - {spi: 0, si: 0, transport: none, port: raw}
"""
)


def descriptor(folder: Path, text: str) -> Any:
    (folder / "a.c").write_text("")
    (folder / "vnf.yaml").write_text(text)
    return load(folder / "vnf.yaml", "vnf.yaml")


def filled(folder: Path, text: str) -> Any:
    slot = ffi.new("struct wiring *")
    Wiring(descriptor(folder, text)).fill(slot, 1)
    return slot


def test_ports_say_what_they_do_about_nsh(tmp_path: Path) -> None:
    slot = filled(tmp_path, TEXT)
    flags = [slot.nsh_port[n].flags for n in range(5)]
    on, tunnel = C.NSH_PORT_ON, C.NSH_PORT_ON | C.NSH_PORT_VXLAN_GPE
    addresses = C.NSH_PORT_IP4 | C.NSH_PORT_IP6
    assert flags == [tunnel | C.NSH_PORT_UNTRUSTED | addresses, on | C.NSH_PORT_IP4, 0, on, 0]
    enters = [slot.port[n].enter for n in range(4)]
    assert enters == [C.STAGE_NSH, C.STAGE_NSH, C.STAGE_CLASSIFIER, C.STAGE_NSH]
    assert bytes(slot.nsh_port[0].ip4) == bytes([192, 0, 2, 1]) and slot.nsh_port[0].ip6[15] == 1


def test_tables_are_sorted_and_paths_keep_their_counters(tmp_path: Path) -> None:
    slot = filled(tmp_path, TEXT)
    paths = [(p.spi_si, p.chain, p.counter, p.has_context) for p in slot.path[0 : slot.paths]]
    assert paths == [(1 << 8, 1, 2, 0), (1 << 8 | 5, 0, 1, 1), (2 << 8, 1, 0, 0)]
    assert bytes(slot.path[1].context) == b"\xff" * 16
    hops = [(h.spi_si, h.transport, h.port, h.vlan, h.has_mac) for h in slot.next_hop[0 : slot.next_hops]]
    assert hops == [
        (0, C.NSH_PLAIN, 2, C.VLAN_UNTAGGED, 0),
        (0, C.NSH_PLAIN, C.NSH_SAME_PORT, C.VLAN_UNTAGGED, 0),
        (1 << 8 | 3, C.NSH_VXLAN_GPE, 0, C.VLAN_UNTAGGED, 1),
        (1 << 8 | 4, C.NSH_ETHERNET, 1, 9, 1),
    ]
    assert slot.next_hop[2].ip6 == 1 and slot.next_hop[2].vni == 77 and slot.next_hop[3].mac[5] == 10
    assert [h.zero for h in slot.next_hop[0:4]] == [1, 0, 0, 0], "the end of a path comes before any other SI"
    assert slot.nsh_flags == C.NSH_OAM_BYPASS


def test_rules_and_graphs(tmp_path: Path) -> None:
    slot = filled(tmp_path, TEXT)
    assert [slot.rule[n].encap for n in range(3)] == [1, 2, 0] and slot.encaps == 2
    assert slot.encap[0].spi_si == 7 << 8 | 255 and slot.encap[1].spi_si == 8 << 8 | 9
    assert bytes(slot.encap[1].context) == bytes(range(16)) and list(slot.encap_ttl[0:2]) == [63, 4]
    aware, out = [slot.graph_aware[n] for n in range(4)], [slot.graph_exit[n] for n in range(4)]
    assert aware == [1, 0, 1, 1] and out == [C.STAGE_PORT + 1, C.STAGE_PORT, C.STAGE_PORT, C.STAGE_DROP]


def test_no_paths_is_any_path(tmp_path: Path) -> None:
    slot = filled(tmp_path, HEAD + "chain: in -> a -> out\n")
    assert slot.nsh_flags == C.NSH_ANY_PATH and slot.port[0].enter == C.STAGE_NSH


@pytest.mark.parametrize(
    ("text", "field", "found"),
    [
        ("ports: {in: {trusted: 1}, out: {}}", "ports.in.trusted", "an integer: 1"),
        ("ports: {in: {address: 1.2.3}, out: {}}", "ports.in.address", '"1.2.3"'),
        ("ports: {in: {address: [1.2.3.4, 1.2.3.5]}, out: {}}", "ports.in.address", "a second IPv4 address"),
        ("oam: maybe", "oam", '"maybe"'),
        ("paths: [{spi: 1, si: 0, chain: main}]", "paths[0].si", "0"),
        ("paths: [{spi: 1, chain: main}, {spi: 1, chain: main}]", "paths[1]", "spi 1 with the same si again"),
        ("next_hops: [{si: 3}]", "next_hops[0].spi", "nothing"),
        ("next_hops: [{spi: 1, port: ot}]", "next_hops[0].port", '"ot"'),
        ("next_hops: [{spi: 1, mac: 02-00-00-00-00-01}]", "next_hops[0].mac", '"02-00-00-00-00-01"'),
        ("next_hops: [{spi: 1, vni: 5}]", "next_hops[0].vni", "vni with ethernet"),
        ("next_hops: [{spi: 1, vlan: 4095}]", "next_hops[0].vlan", "4095"),
        (
            "next_hops: [{spi: 1, port: out, transport: vxlan-gpe, "
            'mac: "02:00:00:00:00:01", address: 10.0.0.1}]',
            "next_hops[0].address",
            "10.0.0.1",
        ),
        (
            "next_hops: [{spi: 1, port: out, transport: vxlan-gpe, address: 10.0.0.1}]",
            "next_hops[0].mac",
            "nothing",
        ),
        (
            "ports: {in: {}, out: {nsh: none}}\nnext_hops: [{spi: 1, port: out}]",
            "next_hops[0].port",
            "out, which has nsh: none",
        ),
        ("next_hops: [{spi: 1, si: 0}]", "next_hops[0].si", "si 0 with transport ethernet"),
        ("paths: [{spi: 1, si: 0, chain: main}]", "paths[0].si", "0"),
        ("classifier: [{then: {chain: main, encap: {spi: 3, ttl: 64}}}]", "classifier[0].then.encap.ttl", "64"),
        ("classifier: [{then: {chain: main, encap: {si: 3}}}]", "classifier[0].then.encap.spi", "nothing"),
        ("classifier: [{then: {chain: drop, encap: {spi: 3}}}]", "classifier[0].then.chain", '"drop"'),
        (
            "ports: {in: {}, out: {nsh: none}}\nclassifier: [{then: {chain: main, encap: {spi: 3}}}]",
            "classifier[0].then.encap",
            "chain main from in leaves by out, which has nsh: none",
        ),
        ("classifier: [{then: {encap: {spi: 3}}}]", "classifier[0].then.chain", "nothing"),
        (
            "classifier: [{then: {chain: main, encap: {spi: 3, context: 12}}}]",
            "classifier[0].then.encap.context",
            "an integer: 12",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, field: str, found: str) -> None:
    with pytest.raises(Refused) as refused:
        descriptor(tmp_path, HEAD + "chain: in -> a -> out\n" + text + "\n")
    said = {mistake.field: mistake.found for mistake in refused.value.mistakes}
    assert said.get(field) == found, said


def test_a_mistake_brings_no_others_with_it(tmp_path: Path) -> None:
    text = """
ports: {in: {nsh: gpe}, out: {}}
paths: [{spi: 16777216, chain: main}, {spi: -1, chain: main}, {spi: 0, chain: main}, {spi: 7, si: 256, chain: main}]
next_hops: [{spi: 1, port: in}, {spi: 2, transport: vxlan-gpe}]
"""
    with pytest.raises(Refused) as refused:
        descriptor(tmp_path, HEAD + "chain: in -> a -> out\n" + text)
    fields = ["ports.in.nsh", "paths[0].spi", "paths[1].spi", "paths[3].si"]
    fields += [f"next_hops[1].{field}" for field in ("mac", "address", "port")]
    assert [mistake.field for mistake in refused.value.mistakes] == fields


def test_another_table_keeps_the_figures_of_what_stays(tmp_path: Path) -> None:
    table = ServicePaths(descriptor(tmp_path, TEXT))
    segment = Forwarder.make(geometry(4, 2048))
    try:
        segment.head.nsh_path[1].packets = 5
        segment.head.nsh_path[0].packets = 3
        table.replace([{"spi": 1, "si": 5, "chain": "other"}, {"spi": 9, "chain": "main"}], segment)
        assert [(row["spi"], row["packets"]) for row in table.document(segment)] == [(1, 5), (9, 0)]
        table.replace([{"spi": 2, "chain": "main", "packets": 9, "bytes": 1}], segment)
        assert table.document(segment)[0]["packets"] == 0, "another path's figures are not taken over"
        table.replace([], segment)
        slot = ffi.new("struct wiring *")
        table.fill(slot, [])
        assert slot.paths == 0 and slot.nsh_flags == C.NSH_OAM_BYPASS, "an empty table knows no path"
    finally:
        segment.close()


def test_another_path_table_is_no_other_topology(tmp_path: Path) -> None:
    one = filled(tmp_path, TEXT)
    other = filled(tmp_path, TEXT.replace("spi: 2,", "spi: 3,"))
    assert same_topology(one, other)
    assert not same_topology(one, filled(tmp_path, TEXT.replace("vlan: 9", "vlan: 8")))
