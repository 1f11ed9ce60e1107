"""Packets and bursts as an author of a Python VNFC sees them."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Dot1Q
from scapy.packet import Raw

from itf.segment import C
from tests.rigs.python_host import ETHER, MAC9, REASON, complete, host, one, tcp, verdicts

# ---- looking ---------------------------------------------------------------------------------------------


LOOKS = [
    ("p.ip.src, p.ip.dst, p.ip.ttl, p.ip.proto, p.ip.len", ["10.0.0.1", "10.0.0.2", 64, 6, 45]),
    ("p.tcp.sport, p.tcp.dport, p.tcp.syn, p.tcp.fin, p.tcp.flags", [1000, 80, True, False, 2]),
    ("p.eth.src, p.eth.dst, p.eth.type", ["02:00:00:00:00:01", "02:00:00:00:00:02", 0x800]),
    ("p.udp, p.ip6, p.arp, p.icmp, p.vlan, p.nsh", [None] * 6),
    ("p.payload, len(p), p.len, p.port, p.mark", [b"hello".hex(), 59, 59, 3, 0]),
    ("p.data[:6], p.context", ["020000000002", "07" + "00" * 15]),
    ("p.time == 1.5, p.ip.src_u32, p.ip.checksum > 0", [True, 0x0A000001, True]),
    ("p.scapy()['TCP'].dport, p.scapy().time", [80, 1.5]),
    ("p.scapy('network')['IP'].dst == p.ip.dst, p.scapy('network').name", [True, "IP"]),
    ("p.scapy('transport').dport, bytes(p.scapy('transport').payload) == p.payload", [80, True]),
]


@pytest.mark.parametrize(("expression", "values"), LOOKS)
def test_looking_at_a_packet(tmp_path: Path, expression: str, values: list[Any]) -> None:
    text = f"""
seen = []
@request("seen")
def answer(): return seen
def handle(p):
    global seen
    seen = [bytes(v) if isinstance(v, memoryview) else v for v in ({expression},)]
    return forward()
"""
    with host(tmp_path, text) as running:
        one(running, port=3, context=b"\x07", time_ns=1_500_000_000)
        assert running.ask("request", name="seen", args=[])["value"] == values


def test_other_headers(tmp_path: Path) -> None:
    text = """
@request
def seen(): return out
def handle(p):
    global out
    if p.vlan: out = [p.vlan.id, p.vlan.priority, hex(p.vlan.type)]
    elif p.arp: out = [p.arp.op, p.arp.psrc, p.arp.hwsrc]
    elif p.icmp: out = [p.icmp.type, p.icmp.id, p.icmp.seq]
    elif p.ip6: out = [p.ip6.src, p.ip6.hop_limit, p.udp.dport, p.payload]
    return forward()
