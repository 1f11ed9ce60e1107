"""The other ends of a service path, over captures: classifier, forwarder, end."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rigs import nsh_frames as wire
from tests.rigs.nsh import through
from tests.rigs.nsh_frames import ETHERNET, IP4, datagram, ether, md1, md2, on_ethernet

NEXT = bytes.fromhex("0200000000aa")
CLASSIFY = """
vnfcs: {one: {source: one.c}}
chain: in -> one -> out
classifier:
  - match: "udp src port 1"
    then: {chain: main, encap: {spi: 42, si: 200, context: "101112131415161718191a1b1c1d1e1f"}}
  - {match: "udp src port 2", then: {chain: main, encap: {spi: 43}}}
  - {match: "udp src port 4", then: {chain: main, encap: {spi: 43, ttl: 5}}}
  - {then: main}
"""
MARK_C = "#include <coven/vnfc.h>\nVNFC_HANDLE { p->context[0] = 7; return VNFC_FORWARD; }\n"


def test_a_rule_encapsulates_what_vnfcs_have_done(tmp_path: Path) -> None:
    came = [ether(datagram(n)) for n in (1, 2, 3, 4)]
    done = through(tmp_path, CLASSIFY, came, one_c=MARK_C)
    marked, blank = bytes([7]) + wire.CONTEXT[1:], bytes([7]) + bytes(15)
    assert done.out["out"] == [
        on_ethernet(md1(marked, si=200, next=ETHERNET), came[0]),
        on_ethernet(md1(blank, spi=43, si=255, next=ETHERNET), came[1]),
        came[2],
        on_ethernet(md1(blank, spi=43, si=255, ttl=5, next=ETHERNET), came[3]),
    ]


def test_a_rule_reclassifies_what_has_nsh_already(tmp_path: Path) -> None:
    came = [on_ethernet(md1(spi=9, si=3), datagram(n)) for n in (2, 3)]
    came.append(on_ethernet(md1(spi=9, si=3, ttl=7, unassigned=31), datagram(4)))
    done = through(tmp_path, CLASSIFY, came)
    assert done.out["out"] == [
        on_ethernet(md1(bytes(16), spi=43, si=255), datagram(2)),
        on_ethernet(md1(spi=9, si=2), datagram(3)),
        # section 3: TTL and unassigned bits go over from the header that is replaced
        on_ethernet(md1(bytes(16), spi=43, si=255, ttl=7, unassigned=31), datagram(4)),
    ]


FORWARD = """
ports:
  in: {nsh: vxlan-gpe}
  out: {nsh: vxlan-gpe, address: ["192.0.2.1", "fd01::1"]}
  end: {}
vnfcs: {one: {source: one.c}}
chain: {in: one -> out, out: "bypass:in", end: "bypass:in"}
paths: [{spi: 42, si: 9, chain: main}]
next_hops:
  - {spi: 42, si: 8, port: out, mac: "02:00:00:00:00:aa", vlan: 7}
  - {spi: 42, si: 7, port: out, transport: vxlan-gpe, mac: "02:00:00:00:00:aa", address: 192.0.2.2, vni: 7}
  - {spi: 42, si: 6, port: out, transport: vxlan-gpe, mac: "02:00:00:00:00:aa", address: "fd01::2", vni: 7}
  - {spi: 42, si: 5, port: end, transport: none}
  - {spi: 43, transport: none, port: end, mac: "02:00:00:00:00:aa"}
  - {spi: 44}
"""


def retargeted(packet: bytes) -> bytes:
    return NEXT + packet[6:]


def sent_back(packet: bytes) -> bytes:
    """Without a MAC address of the next hop, what goes back goes to whoever it came from."""
    return packet[6:12] + packet[:6] + packet[12:]


def without_sport(packet: bytes) -> bytes:
    """A tunnel's packet with its source port, which is ours to choose, and the checksum blanked."""
    at = 54 if packet[12:14] == b"\x86\xdd" else 34
    assert packet[at] >= 0xC0
    return packet[:at] + bytes(2) + packet[at + 2 : at + 6] + bytes(2) + packet[at + 8 :]


