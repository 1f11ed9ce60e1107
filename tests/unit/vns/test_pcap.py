"""Captures as ports: vns/pcap.py opens them, the real stage (in tests/rigs/pcap_driver.c, with ASan and UBSan)
moves what one port reads to what the other writes."""

from __future__ import annotations

import json
import os
import resource
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Raw
from scapy.utils import PcapNgWriter, rdpcap

import vns.pcap as captures

ROOT = Path(__file__).resolve().parents[3]
T0 = 1_700_000_000_123_456_789

IP4 = bytes(IP(src="192.0.2.1", dst="192.0.2.2") / UDP(sport=1000, dport=53) / Raw(b"query"))
IP6 = bytes(IPv6(src="2001:db8::1", dst="2001:db8::2") / TCP(dport=80))
LINK = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")  # stated: else Scapy asks the network
ETH = bytes(LINK / IP(IP4))
ARP_ETH = bytes(LINK / ARP(psrc="192.0.2.1", pdst="192.0.2.2", hwsrc="02:00:00:00:00:01"))


def pcap(
    packets: list[tuple[bytes, int] | bytes], link: int = 1, order: str = "<", nano: bool = True
) -> bytes:
    """A pcap file. A packet is its bytes, or (bytes, length on the wire); 1 ms apart from T0 on."""
    out = struct.pack(order + "IHHIIII", 0xA1B23C4D if nano else 0xA1B2C3D4, 2, 4, 0, 0, 262144, link)
    for i, packet in enumerate(packets):
        data, wire = packet if isinstance(packet, tuple) else (packet, len(packet))
        time = T0 + i * 1_000_000
        part = time % 10**9 if nano else time % 10**9 // 1000
        out += struct.pack(order + "IIII", time // 10**9, part, len(data), wire) + data
    return out


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + length + body + length


def pcapng(packets: list[bytes], links: tuple[int, ...] = (1,), order: str = "<") -> bytes:
    """A pcapng file, nanoseconds; packet i is on interface i modulo their number."""
    out = block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order)
    for link in links:
        resolution = struct.pack(order + "HHB3xHH", 9, 1, 9, 0, 0)
        out += block(1, struct.pack(order + "HHI", link, 0, 262144) + resolution, order)
    for i, data in enumerate(packets):
        time = T0 + i * 1_000_000
        where = struct.pack(order + "III", i % len(links), time >> 32, time & 0xFFFFFFFF)
        out += block(6, where + struct.pack(order + "II", len(data), len(data)) + data, order)
    return out


