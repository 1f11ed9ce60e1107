"""The SFC proxy over captures: the real forwarder, real hosts, bytes compared with the RFC's."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.rigs import nsh_frames as wire
from tests.rigs.nsh import through
from tests.rigs.nsh_frames import ETHERNET, IP4, IP6, MPLS, NSH_IN_NSH, datagram, ether, md1, md2, on_ethernet, tlv

ONE = "vnfcs:\n  one: {source: one.c}\nchain: in -> one -> out\n"
PATH = ONE + "paths:\n  - {spi: 42, chain: main}\n"
TUNNEL = "ports: {in: {nsh: vxlan-gpe}, out: {nsh: vxlan-gpe}}\n"
GROW_C = """#include <coven/vnfc.h>
VNFC_HANDLE
{
	uint8_t *at = vnfc_put(p, 4);
	if (at)
		memcpy(at, "tail", 4);
	vnfc_set_ip4_src(p, net32(0x0a000063));
	if (vnfc_push(p, 100))
		vnfc_pull(p, 100);
	p->context[0] = 0xee;
	return VNFC_FORWARD;
}
"""
LOOK_PY = """from vnfc import counter, forward
ip, ether, other = (counter(name, "packets that begin so", "packets") for name in ("ip", "ether", "other"))
def handle(packet):
    assert packet.nsh is None
    kind = ether if packet.eth else ip if packet.ip or packet.ip6 else other
    kind.add()
    return forward()
"""


def plain(size: int = 40) -> bytes:
    return ether(datagram(size=size))


KINDS = {
    "md1 ethernet": (on_ethernet, {"next": ETHERNET}, plain()),
    "md1 ip": (on_ethernet, {"next": IP4}, datagram()),
    "md1 ip6": (on_ethernet, {"next": IP6}, wire.ipv6(wire.udp(b"six"))),
    "nested": (on_ethernet, {"next": NSH_IN_NSH}, md1(spi=7) + datagram()),
    "mpls": (on_ethernet, {"next": MPLS}, b"\x00\x01\x01\x40" + datagram()),
    "unassigned bits": (on_ethernet, {"next": IP4, "unassigned": 31, "ttl": 1}, datagram()),
    "ttl 0 is an SFF's business": (on_ethernet, {"next": IP4, "ttl": 0}, datagram()),
}


def test_everything_comes_out_as_it_came_but_si(tmp_path: Path) -> None:
    cases = [(put, fields, inner) for put, fields, inner in KINDS.values()]
    came = [put(md1(si=200, **fields), inner) for put, fields, inner in cases]
    came.append(wire.on_ethernet(md1(si=200), datagram(), vlan=7))
    came.append(on_ethernet(md2(tlv(0x100, 1, b"tenant"), tlv(9, 0x80, b"", 1), si=200), datagram()))
    came.append(on_ethernet(md2(si=200), datagram()))
    # as long as MD type 1, and none
    came.append(on_ethernet(md2(tlv(0x100, 1, b"a tenant!"), si=200, next=ETHERNET), plain()))
    came.append(on_ethernet(md2(tlv(1, 1, bytes(127)), tlv(1, 2, bytes(108)), si=200), datagram()))
    came += [on_ethernet(md1(si=200, next=next), bytes(40)) for next in (IP4, IP6)]  # no IP of any kind
    expected = [packet.replace(b"\x00\x00\x2a\xc8", b"\x00\x00\x2a\xc7", 1) for packet in came]
    done = through(tmp_path, PATH, [*came, plain()])
    assert done.out["out"] == [*expected, plain()]
    assert not done.dropped and not done.out["in"]


def test_no_paths_means_every_path_and_the_classifier_sees_inside(tmp_path: Path) -> None:
    rules = "classifier:\n  - {match: 'udp src port 5', then: drop}\n  - {match: 'udp', then: main}\n"
    came = [on_ethernet(md1(spi=n, next=ETHERNET), ether(datagram(n))) for n in range(4, 8)]
    done = through(tmp_path, ONE + rules, [*came, on_ethernet(md1(spi=4), datagram(5))])
    assert done.out["out"] == [
        on_ethernet(md1(spi=n, si=254, next=ETHERNET), ether(datagram(n))) for n in (4, 6, 7)
    ]
    assert done.dropped == {"classifier.rule": 2}


def test_paths_choose_chains(tmp_path: Path) -> None:
    descriptor = """
