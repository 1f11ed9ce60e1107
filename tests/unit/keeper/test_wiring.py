"""Descriptors as struct wiring: numbers, graphs, rules and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from coven.keeper.forwarder.wiring import HopState, PortState, Wiring, joins, quota, same_topology
from coven.package.descriptor import load
from coven.package.filters import NEVER, compile_match
from itf.mistakes import Refused
from itf.segment import C, ffi, text

OPEN = """
name: wired
version: "1"
ports: {in: {}, out: {}, spare: {}}
vnfcs:
  a: {source: a.c, outputs: [next, suspect]}
  b: {source: b.c, hold_max: 4000, on_failure: bypass, nsh: aware}
chains:
  main:
    in:
      - a -> b -> out
      - a[suspect] -> spare
    out: bypass:in
    spare: drop
  other:
    in: b -> spare
    out: b -> in
    spare: bypass:out
classifier:
  - {match: "udp port 53", port: in, vlan: 7, then: other}
  - {match: "arp", then: "bypass:spare"}
  - {vlan: 9, then: drop}
  - {then: main}
"""

LINE = """
name: line
version: "1"
vnfcs:
  a: {source: a.c}
  b: {source: b.c}
chain: in -> a -> b -> out
"""


def written(folder: Path, descriptor: str) -> Path:
    for name in "abc":
        (folder / f"{name}.c").write_text("")
    path = folder / "vnf.yaml"
    path.write_text(descriptor)
    return path


def filled(folder: Path, descriptor: str) -> tuple[Wiring, Any]:
    wiring = Wiring(load(written(folder, descriptor)))
    slot = ffi.new("struct wiring *")
    wiring.fill(slot, 3)
    return wiring, slot


def test_a_line_is_wired_in_both_directions(tmp_path: Path) -> None:
    _, slot = filled(tmp_path, LINE)
    assert (slot.epoch, slot.ports, slot.hops, slot.graphs, slot.rules) == (3, 2, 2, 2, 0)
    assert [slot.graph_of[0][0], slot.graph_of[0][1], slot.graph_of[0][2]] == [0, 1, 255]
    for graph, egress in ((0, 1), (1, 0)):
        assert slot.first[graph] == C.STAGE_HOP
        assert slot.graph_port[graph] == 1 - egress
        assert slot.next[graph][0][0] == C.STAGE_HOP + 1
        assert slot.next[graph][1][0] == C.STAGE_PORT + egress
        assert slot.next[graph][0][1] == slot.next[graph][2][0] == C.STAGE_NONE
    assert [slot.emit_graph[1][0], slot.emit_graph[1][1], slot.emit_graph[1][2]] == [0, 1, 255]
    assert text(slot.hop[1].name) == "b" and text(slot.port[1].name) == "out"


def test_graphs_of_several_chains(tmp_path: Path) -> None:
    _, slot = filled(tmp_path, OPEN)
    assert slot.graphs == 6
    main, to_in, dropped, other = (
        slot.graph_of[0][0],
        slot.graph_of[0][1],
        slot.graph_of[0][2],
        slot.graph_of[1][0],
    )
    assert slot.next[main][0][1] == C.STAGE_PORT + 2
    assert slot.first[to_in] == C.STAGE_PORT
    assert slot.first[dropped] == C.STAGE_DROP
    assert slot.first[other] == C.STAGE_HOP + 1
    assert slot.emit_graph[1][0] == main, "the first chain that has the VNFC"
    assert slot.emit_graph[0][1] == 255, "no chain leads from out to a"


def test_rules(tmp_path: Path) -> None:
    _, slot = filled(tmp_path, OPEN)
    dns, arp, vlan, rest = (slot.rule[i] for i in range(4))
    assert slot.rules == 4
    assert (dns.action, dns.target, dns.ports, dns.vlan) == (C.RULE_CHAIN, 1, 0b001, 7)
    assert (arp.action, arp.target, arp.ports, arp.vlan) == (C.RULE_BYPASS, 2, 0b111, C.VLAN_ANY)
    assert (vlan.action, vlan.vlan, vlan.ethernet_len) == (C.RULE_DROP, 9, 0)
    assert (rest.action, rest.target, rest.ethernet_len, rest.ip_len) == (C.RULE_CHAIN, 0, 0, 0)
    match = compile_match("udp port 53")
    cells = [slot.insn[dns.ethernet_at + i] for i in range(dns.ethernet_len)]
    assert tuple((c.code, c.jt, c.jf, c.k) for c in cells) == match.ethernet
    assert dns.ip_at == dns.ethernet_at + dns.ethernet_len and dns.ip_len == len(match.ip)
    assert arp.ethernet_at == dns.ip_at + dns.ip_len


def test_bypass_to_the_other_port_is_a_rule_for_each(tmp_path: Path) -> None:
    _, slot = filled(tmp_path, LINE + 'classifier: [{match: "arp", then: bypass}, {then: main}]\n')
    assert slot.rules == 3
    assert [(slot.rule[i].ports, slot.rule[i].target) for i in (0, 1)] == [(1, 1), (2, 0)]
    assert slot.rule[0].ethernet_at == slot.rule[1].ethernet_at, "one program for both"


def test_an_ethernet_expression_never_matches_bare_ip() -> None:
    assert compile_match("ether host 02:00:00:00:00:01").ip == NEVER


def test_every_wrong_expression_is_refused_with_its_line(tmp_path: Path) -> None:
    rules = 'classifier:\n  - {match: "udp prot 53", then: main}\n  - {match: "tcp[", then: main}\n'
    with pytest.raises(Refused) as refused:
        Wiring(load(written(tmp_path, LINE + rules)))
    assert [(m.line, m.field) for m in refused.value.mistakes] == [
        (9, "classifier[0].match"),
        (10, "classifier[1].match"),
    ]


def test_too_many_instructions_are_refused(tmp_path: Path) -> None:
    long = " or ".join(f"host 10.0.{i // 250}.{i % 250}" for i in range(900))
    rules = f'classifier:\n  - {{match: "{long}", then: main}}\n  - {{match: "not ({long})", then: main}}\n'
    with pytest.raises(Refused, match="instructions"):
        Wiring(load(written(tmp_path, LINE + rules)))


def test_ports_and_hops_as_they_stand(tmp_path: Path) -> None:
    wiring = Wiring(load(written(tmp_path, OPEN)))
    wiring.ports["out"] = PortState(C.PORT_AF_XDP, 4, 1500, 7, 2, b"\2\0\0\0\0\1", C.LINK_ETHERNET, [5, 6])
    wiring.hops["b"] = HopState(C.HOP_UP, 9, 1)
    slot = ffi.new("struct wiring *")
    wiring.fill(slot, 1)
    port, hop = slot.port[1], slot.hop[1]
    assert (port.kind, port.generation, port.ifindex, port.queues, port.has_mac) == (
        C.PORT_AF_XDP,
        4,
        7,
        2,
        1,
    )
    assert bytes(port.mac) == b"\2\0\0\0\0\1" and [port.parameter[0], port.parameter[1]] == [5, 6]
    assert (hop.state, hop.generation, hop.lost_reason, hop.aware) == (C.HOP_UP, 9, 1, 1)
    assert (hop.quota, hop.on_failure) == (4512, C.FAILURE_BYPASS)
    assert slot.port[0].kind == C.PORT_NONE and slot.hop[0].state == C.HOP_DOWN


def test_quota() -> None:
    assert quota(1024) == 2048 and quota(4000) == 4512


def test_states_are_no_topology(tmp_path: Path) -> None:
    wiring, before = filled(tmp_path, LINE)
    wiring.hops["a"] = HopState(C.HOP_UP, 1)
    after = ffi.new("struct wiring *")
    wiring.fill(after, 4)
    assert same_topology(before, after)
    _, other = filled(tmp_path, OPEN)
    assert not same_topology(before, other)


def test_a_line_from_one_capture_to_one_needs_no_lockstep(tmp_path: Path) -> None:
    line = load(written(tmp_path, LINE))
    assert not joins(line, read=["in"], written=["out"])
    assert joins(line, read=["in"], written=["in", "out"]), "both VNFCs may send back to in"


def test_a_join_needs_lockstep(tmp_path: Path) -> None:
    joined = """
name: joined
version: "1"
vnfcs:
  a: {source: a.c, outputs: [next, suspect]}
  b: {source: b.c}
  c: {source: c.c}
chain:
  in:
    - a -> c -> out
    - a[suspect] -> b -> c
  out: c -> in
"""
    assert joins(load(written(tmp_path, joined)), read=["in"], written=[])


def test_opposite_orders_need_lockstep(tmp_path: Path) -> None:
    reverse = LINE.replace("chain: in", "chain: {reversed: in").replace("-> out", "-> out}")
    line = load(written(tmp_path, reverse))
    assert not joins(line, read=["in"], written=[])
    assert joins(line, read=["in", "out"], written=[])