def test_packets_go_by_their_place_in_the_path(tmp_path: Path) -> None:
    inner = ether(datagram())
    header = {si: md1(si=si, ttl=10, next=ETHERNET) for si in range(4, 10)}
    sent = {si: md1(si=si, ttl=9, next=ETHERNET) for si in range(4, 10)}
    came = [on_ethernet(header[si], inner) for si in (9, 8)]
    done = through(tmp_path / "vlan", FORWARD, came, ports=("in", "out", "end"))
    assert done.out["out"] == [retargeted(on_ethernet(sent[8], inner, vlan=7))] * 2
    assert done.status["vnfcs"]["one"]["received"] == 1, "what only passes through is nobody's business"
    told: list[str] = []
    through(tmp_path / "told", FORWARD, came, ports=("in", "out", "end"), told=told)
    assert [line.split("in: ")[1] for line in told] == ["one forward -> out", "bypass -> out"]
    came = [on_ethernet(header[si], inner) for si in (7, 6)]
    done = through(tmp_path / "tunnel", FORWARD, came, ports=("in", "out", "end"))
    four, six = done.out["out"]
    like = wire.vxlan_gpe(sent[7], inner, src="192.0.2.1", dst="192.0.2.2")
    assert (
        len(four) == len(like)
        and without_sport(four)[42:] == without_sport(retargeted(like)[:34] + b"\xff" + like[35:])[42:]
    )
    assert wire.ones(four[14:34]) == 0 and four[20:22] == b"\x40\x00" and four[:6] == NEXT
    like = wire.vxlan_gpe(sent[6], inner, six=True, src="fd01::1", dst="fd01::2")
    assert without_sport(six)[62:] == like[62:] and six[22:54] == like[22:54] and six[:6] == NEXT
    pseudo = six[22:54] + (len(six) - 54).to_bytes(4, "big") + (17).to_bytes(4, "big")
    assert six[60:62] != b"\0\0" and wire.ones(pseudo + six[54:]) == 0


def test_a_path_ends_where_the_table_says(tmp_path: Path) -> None:
    came = [
        on_ethernet(md1(si=5, next=ETHERNET), ether(datagram(1))),
        wire.vxlan_gpe(md1(spi=43, next=IP4), datagram(2)),
        on_ethernet(md1(spi=43, next=ETHERNET), ether(datagram(3))),
    ]
    done = through(tmp_path, FORWARD, came, ports=("in", "out", "end"))
    first, second, third = done.out["end"]
    assert (first, third) == (ether(datagram(1)), ether(datagram(3)))
    assert second[:6] == NEXT and second[12:] == ether(datagram(2))[12:]


def test_a_path_may_end_at_si_0(tmp_path: Path) -> None:
    """Section 2.3: after the last service function SI is 0, and only the forwarder where the path ends takes it."""
    ends = FORWARD.replace(
        "  - {spi: 44}\n",
        "  - {spi: 44}\n  - {spi: 50, si: 0, port: end, transport: none}\n  - {spi: 50, port: out}\n",
    ).replace("paths: [", "paths: [{spi: 50, si: 1, chain: main}, ")
    came = [
        on_ethernet(md1(spi=50, si=1, next=ETHERNET), ether(datagram(1))),
        on_ethernet(md1(spi=50, si=0, next=ETHERNET), ether(datagram(2))),
        on_ethernet(md1(spi=43, si=0, next=ETHERNET), ether(datagram(3))),
        on_ethernet(md1(spi=50, si=2, ttl=9), datagram(4)),
        on_ethernet(md1(spi=44, si=0), datagram(5)),
        on_ethernet(md1(spi=51, si=0), datagram(6)),
    ]
    done = through(tmp_path, ends, came, ports=("in", "out", "end"))
    assert sorted(done.out["end"]) == [ether(datagram(n)) for n in (1, 2, 3)]
    assert done.out["out"] == [on_ethernet(md1(spi=50, si=2, ttl=8), datagram(4))]
    assert done.dropped == {"nsh.si_zero": 2} and done.status["vnfcs"]["one"]["received"] == 1


def test_oam_is_not_forwarded_unless_so_wished(tmp_path: Path) -> None:
    came = [on_ethernet(md1(spi=44, oam=1, ttl=9), datagram())]
    dropped = through(tmp_path / "drop", FORWARD, came, ports=("in", "out", "end"))
    assert dropped.dropped == {"nsh.oam": 1}
    passed = through(tmp_path / "bypass", FORWARD + "oam: bypass\n", came, ports=("in", "out", "end"))
    assert passed.out["in"] == [sent_back(on_ethernet(md1(spi=44, oam=1, ttl=8), datagram()))]