vnfcs: {one: {source: one.c}}
chains:
  main: {in: one -> out, out: bypass:in}
  other: {in: "bypass:out", out: "bypass:in"}
  closed: {in: drop, out: drop}
paths:
  - {spi: 1, chain: main}
  - {spi: 1, si: 7, chain: other}
  - {spi: 2, si: 9, chain: closed}
"""
    came = [
        on_ethernet(md1(spi=spi, si=si), datagram()) for spi, si in ((1, 8), (1, 7), (2, 9), (2, 8), (3, 9))
    ]
    done = through(tmp_path, descriptor, came)
    assert done.out["out"] == [on_ethernet(md1(spi=1, si=si), datagram()) for si in (7, 6)]
    assert done.status["vnfcs"]["one"]["received"] == 1
    assert done.dropped == {"classifier.rule": 1, "nsh.unknown_path": 2}


@pytest.mark.parametrize("extra", ["", TUNNEL], ids=["ethernet", "vxlan-gpe"])
def test_nsh_none_makes_it_payload_like_any_other(tmp_path: Path, extra: str) -> None:
    ports = extra.replace("vxlan-gpe", "none") or "ports: {in: {nsh: none}, out: {nsh: none}}\n"
    came = [on_ethernet(md1(si=0), datagram()), wire.vxlan_gpe(md1(), datagram()), plain()]
    assert through(tmp_path, ports + ONE, came).out["out"] == came


def test_a_vnfc_may_change_length_addresses_and_context(tmp_path: Path) -> None:
    tunnels = [
        wire.vxlan_gpe(md1(), datagram(), checksum=True),
        wire.vxlan_gpe(md1(), datagram()),
        wire.vxlan_gpe(md1(), datagram(), six=True, checksum=True),
    ]
    came = [on_ethernet(md1(), datagram()), on_ethernet(md2(), datagram()), *tunnels]
    done = through(tmp_path, TUNNEL + PATH, came, one_c=GROW_C)
    inner = datagram(src="10.0.0.99") + b"tail"
    header = md1(b"\xee" + wire.CONTEXT[1:], si=254)
    assert done.out["out"] == [
        on_ethernet(header, inner),
        on_ethernet(md2(si=254), inner),
        wire.vxlan_gpe(header, inner, checksum=True),
        wire.vxlan_gpe(header, inner),
        wire.vxlan_gpe(header, inner, six=True, checksum=True),
    ]


def test_unaware_vnfcs_begin_at_the_inner_packet(tmp_path: Path) -> None:
    came = [
        on_ethernet(md1(next=kind), inner)
        for kind, inner in (
            (IP4, datagram()),
            (IP6, wire.ipv6(b"", next=59)),
            (ETHERNET, plain()),
            (NSH_IN_NSH, md1() + datagram()),
        )
    ]
    done = through(tmp_path, PATH.replace("one.c", "one.py"), came, one_py=LOOK_PY)
    assert done.status["vnfcs"]["one"]["metrics"] == {"ip": 2, "ether": 1, "other": 1}
    assert len(done.out["out"]) == 4


def test_one_armed_goes_back_to_whoever_sent_it(tmp_path: Path) -> None:
    descriptor = """
