"""What the NSH processor says to a port's neighbours, byte for byte: ICMP to senders of packets that are too long,
ARP replies and neighbour advertisements; and what it must keep to itself."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import cffi
import pytest

from itf import segment
from itf.segment import C
from tests.rigs import nsh_frames as wire
from tests.rigs.nsh_frames import DST, ETHERNET, SRC, datagram, ether, ipv4, ipv6, md1, on_ethernet, ones, udp

ROOT = Path(__file__).resolve().parents[3]
PORT0, PORT1, CLASSIFIER = range(3)
MAC = bytes.fromhex("020000000010")  #: of the bed's port 0
OWN4, OWN6 = "192.0.2.1", "fd01::1"
ALL = bytes(6 * [255])

ffi = cffi.FFI()
ffi.include(segment.ffi)
DRIVER = (ROOT / "tests" / "rigs" / "nsh_bed_driver.c").read_text()
ffi.cdef(DRIVER[DRIVER.index("struct wiring *driver_begin") : DRIVER.index("\n\nstatic")])


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Any:
    out = tmp_path_factory.mktemp("bed") / "bed.so"
    flags = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", f"-I{ROOT}"]
    flags += ["-fsanitize=undefined", "-fsanitize-undefined-trap-on-error"]
    sources = [ROOT / "tests" / "rigs" / "nsh_bed_driver.c", *sorted((ROOT / "nshp").glob("*.c"))]
    subprocess.run(["gcc", *flags, "-o", out, *sources], check=True)
    return ffi.dlopen(str(out))


class Bed:
    """Two ports and a classifier around the processor; port 0 has addresses."""

    def __init__(self, library: Any):
        self.driver = library
        self.wiring = library.driver_begin()
        self.wiring.nsh_flags = C.NSH_ANY_PATH
        own = self.wiring.nsh_port[0]
        own.flags |= C.NSH_PORT_IP4 | C.NSH_PORT_IP6
        ffi.memmove(own.ip4, ip_address(OWN4).packed, 4)
        ffi.memmove(own.ip6, ip_address(OWN6).packed, 16)
        self.wiring.encap[0].spi_si = 42 << 8 | 255

    def arrive(self, *packets: bytes, port: int = PORT0) -> None:
        for packet in packets:
            self.driver.driver_arrive(packet, len(packet), port)

    def at(self, sink: int) -> list[bytes]:
        out, found = ffi.new("uint8_t[4096]"), []
        while (size := self.driver.driver_packet(sink, len(found), out)) >= 0:
            found.append(bytes(ffi.buffer(out, size)))
        return found

    @property
    def dropped(self) -> dict[str, int]:
        cells = self.driver.driver_figures().dropped
        return {segment.REASONS[n].name: cells[n] for n in segment.REASONS if cells[n]}

    def encapsulated(self, packet: bytes) -> None:
        """It came plain by port 0 and leaves by port 1 with a header."""
        self.arrive(packet)
        self.driver.driver_leave(PORT1, 0, 1)


@pytest.fixture
def bed(library: Any) -> Iterator[Bed]:
    bed = Bed(library)
    yield bed
    cells = library.driver_figures()
    ended = cells.forwarded + cells.consumed + sum(cells.dropped)
    assert cells.received + cells.originated == ended and library.driver_frames_lost() == 0
    library.driver_end()


# too long: at MTU 1500, NSH on Ethernet takes 38 bytes of it


def icmp6(type: int, code: int, word: int, body: bytes, src: str, dst: str, hops: int = 64) -> bytes:
    said = struct.pack("!BBHI", type, code, 0, word) + body
    pseudo = ip_address(src).packed + ip_address(dst).packed + struct.pack("!II", len(said), 58)
    said = said[:2] + struct.pack("!H", ones(pseudo + said)) + said[4:]
    packet = ipv6(said, src=src, dst=dst, next=58)
    return packet[:7] + bytes([hops]) + packet[8:]


def test_an_ipv6_sender_is_told_the_mtu(bed: Bed) -> None:
    long = ether(ipv6(udp(bytes(1450))), 0x86DD)
    bed.encapsulated(long)
    # RFC 4443 3.2: as much of the packet as fits 1280 bytes; the least that it is too long by comes off
    quoted = long[14 : 14 + 1280 - 48]
    expected = icmp6(2, 0, 1500 - 24 - 14, quoted, OWN6, "fd00::1")
    assert bed.at(PORT0) == [SRC + MAC + b"\x86\xdd" + expected] and bed.dropped == {"mtu": 1}
    assert bed.at(PORT1) == []


def test_an_ipv4_sender_is_told_the_mtu(bed: Bed) -> None:
    long = ether(datagram(size=1472, flags=0x4000), vlan=7)
    bed.encapsulated(long)
    inner = long[18:]
    said = struct.pack("!BBHHH", 3, 4, 0, 0, 1500 - 24 - 14 - 4) + inner[: 576 - 28]
    said = said[:2] + struct.pack("!H", ones(said)) + said[4:]
    answer = bytearray(ipv4(said, src=OWN4, dst="10.0.0.1", proto=1))
    answer[4:6], answer[10:12] = bytes(2), bytes(2)
    answer[10:12] = struct.pack("!H", ones(bytes(answer[:20])))
    assert bed.at(PORT0) == [SRC + MAC + long[12:18] + answer], "in the tag that it came in"
    assert bed.dropped == {"mtu": 1}


def long6(**fields: Any) -> bytes:
    return ether(ipv6(udp(bytes(1450)), **fields), 0x86DD)


def long4(**fields: Any) -> bytes:
    return ether(datagram(size=1472, **{"flags": 0x4000, **fields}))


UNANSWERED: dict[str, tuple[bytes, Callable[[Any], None] | None]] = {
    "may be fragmented": (long4(flags=0), None),
    "a fragment": (long4(flags=0x4001), None),
    "to a group": (long4(dst="224.0.0.9"), None),
    "from nobody": (long4(src="0.0.0.0"), None),
    "from this host": (long4(src="127.0.0.1"), None),
    "an ICMP error": (ether(ipv4(b"\x03\x01" + bytes(1478), proto=1, flags=0x4000)), None),
    "to all on the link": (ALL + long4()[6:], None),
    "IPv6 to a group": (long6(dst="ff02::1"), None),
    "IPv6 from nobody": (long6(src="::"), None),
    "an ICMPv6 error": (ether(ipv6(b"\x01\x00" + bytes(1456), next=58), 0x86DD), None),
    "no IP": (ether(bytes(1480), 0x88B5), None),
    "no address": (long4(), lambda wiring: setattr(wiring.nsh_port[0], "flags", C.NSH_PORT_ON)),
    "no MTU to keep to": (ether(ipv6(udp(bytes(1230))), 0x86DD),
                          lambda wiring: setattr(wiring.port[1], "mtu", 1300)),
}  # fmt: skip


@pytest.mark.parametrize("case", UNANSWERED)
def test_who_must_not_be_told(bed: Bed, case: str) -> None:
    packet, change = UNANSWERED[case]
    if change is not None:
        change(bed.wiring)
    bed.encapsulated(packet)
    assert bed.at(PORT0) == bed.at(PORT1) == [] and bed.dropped == {"mtu_unanswered": 1}


def test_what_came_in_nsh_is_not_answered(bed: Bed) -> None:
    inner = ether(datagram(size=1472, flags=0x4000))
    bed.arrive(on_ethernet(md1(next=ETHERNET), inner))
    bed.driver.driver_leave(PORT1, 0, 0)
    assert bed.dropped == {"mtu_unanswered": 1} and bed.at(PORT0) == []


def test_answers_are_limited(bed: Bed) -> None:
    for _ in range(105):
        bed.encapsulated(long4())
        bed.driver.driver_clear()
    assert bed.dropped == {"mtu": 100, "mtu_unanswered": 5}
    assert bed.driver.driver_figures().originated == 100


@pytest.mark.parametrize(("moved", "fits"), [(-384, False), (-384 + 37, False), (-384 + 38, True)])
def test_headers_need_their_room(bed: Bed, moved: int, fits: bool) -> None:
    """A VNFC may push bytes up to the beginning of the frame; a packet arrives 384 bytes behind it."""
    came = ether(datagram())
    bed.arrive(came)
    bed.driver.driver_leave(PORT1, moved, 1)
    assert bed.dropped == ({} if fits else {"no_headroom": 1}) and len(bed.at(PORT1)) == fits


# who asks for a port's address


def arp(operation: int = 1, *, target: str = OWN4, sender: str = "192.0.2.7", mac: bytes = SRC) -> bytes:
    head = struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation)
    return head + mac + ip_address(sender).packed + bytes(6) + ip_address(target).packed


def solicit(
    *, src: str = "fd01::7", dst: str = "ff02::1:ff00:1", target: str = OWN6, hops: int = 255, source: bool = True,
    code: int = 0,
) -> bytes:  # fmt: skip
    body = ip_address(target).packed + (b"\x01\x01" + SRC if source else b"")
    return icmp6(135, code, 0, body, src, dst, hops)


def advertise(dst: str, flags: int) -> bytes:
    body = ip_address(OWN6).packed + b"\x02\x01" + MAC
    return icmp6(136, 0, flags << 24, body, OWN6, dst, 255)


SOLICITED_MAC = bytes.fromhex("3333ff000001")


@pytest.mark.parametrize("vlan", [None, 7])
@pytest.mark.parametrize("to", [ALL, MAC], ids=["all", "us"])
def test_arp_is_answered(bed: Bed, vlan: int | None, to: bytes) -> None:
    asked = ether(arp() + bytes(18), 0x0806, dst=to, vlan=vlan)
    answer = arp(2, target="192.0.2.7", sender=OWN4, mac=MAC)
    answer = answer[:18] + SRC + answer[24:]
    bed.arrive(asked)
    assert bed.at(PORT0) == [ether(answer, 0x0806, dst=SRC, src=MAC, vlan=vlan)]
    cells = bed.driver.driver_figures()
    assert (cells.received, cells.consumed, cells.originated, cells.forwarded) == (1, 1, 1, 1)
    assert bed.at(CLASSIFIER) == []


def test_who_looks_whether_an_address_is_free_is_told(bed: Bed) -> None:
    bed.arrive(ether(arp(sender="0.0.0.0"), 0x0806, dst=ALL))
    bed.arrive(ether(solicit(src="::", source=False), 0x86DD, dst=SOLICITED_MAC))
    taken = arp(2, target="0.0.0.0", sender=OWN4, mac=MAC)
    assert bed.at(PORT0) == [
        ether(taken[:18] + SRC + taken[24:], 0x0806, dst=SRC, src=MAC),
        ether(advertise("ff02::1", 0x20), 0x86DD, dst=bytes.fromhex("333300000001"), src=MAC),
    ]


@pytest.mark.parametrize("vlan", [None, 7])
def test_neighbour_solicitations_are_answered(bed: Bed, vlan: int | None) -> None:
    group = ether(solicit(), 0x86DD, dst=SOLICITED_MAC, vlan=vlan)
    alone = ether(solicit(dst=OWN6, source=False), 0x86DD, dst=MAC, vlan=vlan)
    bed.arrive(group, alone)
    answer = ether(advertise("fd01::7", 0x60), 0x86DD, dst=SRC, src=MAC, vlan=vlan)
    assert bed.at(PORT0) == [answer, answer] and bed.at(CLASSIFIER) == []


def test_what_is_no_question_for_us_goes_its_way(bed: Bed) -> None:
    broken = ether(solicit(), 0x86DD, dst=SOLICITED_MAC)
    no_length = icmp6(135, 0, 0, ip_address(OWN6).packed + b"\x01\0" + SRC, "fd01::7", "ff02::1:ff00:1", 255)
    others = [
        ether(arp(target="192.0.2.2"), 0x0806, dst=ALL),
        ether(arp(2), 0x0806, dst=MAC),
        ether(arp(sender=OWN4), 0x0806, dst=ALL),
        ether(arp(), 0x0806, dst=DST),
        ether(arp()[:27], 0x0806, dst=ALL),
        ether(b"\0\x06" + arp()[2:], 0x0806, dst=ALL),
        ether(solicit(target="fd01::2"), 0x86DD, dst=SOLICITED_MAC),
        ether(solicit(hops=64), 0x86DD, dst=SOLICITED_MAC),
        ether(solicit(code=1), 0x86DD, dst=SOLICITED_MAC),
        ether(solicit(src=OWN6), 0x86DD, dst=SOLICITED_MAC),
        ether(solicit(src="::"), 0x86DD, dst=SOLICITED_MAC),
        ether(no_length, 0x86DD, dst=SOLICITED_MAC),
        broken[:-1] + b"\xff",
        broken[:60],
        ether(datagram()),
        ether(ipv6(udp(b"")), 0x86DD),
    ]
    bed.arrive(*others)
    assert bed.at(CLASSIFIER) == others and bed.at(PORT0) == []
    assert bed.driver.driver_figures().consumed == 0


def test_a_port_without_address_or_mac_is_silent(bed: Bed) -> None:
    asked = [ether(arp(), 0x0806, dst=ALL), ether(solicit(), 0x86DD, dst=SOLICITED_MAC)]
    bed.arrive(*asked, port=PORT1)
    bed.wiring.port[0].has_mac = 0
    bed.arrive(*asked)
    assert bed.at(CLASSIFIER) == asked * 2


def test_a_port_that_has_no_nsh_answers_too(bed: Bed) -> None:
    bed.wiring.nsh_port[0].flags &= ~C.NSH_PORT_ON
    payload = on_ethernet(md1(), datagram())
    bed.arrive(ether(arp(), 0x0806, dst=ALL), payload, wire.vxlan_gpe(md1(), datagram()))
    assert len(bed.at(PORT0)) == 1 and bed.at(CLASSIFIER)[0] == payload


def test_several_taps_each_see_what_leaves(bed: Bed) -> None:
    """The one after the processor's sees packets with their headers; the port gets them once, from the last."""
    packet = ether(datagram(7))
    assert bed.driver.driver_tap() == 2  # the processor's and this one of four
    bed.encapsulated(packet)
    (left,) = bed.at(PORT1)
    assert len(left) > len(packet) and bed.driver.driver_tapped() == len(left)
    bed.driver.driver_clear()
    bed.driver.driver_untap()
    bed.encapsulated(packet)
    assert bed.at(PORT1) == [left] and bed.driver.driver_tapped() == len(left)