"""
    cases = [
        (ETHER / Dot1Q(vlan=7, prio=3) / IP() / UDP(), [7, 3, "0x800"]),
        (ETHER / ARP(op=2, psrc="192.0.2.9", hwsrc="02:00:00:00:00:09"), [2, "192.0.2.9", MAC9]),
        (ETHER / IP() / ICMP(type=8, id=5, seq=6), [8, 5, 6]),
        (ETHER / IPv6(src="2001:db8::1", hlim=9) / UDP(dport=53) / Raw(b"x"), ["2001:db8::1", 9, 53, "78"]),
    ]
    with host(tmp_path, text) as running:
        for packet, expected in cases:
            one(running, bytes(packet))
            assert running.ask("request", name="seen", args=[])["value"] == expected


def test_flow_is_the_same_in_both_directions(tmp_path: Path) -> None:
    text = "flows = set()\n@request\ndef n(): return len(flows)\n"
    text += "def handle(p):\n    flows.add(p.flow)\n    return forward()\n"
    there = tcp()
    back = bytes(ETHER / IP(src="10.0.0.2", dst="10.0.0.1") / TCP(sport=80, dport=1000))
    with host(tmp_path, text) as running:
        running.send(there, back, tcp(81), bytes(ETHER / ARP()))
        running.collect(4)
        assert running.ask("request", name="n", args=[])["value"] == 3  # None for ARP


# ---- changing --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        "p.ip.src = '192.0.2.7'; p.tcp.dport = 8080",
        "p.ip.ttl -= 1",
        "p.ip.dst = bytes([1, 2, 3, 4]); p.ip.dscp = 9",
        "p.tcp.syn = False; p.tcp.flags |= 16; p.tcp.seq = 2**32 - 1",
        "p.data[-1] = 0x21; p.fix_checksums()",
        "p.ip.id = 7; p.ip.frag = 0",
        "import ipaddress; p.ip.src = ipaddress.ip_address('192.0.2.1')",
    ],
)
def test_assignment_keeps_checksums(tmp_path: Path, change: str) -> None:
    with host(tmp_path, f"def handle(p):\n    {change}\n    return forward()\n") as running:
        sent = tcp()
        back = one(running, sent)
        assert back.verdict == C.VERDICT_FORWARD, running.close()
        assert back.data != sent
        assert back.data == complete(back.data)


@pytest.mark.parametrize(
    "change",
    ["p.ip.src = '1.2.3'", "p.tcp.dport = 65536", "p.ip.ttl = -1", "p.eth.src = 'x'", "p.ip.dst = 2**32",
     "del p.ip.ttl", "p.mark = 2**32", "p.context = b'x'", "p.replace('text')", "p.push(5000)", "p.trim(-1)",
     "p.put(b'x' * 5000)", "p.pull(60)", "p.tcp.nothing", "p.payload = b''", "emit(p)", "release(p)",
     "p.tcp.dport = '80'"],
)  # fmt: skip
def test_nonsense_changes_raise_and_change_nothing(tmp_path: Path, change: str) -> None:
    with host(tmp_path, f"def handle(p):\n    {change}\n    return forward()\n") as running:
        back = one(running)
        assert (back.verdict, back.arg) == (C.VERDICT_DROP, REASON["exception"])
        assert back.data == tcp()


def test_head_and_tail(tmp_path: Path) -> None:
    text = """
def handle(p):
    p.push(b"outer header")
    assert p.ip is None
    p.pull(12)
    assert p.tcp.dport == 80
    p.put(b"!!")
    p.put(2)
    p.trim(p.len - 1)
    p.push(3)
    return forward()
"""
    with host(tmp_path, text) as running:
        back = one(running)
        assert back.data == b"\0\0\0" + tcp() + b"!!\0", running.close()


def test_a_change_before_a_push_is_put_right_in_the_inner_packet(tmp_path: Path) -> None:
    text = "def handle(p):\n    p.ip.ttl = 3\n    p.push(b'x' * 20)\n    return forward()\n"
    with host(tmp_path, text) as running:
        back = one(running)
        assert back.data[20:] == complete(back.data[20:])


def test_replace_by_scapy_and_by_bytes(tmp_path: Path) -> None:
    text = """
def handle(p):
    s = p.scapy()
    if s.haslayer("TCP"):
        s["TCP"].dport = 443
        del s["TCP"].chksum
        p.replace(s)
        assert p.tcp.dport == 443
    else:
        p.replace(b"short")
    return forward()
"""
    with host(tmp_path, text) as running:
        assert one(running).data == tcp(443), running.close()
        assert one(running, bytes(ETHER / ARP())).data == b"short"


def test_mark_and_context_go_back(tmp_path: Path) -> None:
    text = "def handle(p):\n    p.mark = 0xdeadbeef\n    p.context[2] = 9\n"
    text += "    if p.len > 60: p.context = bytes(range(16))\n    return forward()\n"
    with host(tmp_path, text) as running:
        back = one(running)
        assert (back.mark, back.context[:3]) == (0xDEADBEEF, b"\0\0\x09")
        assert one(running, tcp(payload=b"x" * 99)).context == bytes(range(16))


# ---- bursts ----------------------------------------------------------------------------------------------


def test_burst_verdicts_and_columns(tmp_path: Path) -> None:
    text = """