ports: {arm: {nsh: vxlan-gpe}}
vnfcs: {one: {source: one.c}}
chain: {arm: one -> arm}
paths: [{spi: 42, chain: main}]
"""
    came = [
        on_ethernet(md1(), datagram()),
        wire.vxlan_gpe(md1(), datagram(), checksum=True),
        wire.vxlan_gpe(md1(), datagram(), six=True, checksum=True),
    ]
    done = through(tmp_path, descriptor, {"arm": came}, ports=("arm",))
    header = md1(si=254)

    def swapped(packet: bytes) -> bytes:
        return packet[6:12] + packet[:6] + packet[12:]

    assert done.out["arm"] == [
        swapped(on_ethernet(header, datagram())),
        swapped(wire.vxlan_gpe(header, datagram(), checksum=True, src="192.0.2.2", dst="192.0.2.1")),
        swapped(wire.vxlan_gpe(header, datagram(), six=True, checksum=True, src="fd01::2", dst="fd01::1")),
    ]


def test_what_is_refused_has_a_name(tmp_path: Path) -> None:
    good = wire.vxlan_gpe(md1(), datagram(), checksum=True)
    broken_sum = good[:-1] + bytes([good[-1] ^ 1])
    broken_ip = good[:24] + bytes([good[24] ^ 1]) + good[25:]
    short_udp = wire.ether(wire.ipv4(wire.udp(b"\x0c\0\0\4" + bytes(3), dport=4790)))
    bad = {
        "nsh_version": [on_ethernet(md1(version=1), datagram())],
        "nsh_md_type": [on_ethernet(md1(md_type=n), datagram()) for n in (0, 3, 15)],
        "nsh_length": [
            on_ethernet(md1(words=5), datagram()),
            on_ethernet(md1(words=7), datagram()),
            on_ethernet(md1()[:20], b""),
            on_ethernet(md2(words=1), datagram()),
            on_ethernet(md2(words=63), b"x" * 50),
            on_ethernet(b"\x0f", b""),
            on_ethernet(md1(), b""),
            short_udp,
        ],
        "truncated_tlv": [
            on_ethernet(md2(b"\0\0\0\x05" + bytes(4), words=4), bytes(40)),
            on_ethernet(md2(b"\0\0\0\x7f", words=3), datagram()),
        ],
        "next_protocol": [on_ethernet(md1(next=n), datagram()) for n in (0, 6, 254, 255)],
        "si_zero": [on_ethernet(md1(si=0), datagram())],
        "unknown_path": [on_ethernet(md1(spi=41), datagram())],
        "oam": [on_ethernet(md1(oam=1), datagram())],
        "outer_checksum": [broken_sum, broken_ip],
        "outer_fragment": [wire.vxlan_gpe(md1(), datagram(), flags=0x2000)],
    }
    came = [packet for packets in bad.values() for packet in packets]
    done = through(tmp_path, TUNNEL + PATH, [*came, good])
    assert done.dropped == {f"nsh.{name}": len(packets) for name, packets in sorted(bad.items())}
    assert done.out["out"] == [wire.vxlan_gpe(md1(si=254), datagram(), checksum=True)]


def test_tunnels_of_others_pass_as_they_are(tmp_path: Path) -> None:
    ports = "ports: {in: {nsh: vxlan-gpe, address: 192.0.2.2}, out: {nsh: vxlan-gpe}}\n"
    came = [
        wire.vxlan_gpe(md1(), datagram(), dst="192.0.2.3"),
        wire.vxlan_gpe(b"", plain(), next=3),
        plain(),
        wire.vxlan_gpe(md1(), datagram(), dst="192.0.2.3", flags=0x2000),
    ]
    mine = wire.vxlan_gpe(md1(), datagram())
    done = through(tmp_path, ports + PATH, [*came, mine])
    assert done.out["out"] == [*came, wire.vxlan_gpe(md1(si=254), datagram())]


def test_oam_passes_by_unaware_vnfcs_if_so_wished(tmp_path: Path) -> None:
    done = through(tmp_path, PATH + "oam: bypass\n", [on_ethernet(md1(oam=1), datagram())])
    assert done.out["out"] == [on_ethernet(md1(oam=1, si=254), datagram())]
    assert done.status["vnfcs"]["one"]["received"] == 0


def test_oam_without_paths_asks_every_chain(tmp_path: Path) -> None:
    """The classifier could hand it to a VNFC that is not NSH-aware, whatever the first chain is."""
    text = """