def test_the_edge_of_a_domain_takes_no_nsh_from_outside(tmp_path: Path) -> None:
    """Section 8.1: at a port with `nsh: none` a rule sees the headers that came."""
    edge = """
ports: {in: {nsh: none}, out: {}}
vnfcs: {one: {source: one.c}}
chain: in -> one -> out
classifier:
  - {match: "ether proto 0x894f or udp dst port 4790", port: in, then: drop}
  - {then: main}
"""
    came = [on_ethernet(md1(), datagram()), wire.vxlan_gpe(md1(), datagram()), ether(datagram())]
    done = through(tmp_path, edge, [*came, on_ethernet(md1(), datagram(), vlan=7)])
    assert done.out["out"] == [ether(datagram())] and done.dropped == {"classifier.rule": 3}


@pytest.mark.parametrize("end", ["chain", "next hop"])
def test_what_is_no_ethernet_gets_a_header_of_it_where_nsh_ends(tmp_path: Path, end: str) -> None:
    """Bare IP and MPLS cannot be sent as they are; NSH in NSH does not leave the domain."""
    ports = "ports: {in: {nsh: vxlan-gpe}, out: {nsh: none}}\n"
    rest = "vnfcs: {one: {source: one.c}}\nchain: in -> one -> out\n"
    hops = "next_hops: [{spi: 42, port: out, transport: none, mac: '02:00:00:00:00:aa', vlan: 9}]\n"
    label, two = bytes.fromhex("00064140"), wire.ipv6(wire.udp(b"x"))
    came = [
        on_ethernet(md1(), datagram(1)),
        on_ethernet(md2(next=wire.IP6), two, vlan=7),
        wire.vxlan_gpe(md1(next=wire.MPLS), label + datagram(3)),
        on_ethernet(md1(next=ETHERNET), ether(datagram(4))),
        on_ethernet(md1(next=wire.NSH_IN_NSH), md1() + datagram(5)),
    ]
    done = through(tmp_path, ports + rest + (hops if end == "next hop" else ""), came)
    sent = [ether(datagram(1)), ether(two, 0x86DD), ether(label + datagram(3), 0x8847), ether(datagram(4))]
    if end == "next hop":
        sent = [
            ether(datagram(1), vlan=9, dst=NEXT),
            ether(two, 0x86DD, vlan=9, dst=NEXT),
            ether(label + datagram(3), 0x8847, vlan=9, dst=NEXT),
            ether(datagram(4)),  # has its own
        ]
    assert done.out["out"] == sent and done.dropped == {"nsh.no_next_hop": 1}


def test_ttl_goes_down_once_and_from_zero_to_63(tmp_path: Path) -> None:
    came = [on_ethernet(md1(spi=44, ttl=ttl, unassigned=31), datagram()) for ttl in (2, 1, 0)]
    came.append(on_ethernet(md2(spi=44, ttl=63), datagram()))
    done = through(tmp_path, FORWARD, came, ports=("in", "out", "end"))
    assert done.out["in"] == [
        sent_back(on_ethernet(md1(spi=44, ttl=ttl, unassigned=31), datagram())) for ttl in (1, 63)
    ] + [sent_back(on_ethernet(md2(spi=44, ttl=62), datagram()))]
    assert done.dropped == {"nsh.ttl_expired": 1}


def test_no_way_on_has_a_name(tmp_path: Path) -> None:
    alone = FORWARD.replace(
        "{spi: 42, si: 9, chain: main}", "{spi: 45, chain: main}, {spi: 42, si: 9, chain: main}"
    )
    came = [
        on_ethernet(md1(spi=45), datagram()),
        on_ethernet(md1(spi=46), datagram()),
        on_ethernet(md1(spi=44, si=0), datagram()),
    ]
    done = through(tmp_path, alone, came, ports=("in", "out", "end"))
    assert done.dropped == {"nsh.no_next_hop": 1, "nsh.unknown_path": 1, "nsh.si_zero": 1}