@dataclass
class Ran:
    figures: dict[str, Any]
    stderr: str

    @property
    def shown(self) -> list[list[int]]:
        """[port, len, link, l3, l4, protocol, time] of the first packets as they came in."""
        lines = (line.split() for line in self.stderr.splitlines())
        return [[int(word) for word in words[1:]] for words in lines if words[0] == "packet"]

    @property
    def said(self) -> str:
        return "\n".join(line for line in self.stderr.splitlines() if not line.startswith("packet "))


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("driver") / "pcap_driver"
    sanitize = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
    sources = ["tests/rigs/pcap_driver.c", "vns/pcap.c", "vns/pcap_read.c", "vns/pcapng.c", "vns/pcap_write.c"]
    flags = ["-O1", "-g", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-I.", *sanitize]
    subprocess.run(["cc", *flags, "-o", program, *sources, "-lpcap"], cwd=ROOT, check=True)
    return program


@dataclass
class Bench:
    driver: Path
    folder: Path

    def file(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(data)
        return path

    def run(
        self,
        read_in: Path | None = None,
        write_out: Path | None = None,
        read_out: Path | None = None,
        write_in: Path | None = None,
        *,
        frames: int = 256,
        frame_size: int = 4096,
        mode: str = "capture",
        restart_after: int = 0,
        limit: int | None = None,
    ) -> Ran:
        """Run two ports to the captures' end. `limit`: no file may grow beyond so many bytes."""

        def before() -> None:
            if limit is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

        ports = [captures.open("in", read_in, write_in), captures.open("out", read_out, write_out)]
        try:
            words = [f"{p.parameters[0]}:{','.join(map(str, p.fds))}" for p in ports]
            done = subprocess.run(
                [self.driver, str(frames), str(frame_size), mode, str(restart_after), *words],
                pass_fds=[fd for p in ports for fd in p.fds],
                capture_output=True,
                text=True,
                preexec_fn=before,
                restore_signals=False,  # SIGXFSZ stays ignored: writing too much is an error like a full disk
            )
        finally:
            for port in ports:
                port.close()
        assert done.returncode == 0, done.stderr
        ran = Ran(json.loads(done.stdout), done.stderr)
        conserved(ran.figures)
        return ran

    def through(self, data: bytes, **more: Any) -> tuple[Ran, list[bytes]]:
        """What leaves by `out` when `in` reads this file."""
        out = self.folder / "out.pcap"
        ran = self.run(self.file("in.pcap", data), out, **more)
        return ran, packets_of(out)


def conserved(figures: dict[str, Any]) -> None:
    """Law 1 for both places of both ports and for all of it: nothing is unaccounted for."""
    assert figures["in_flight"] == 0
    for place in "in", "out", "leaves_in", "leaves_out":
        p = figures[place]
        assert p["received"] == p["forwarded"] + sum(p["dropped"].values()), place
    received = figures["in"]["received"] + figures["out"]["received"]
    sent = figures["leaves_in"]["forwarded"] + figures["leaves_out"]["forwarded"]
    places = ("in", "out", "leaves_in", "leaves_out")
    assert received == sent + sum(sum(figures[p]["dropped"].values()) for p in places)


def records_of(path: Path) -> list[tuple[int, bytes]]:
    """(time in ns, bytes) of each packet of a file that we wrote."""
    data = path.read_bytes()
    magic, *_, link = struct.unpack_from("=IHHIIII", data)
    assert magic == 0xA1B23C4D and link in (1, 101)
    at, found = 24, []
    while at < len(data):
        seconds, ns, caplen, wire = struct.unpack_from("=IIII", data, at)
        assert caplen == wire and at + 16 + caplen <= len(data)
        found.append((seconds * 10**9 + ns, data[at + 16 : at + 16 + caplen]))
        at += 16 + caplen
    return found


def packets_of(path: Path) -> list[bytes]:
    return [data for _, data in records_of(path)]


def written_link(path: Path) -> int:
    return int(struct.unpack_from("=I", path.read_bytes(), 20)[0])


@pytest.fixture
def bench(driver: Path, tmp_path: Path) -> Bench:
    return Bench(driver, tmp_path)


# ---- reading -----------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nano", [True, False])
def test_ethernet_in_every_pcap_dialect(bench: Bench, order: str, nano: bool) -> None:
    ran, out = bench.through(pcap([ETH, ARP_ETH], order=order, nano=nano))
    assert out == [ETH, ARP_ETH]
    assert ran.figures["in"] == {
        "received": 2, "forwarded": 2, "bytes_in": len(ETH + ARP_ETH), "bytes_out": 0, "dropped": {},
    }  # fmt: skip
    exact = T0 if nano else T0 // 1000 * 1000
    assert ran.shown[0] == [0, len(ETH), 0, 14, 34, 17, exact]
    assert ran.shown[1][3:6] == [-1, -1, 0]
    assert [time for time, _ in records_of(bench.folder / "out.pcap")] == [exact, exact + 1_000_000]


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng(bench: Bench, order: str) -> None:
    ran, out = bench.through(pcapng([ETH, ARP_ETH, ETH], links=(1, 1), order=order))
    assert out == [ETH, ARP_ETH, ETH]
    assert [row[6] for row in ran.shown] == [T0, T0 + 1_000_000, T0 + 2_000_000]


def test_pcapng_as_scapy_and_editcap_write_it(bench: Bench) -> None:
    scapy_file = bench.folder / "scapy.pcapng"
    with PcapNgWriter(str(scapy_file)) as writer:
        for data in ETH, ARP_ETH:
            writer.write(Ether(data))
    assert bench.through(scapy_file.read_bytes())[1] == [ETH, ARP_ETH]
    plain = bench.file("plain.pcap", pcap([ETH, ARP_ETH]))
    for kind in "pcapng", "nsecpcap", "pcap", "modpcap":
        made = bench.folder / kind
        subprocess.run(["editcap", "-F", kind, plain, made], check=True)
        assert bench.through(made.read_bytes())[1] == [ETH, ARP_ETH], kind


def sll(protocol: int) -> bytes:
    return struct.pack(">HHH8sH", 0, 1, 6, b"\2\0\0\0\0\1", protocol)


def sll2(protocol: int) -> bytes:
    return struct.pack(">HHIHBB8s", protocol, 0, 3, 1, 0, 6, b"\2\0\0\0\0\1")


TAG = struct.pack(">HH", 7, 0x0800)
BARE = {
    "raw": (101, b"", b""),
    "raw 12": (12, b"", b""),
    "raw 14": (14, b"", b""),
    "cooked v1": (113, sll(0x0800), sll(0x86DD)),
    "cooked v2": (276, sll2(0x0800), sll2(0x86DD)),
    "cooked v1, tagged": (113, sll(0x8100) + TAG, sll(0x88A8) + struct.pack(">HHHH", 1, 0x8100, 2, 0x86DD)),
    "null, little endian": (0, struct.pack("<I", 2), struct.pack("<I", 10)),
    "null, big endian": (0, struct.pack(">I", 2), struct.pack(">I", 30)),
    "loop": (108, struct.pack(">I", 2), struct.pack(">I", 24)),
}


@pytest.mark.parametrize("what", BARE)
def test_what_has_no_ethernet_becomes_bare_ip(bench: Bench, what: str) -> None:
    link, before4, before6 = BARE[what]
    data = [before4 + IP4, before6 + IP6]
    ran, out = bench.through(pcap(list(data), link))
    assert out == [IP4, IP6]
    assert written_link(bench.folder / "out.pcap") == 101
    assert [row[:6] for row in ran.shown] == [[0, len(IP4), 1, 0, 20, 17], [0, len(IP6), 1, 0, 40, 6]]
    assert ran.figures["in"]["bytes_in"] == len(b"".join(data))
    assert ran.figures["leaves_out"]["bytes_out"] == len(IP4 + IP6)
    assert [bytes(p) for p in rdpcap(str(bench.folder / "out.pcap"))] == [IP4, IP6]


@pytest.mark.parametrize(("link", "data"), [(228, IP4), (229, IP6)])
def test_ip_of_one_version(bench: Bench, link: int, data: bytes) -> None:
    assert bench.through(pcap([data], link))[1] == [data]


@pytest.mark.parametrize(
    ("link", "data"),
    [
        (113, sll(0x0806) + bytes(28)),
        (113, sll(0x0800) + bytes(40)),
        (276, sll2(0x0004) + bytes(40)),
        (0, struct.pack("<I", 7) + bytes(40)),
        (0, b"\2\0\0\2" + IP4),
        (108, b"\0\1\0\2" + IP4),
        (101, b"\x50" + bytes(40)),
    ],
)
def test_what_is_not_ip_is_refused_by_name_without_ethernet(bench: Bench, link: int, data: bytes) -> None:
    ran, out = bench.through(pcap([data], link))
    assert out == [] and ran.figures["in"]["dropped"] == {"link_type": 1}


@pytest.mark.parametrize(
    ("link", "data"),
    [
        (1, ETH[:13]),
        (1, b""),
        (101, b""),
        (113, sll(0x0800)[:15]),
        (113, sll(0x0800)),
        (113, sll(0x8100) + b"\0"),
        (276, sll2(0x0800)[:19]),
        (0, b"\2\0\0"),
        (108, b""),
    ],
)
def test_cut_short_is_truncated(bench: Bench, link: int, data: bytes) -> None:
    ran, out = bench.through(pcap([data], link))
    assert out == [] and ran.figures["in"]["dropped"] == {"truncated": 1}


def test_partly_captured_is_truncated_and_the_rest_goes_on(bench: Bench) -> None:
    ran, out = bench.through(pcap([ETH, (ETH[:40], len(ETH)), ARP_ETH]))
    assert out == [ETH, ARP_ETH]
    assert ran.figures["in"]["dropped"] == {"truncated": 1}
    assert ran.figures["in"]["bytes_in"] == 2 * len(ETH) + len(ARP_ETH)


@pytest.mark.parametrize("frame_size", [2048, 4096])
def test_what_a_frame_cannot_hold_is_oversize(bench: Bench, frame_size: int) -> None:
    room = frame_size - 384 - 64
    fits = ETH + bytes(room - len(ETH))
    ran, out = bench.through(pcap([fits, fits + b"\0", ETH]), frame_size=frame_size)
    assert out == [fits, ETH] and ran.figures["in"]["dropped"] == {"oversize": 1}


def test_the_cooked_header_needs_no_room_in_the_frame(bench: Bench) -> None:
    fits = IP4 + bytes(4096 - 384 - 64 - len(IP4))
    assert bench.through(pcap([sll2(0x0800) + fits], 276))[1] == [fits]


def test_checksums_stay_as_captured(bench: Bench) -> None:
    broken = bytes(LINK / IP(src="192.0.2.1", dst="192.0.2.2", chksum=0x1234) / TCP(chksum=0xABCD))
    tagged = bytes(LINK / Dot1Q(vlan=7) / IP(src="192.0.2.1") / UDP(chksum=1))
    ran, out = bench.through(pcap([broken, tagged]))
    assert out == [broken, tagged]
    assert ran.shown[1][3:6] == [18, 38, 17]


def test_time_never_steps_back(bench: Bench) -> None:
    data = bytearray(pcap([ETH, ETH, ETH, ETH]))
    second = 24 + 16 + len(ETH)
    struct.pack_into("<I", data, second, T0 // 10**9 - 100)  # 100 s before the first
    ran, out = bench.through(bytes(data))
    assert [row[6] - T0 for row in ran.shown] == [0, 0, 2_000_000, 3_000_000]
    assert len(out) == 4


@pytest.mark.parametrize("cut", [1, 15, 16, 17, 40])
def test_a_capture_that_breaks_off(bench: Bench, cut: int) -> None:
    whole = pcap([ETH, ARP_ETH])
    ran, out = bench.through(whole + pcap([ETH])[24:][:cut])
    assert out == [ETH, ARP_ETH]
    assert ran.figures["in"]["dropped"] == {"truncated": 1} and ran.figures["in"]["received"] == 3
    assert ran.said.startswith("port in: the capture breaks off") and len(ran.said.splitlines()) == 1


def test_a_record_longer_than_any_packet_ends_the_capture(bench: Bench) -> None:
    huge = struct.pack("<IIII", T0 // 10**9, 0, 0x7FFFFFFF, 0x7FFFFFFF)
    ran, out = bench.through(pcap([ETH]) + huge + pcap([ETH])[24:])
    assert out == [ETH] and ran.figures["in"]["dropped"] == {"truncated": 1}
    assert "breaks off" in ran.said


def test_interfaces_of_two_link_types_in_one_pcapng(bench: Bench) -> None:
    """Those of another link than the first have no place in the chain; the others go on."""
    ran, out = bench.through(pcapng([ETH, IP4, ETH, IP4, ETH], links=(1, 101)))
    assert ran.figures["in"]["dropped"] == {"link_type": 2} and len(out) == 3
    assert "breaks off" not in ran.said


def test_interfaces_of_two_lengths_and_clocks(bench: Bench) -> None:
    """As mergecap makes them; sections in both byte orders, and more of something else before the first interface."""
    parts = []
    for order, snaplen, resolution, offset in (("<", 65535, 6, 0), (">", 262144, 0x80 | 20, 7)):
        parts.append(block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1), order))
        parts += [block(10, bytes(70_000), order)] * 2  # secrets
        options = struct.pack(order + "HHB3xHHqHH", 9, 1, resolution, 14, 8, offset, 0, 0)
        parts.append(block(1, struct.pack(order + "HHI", 1, 0, 96), order))
        parts.append(block(1, struct.pack(order + "HHI", 1, 0, snaplen) + options, order))
        ticks = 1_700_000_000 * (10**6 if resolution == 6 else 2**20) + (500_000 if resolution == 6 else 2**19)
        for data in (ETH, ETH):
            where = struct.pack(order + "III", 1, ticks >> 32, ticks & 0xFFFFFFFF)
            parts.append(block(6, where + struct.pack(order + "II", len(data), len(data)) + data, order))
        parts.append(block(3, struct.pack(order + "I", len(ETH)) + ETH, order))
    ran, out = bench.through(b"".join(parts))
    assert len(out) == 6 and ran.figures["in"]["dropped"] == {}
    assert [way[-1] for way in ran.shown] == [1_700_000_000_500_000_000] * 3 + [1_700_000_007_500_000_000] * 3


def test_seconds_after_2038(bench: Bench) -> None:
    late = 0x80000000 + 5
    record = struct.pack("<IIII", late, 7, len(ETH), len(ETH)) + ETH
    ran, _ = bench.through(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1) + record)
    assert ran.shown[0][-1] == late * 10**9 + 7
    assert (bench.folder / "out.pcap").read_bytes()[24:28] == struct.pack("<I", late)


def test_a_capture_without_packets(bench: Bench) -> None:
    for link, written in ((1, 1), (113, 101)):
        ran, out = bench.through(pcap([], link))
        assert out == [] and ran.figures["in"]["received"] == 0
        assert written_link(bench.folder / "out.pcap") == written


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), link=st.sampled_from([1, 101, 113, 276, 0, 108]))
def test_a_damaged_capture_never_harms(bench: Bench, data: st.DataObject, link: int) -> None:
    kind = data.draw(st.sampled_from([lambda p: pcap(list(p), link), lambda p: pcapng(list(p), (link,))]))
    bytes_ = bytearray(kind([ETH, sll(0x0800) + IP4, sll2(0x86DD) + IP6, IP4, ETH[:20]]))
    first = 24 if bytes_[0] != 0x0A else 80
    for _ in range(data.draw(st.integers(1, 4))):
        bytes_[data.draw(st.integers(first, len(bytes_) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(first, len(bytes_)))
    bench.through(bytes(bytes_[:cut]))  # sanitizers and the conservation sum are the judges


# ---- order, back-pressure, scale -------------------------------------------------------------------


def test_two_captures_are_merged_by_time(bench: Bench) -> None:
    packets = [ETH + bytes([i]) for i in range(20)]
    times = [i * 1000 for i in range(20)]

    def part(which: list[int]) -> bytes:
        out = pcap([])
        for i in which:
            out += struct.pack("<IIII", 1000, times[i], len(packets[i]), len(packets[i])) + packets[i]
        return out

    a, b = [0, 1, 4, 5, 6, 12, 19], [i for i in range(20) if i not in (0, 1, 4, 5, 6, 12, 19)]
    ran = bench.run(
        bench.file("a.pcap", part(a)), bench.folder / "out.pcap",
        bench.file("b.pcap", part(b)), bench.folder / "back.pcap",
    )  # fmt: skip
    assert [row[6] for row in ran.shown] == [1000 * 10**9 + t for t in times]
    assert [row[0] for row in ran.shown] == [0 if i in a else 1 for i in range(20)]
    assert packets_of(bench.folder / "out.pcap") == [packets[i] for i in a]
    assert packets_of(bench.folder / "back.pcap") == [packets[i] for i in b]


def test_few_frames_lose_nothing(bench: Bench) -> None:
    packets = [ETH + struct.pack(">I", i) for i in range(1000)]
    ran, out = bench.through(pcap(list(packets)), frames=4)
    assert out == packets and ran.figures["in"]["dropped"] == {}


def test_a_hundred_thousand_packets(bench: Bench) -> None:
    record = struct.pack("<IIII", 5, 6, len(ETH), len(ETH)) + ETH
    ran, out = bench.through(pcap([]) + record * 100_000)
    assert len(out) == 100_000 and set(out) == {ETH}
    assert ran.figures["leaves_out"]["forwarded"] == 100_000


@pytest.mark.parametrize("after", [1, 64, 500])
def test_a_new_forwarder_goes_on_where_the_old_one_was(bench: Bench, after: int) -> None:
    packets = [ETH + struct.pack(">I", i) for i in range(1000)]
    ran, out = bench.through(pcap(list(packets)), restart_after=after)
    assert out == packets and ran.figures["in"]["received"] == 1000


def test_live_mode_dates_with_the_wall_clock(bench: Bench) -> None:
    import time

    before = time.time_ns()
    bench.through(pcap([ETH, ETH]), mode="live")
    times = [t for t, _ in records_of(bench.folder / "out.pcap")]
    assert len(times) == 2 and all(before - 10**9 <= t <= time.time_ns() + 10**9 for t in times)


# ---- writing ---------------------------------------------------------------------------------------


def test_nonsense_in_records_is_never_written(bench: Bench) -> None:
    ran, out = bench.through(pcap([ETH] * 9), mode="nonsense")
    assert out == [ETH] * 3 and ran.figures["leaves_out"]["dropped"] == {"oversize": 6}


def test_a_port_that_writes_nothing_sends_into_nothing(bench: Bench) -> None:
    ran = bench.run(bench.file("in.pcap", pcap([ETH] * 3)))
    assert ran.figures["leaves_out"]["forwarded"] == 3
    assert ran.figures["leaves_out"]["bytes_out"] == 3 * len(ETH)


def test_written_to_dev_null(bench: Bench) -> None:
    ran = bench.run(bench.file("in.pcap", pcap([ETH] * 3)), Path(os.devnull))
    assert ran.figures["leaves_out"]["forwarded"] == 3


def test_captures_of_two_kinds_are_not_mixed_in_one_file(bench: Bench) -> None:
    ethernet, bare = bench.file("e.pcap", pcap([ETH])), bench.file("b.pcap", pcap([IP4], 101))
    out, back = bench.folder / "out.pcap", bench.folder / "back.pcap"
    bench.run(ethernet, out, bare, back)
    assert (written_link(out), packets_of(out)) == (1, [ETH])
    assert (written_link(back), packets_of(back)) == (101, [IP4])


@pytest.mark.parametrize("limit", [24, 25, 24 + 16 + len(ETH) + 3, 1000])
def test_a_full_disk_is_counted_and_said_once(bench: Bench, limit: int) -> None:
    out = bench.folder / "out.pcap"
    ran = bench.run(bench.file("in.pcap", pcap([ETH] * 200)), out, limit=limit)
    fits = (limit - 24) // (16 + len(ETH))
    assert packets_of(out) == [ETH] * fits
    assert ran.figures["leaves_out"]["forwarded"] == fits
    assert ran.figures["leaves_out"]["dropped"] == {"closed": 200 - fits}
    assert ran.said.startswith("port out: the capture can no longer be written: ") and "\n" not in ran.said


def test_an_older_longer_file_is_replaced(bench: Bench) -> None:
    out = bench.file("out.pcap", b"x" * 10_000)
    bench.run(bench.file("in.pcap", pcap([ETH])), out)
    assert packets_of(out) == [ETH]