vnfcs: {one: {source: one.c}, aware: {source: one.c, nsh: aware}}
chains: {first: in -> aware -> out, second: in -> one -> out}
classifier: [{match: "udp", then: second}, {then: first}]
"""
    came = [on_ethernet(md1(oam=1), datagram()), on_ethernet(md1(), datagram())]
    assert through(tmp_path / "drop", text, came).dropped == {"nsh.oam": 1}
    passed = through(tmp_path / "bypass", text + "oam: bypass\n", came)
    assert passed.out["out"] == [on_ethernet(md1(oam=oam, si=254), datagram()) for oam in (1, 0)]
    assert passed.status["vnfcs"]["one"]["received"] == 1


def test_untrusted_ports_clear_the_context_and_paths_have_a_default(tmp_path: Path) -> None:
    ports = "ports: {in: {trusted: false}, out: {}}\n"
    default = bytes(range(0xA0, 0xB0))
    paths = (
        f"paths:\n  - {{spi: 42, chain: main}}\n  - {{spi: 43, chain: main, context: '{default.hex()}'}}\n"
    )
    came = [
        on_ethernet(md1(spi=42), datagram()),
        on_ethernet(md1(spi=43), datagram()),
        on_ethernet(md2(tlv(1, 1, b"forged"), spi=42), datagram()),
    ]
    done = through(tmp_path, ports + ONE + paths, came)
    assert done.out["out"] == [
        on_ethernet(md1(bytes(16), spi=42, si=254), datagram()),
        on_ethernet(md1(default, spi=43, si=254), datagram()),
        on_ethernet(md2(spi=42, si=254), datagram()),
    ]
    trusted = through(tmp_path / "t", ONE + paths, [on_ethernet(md1(spi=43), datagram())])
    assert trusted.out["out"] == [on_ethernet(md1(spi=43, si=254), datagram())]


def test_tshark_agrees_field_by_field(tmp_path: Path) -> None:
    came = [
        on_ethernet(md1(si=9, ttl=5, next=ETHERNET), plain()),
        on_ethernet(md1(si=8), datagram(), vlan=7),
        wire.vxlan_gpe(md1(si=7, next=ETHERNET), plain(), checksum=True),
        wire.vxlan_gpe(md1(si=6), datagram(), six=True, checksum=True, vni=99),
        on_ethernet(md2(tlv(0x100, 1, b"tenant"), si=5, next=ETHERNET), plain()),
    ]
    through(tmp_path, TUNNEL + PATH, came, one_c=GROW_C)
    names = ["nsh.spi", "nsh.si", "nsh.ttl", "nsh.length", "nsh.mdtype", "nsh.nextproto", "vxlan.vni", "vlan.id"]
    names += ["nsh.contextheader", "udp.checksum.status", "ip.checksum.status"]
    checks = ["-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]
    command = ["tshark", "-n", *checks, "-r", str(tmp_path / "out-out.pcap"), "-T", "fields"]
    said = subprocess.run(
        [*command, *(word for name in names for word in ("-e", name))], capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split("\t") for line in said.splitlines()]
    shown = [[int(value, 0) if value else None for value in row[:8]] for row in rows]
    assert shown == [
        [42, 8, 5, 6, 1, 3, None, None],
        [42, 7, 63, 6, 1, 1, None, 7],
        [42, 6, 63, 6, 1, 3, 7, None],
        [42, 5, 63, 6, 1, 1, 99, None],
        [42, 4, 63, 5, 2, 3, None, None],
    ]
    context = "ee" + wire.CONTEXT.hex()[2:]
    assert [row[8].replace(",", "").replace(":", "").replace("0x", "") for row in rows[:4]] == [context] * 4
    outer = [row[9].split(",")[0] for row in rows]
    assert outer[2] == outer[3] == "1", "the tunnels' UDP checksums are right"
    assert all(status == "1" for row in rows for status in row[10].split(",") if status)