telnet = reason("telnet")
kept = []
@request
def seen(): return [kept[0], kept[1]]
def handle_burst(b):
    import numpy
    assert not b.dport.flags.writeable
    kept.append([b.n, b.length, b.ip_src, b.ip_dst, b.proto, b.sport, b.dport, b.is_ip, b.is_ip6,
                 b.is_tcp, b.is_udp, b.u8(23), b.u16(12), b.u32(26), b.u8(5000)])
    b.drop(b.is_tcp & (b.dport == 23), telnet)
    b.forward(b.is_udp, "other")
    b.back(b.length == 42)
    b.set_context(b.is_tcp, 3, 7)
    for i in numpy.flatnonzero(b.is_ip6):
        b[i].ip6.hop_limit = 3
"""
    packets = [
        tcp(80),
        tcp(23),
        bytes(ETHER / IP(src="1.2.3.4", dst="5.6.7.8") / UDP(sport=53, dport=54) / Raw(b"x")),
        bytes(ETHER / ARP()),
        bytes(ETHER / IPv6() / TCP(dport=443)),
    ]
    with host(tmp_path, text, outputs=("next", "other")) as running:
        running.send(*packets)
        back = running.collect(5)
        assert verdicts(back) == [(1, 0), (2, C.REASON_DECLARED), (1, 1), (1, C.OUTPUT_BACK), (1, 0)]
        assert [b.context[3] for b in back] == [7, 7, 0, 0, 7]
        assert back[4].data[21] == 3
        running.send(tcp(99))
        running.collect(1)
        first, second = running.ask("request", name="seen", args=[])["value"]
        # a kept column stays what it was: the next burst did not write over it
        assert first[0] == 5
        assert first[1] == [len(p) for p in packets]
        assert first[2] == [0x0A000001, 0x0A000001, 0x01020304, 0, 0]
        assert first[4:7] == [[6, 6, 17, 0, 6], [1000, 1000, 53, 0, 20], [80, 23, 54, 0, 443]]
        assert first[7] == [True, True, True, False, False]
        assert first[8] == [False] * 4 + [True]
        assert first[9] == [True, True, False, False, True]
        assert first[10] == [False, False, True, False, False]
        assert first[11] == [p[23] for p in packets]
        assert first[12] == [struct.unpack_from(">H", p, 12)[0] for p in packets]
        assert first[13] == [struct.unpack_from(">I", p, 26)[0] for p in packets]
        assert first[14] == [0] * 5
        assert second[6] == [99]


@pytest.mark.parametrize(
    "mistake",
    ["b.drop(b.is_tcp, 'telnet')", "b.drop(b.dport, r)", "b.drop(b.is_tcp[:0], r)", "b.forward(3)",
     "b.drop(b.is_tcp)", "b.set_context(True, 16, 1)", "b.dport[0] = 1", "b[99]", "b.u8(-1)", "1 / 0"],
)  # fmt: skip
def test_mistakes_in_a_burst_cost_the_burst(tmp_path: Path, mistake: str) -> None:
    text = f"r = reason('r')\ndef handle_burst(b): {mistake}\n"
    with host(tmp_path, text) as running:
        running.send(tcp(), tcp())
        assert {b.arg for b in running.collect(2)} == {REASON["exception"]}


def test_a_burst_used_after_its_return(tmp_path: Path) -> None:
    text = "kept = []\ndef handle_burst(b):\n    kept.append(b)\n    kept[0].dport\n"
    with host(tmp_path, text) as running:
        assert one(running).verdict == C.VERDICT_FORWARD
        assert one(running).arg == REASON["exception"]
        assert "this burst was already given back" in running.finish()
