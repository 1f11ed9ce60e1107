"""itf/nsh.h against bytes written from the RFC's figures, against Scapy and tshark, and against itself."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import cffi
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.contrib.nsh import NSH
from scapy.layers.l2 import Ether

from tests.rigs import nsh_frames as wire
from tests.rigs.nsh import write_capture
from tests.rigs.nsh_frames import md1, md2, tlv

ROOT = Path(__file__).resolve().parents[3]
GOOD, VERSION, MD_TYPE, LENGTH, TLV = range(5)
MOST = 63 * 4

#: RFC 8300 figures 2 to 6, worked out by hand: header, then version, O, TTL, bytes, MD type, next, SPI, SI
VECTORS: list[tuple[str, str, tuple[int, ...]]] = [
    ("MD type 1, IPv4", "0fc60101 00002aff" + "00" * 16, (0, 0, 63, 24, 1, 1, 42, 255)),
    ("O bit, TTL 1, IPv6", "20460102 000000fe" + "11223344" * 4, (0, 1, 1, 24, 1, 2, 0, 254)),
    ("all unassigned bits", "1fc6f103 ffffff01" + "00" * 16, (0, 0, 63, 24, 1, 3, 0xFFFFFF, 1)),
    ("MD type 2, no TLV", "0fc20203 000001ff", (0, 0, 63, 8, 2, 3, 1, 255)),
    (
        "MD type 2, a TLV padded",
        "0fc50203 000001ff 0100 05 05 aabbccdd ee000000",
        (0, 0, 63, 20, 2, 3, 1, 255),
    ),
    (
        "TTL 32, the longest",
        "083f0205 010203ff" + "0000007f" + "00" * 128 + "0000006c" + "00" * 108,
        (0, 0, 32, MOST, 2, 5, 0x010203, 255),
    ),
]

ffi = cffi.FFI()
DRIVER = (ROOT / "tests" / "rigs" / "nsh_driver.c").read_text()
ffi.cdef(DRIVER[DRIVER.index("int driver") : DRIVER.index("\n{")].rpartition(";")[0] + ";")


@pytest.fixture(scope="module")
def nsh(tmp_path_factory: pytest.TempPathFactory) -> Any:
    library = tmp_path_factory.mktemp("nsh") / "nsh.so"
    flags = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", f"-I{ROOT}"]
    source = str(ROOT / "tests" / "rigs" / "nsh_driver.c")
    subprocess.run(
        [
            "gcc",
            *flags,
            "-fsanitize=undefined",
            "-fsanitize-undefined-trap-on-error",
            "-o",
            str(library),
            source,
        ],
        check=True,
    )
    return ffi.dlopen(str(library))


def fields(nsh: Any, header: bytes) -> tuple[int, ...]:
    out = ffi.new("uint32_t[9]")
    nsh.driver_fields(ffi.from_buffer(header), out)
    assert out[8] == out[6] << 8 | out[7]
    return tuple(out[0:8])


def tlvs(nsh: Any, header: bytes) -> list[tuple[int, int, bytes]]:
    out = ffi.new("uint32_t[4 * 64]")
    count = nsh.driver_tlvs(ffi.from_buffer(bytearray(header)), len(header), out, 64)
    rows = [tuple(out[4 * i : 4 * i + 4]) for i in range(count)]
    return [(md_class, type, header[at : at + length]) for md_class, type, length, at in rows]


def check(nsh: Any, header: bytes) -> int:
    return int(nsh.driver_check(ffi.from_buffer(header + b"\0"), len(header)))


@pytest.mark.parametrize(("text", "values"), [row[1:] for row in VECTORS], ids=[row[0] for row in VECTORS])
def test_the_figures(nsh: Any, text: str, values: tuple[int, ...]) -> None:
    header = bytes.fromhex(text)
    assert check(nsh, header) == GOOD and fields(nsh, header) == values


@pytest.mark.parametrize(
    ("header", "fault"),
    [
        (b"", LENGTH),
        (wire.base()[:7], LENGTH),
        (md1(version=1), VERSION),
        (md1(version=3), VERSION),
        (md1(md_type=0), MD_TYPE),
        (md1(md_type=3), MD_TYPE),
        (md1(md_type=15), MD_TYPE),
        (md1(words=5), LENGTH),
        (md1(words=7) + bytes(4), LENGTH),
        (md1()[:-1], LENGTH),
        (md2(words=1), LENGTH),
        (md2(words=0), LENGTH),
        (md2(words=3), LENGTH),
        (md2(b"\0\0\0\x01", words=3), TLV),
        (md2(tlv(1, 1, b"1234"), b"\0\0\0\x7f"), TLV),
        (md2(tlv(1, 1, b""), tlv(1, 2, b"12345")), GOOD),
        (md2(tlv(1, 1, b"x", unassigned=1)), GOOD),
    ],
)
def test_faults_are_told_apart(nsh: Any, header: bytes, fault: int) -> None:
    assert check(nsh, header) == fault


numbers = st.fixed_dictionaries(
    {
        "spi": st.integers(0, 0xFFFFFF),
        "si": st.integers(0, 255),
        "ttl": st.integers(0, 63),
        "next": st.integers(0, 255),
        "oam": st.integers(0, 1),
        "unassigned": st.integers(0, 31),
    }
)
values = st.lists(st.tuples(st.integers(0, 0xFFFF), st.integers(0, 255), st.binary(max_size=40)), max_size=5)


@given(numbers, st.binary(min_size=16, max_size=16), st.integers(0, 63), st.integers(0, 0xFFFFFFFF))
@settings(max_examples=200, deadline=None)
def test_setting_changes_nothing_else(
    nsh: Any, given: dict[str, int], context: bytes, ttl: int, spi_si: int
) -> None:
    header = bytearray(md1(context, **given))
    assert fields(nsh, header) == (
        0,
        given["oam"],
        given["ttl"],
        24,
        1,
        given["next"],
        given["spi"],
        given["si"],
    )
    nsh.driver_set(ffi.from_buffer(header), ttl, spi_si)
    assert header == md1(context, **{**given, "ttl": ttl, "spi": spi_si >> 8, "si": spi_si & 255})


@given(numbers, values)
@settings(max_examples=200, deadline=None)
def test_tlvs_come_back_as_they_were_added(
    nsh: Any, given: dict[str, int], rows: list[tuple[int, int, bytes]]
) -> None:
    plain = {**given, "oam": 0, "unassigned": 0}
    header = bytearray(256)
    nsh.driver_put(
        ffi.from_buffer(header), 2, plain["ttl"], plain["next"], plain["spi"] << 8 | plain["si"], ffi.NULL
    )
    size = 8
    for row in rows:
        size = nsh.driver_add(ffi.from_buffer(header), 256, row[0], row[1], row[2], len(row[2]))
        assert size
    made = bytes(header[:size])
    assert made == md2(*(tlv(*row) for row in rows), **plain) and check(nsh, made) == GOOD
    assert tlvs(nsh, made) == rows
    if rows:
        first = next(row for row in rows if row[:2] == rows[-1][:2])
        at = nsh.driver_find(ffi.from_buffer(header), size, *rows[-1][:2])
        assert made[at : at + len(first[2])] == first[2]
        left = nsh.driver_cut(ffi.from_buffer(header), size, *rows[-1][:2])
        rest = list(rows)
        rest.remove(first)
        assert tlvs(nsh, bytes(header[:left])) == rest


def test_there_is_no_room_beyond_63_words(nsh: Any) -> None:
    header = bytearray(md2(tlv(1, 1, bytes(120)), tlv(1, 2, bytes(112))) + bytes(16))
    assert nsh.driver_add(ffi.from_buffer(header), 256, 1, 3, b"", 0) == MOST
    assert nsh.driver_add(ffi.from_buffer(header), 256, 1, 4, b"", 0) == 0
    assert nsh.driver_add(ffi.from_buffer(bytearray(md1() + bytes(200))), 256, 1, 4, b"", 0) == 0


@given(st.binary(max_size=80))
@settings(max_examples=500, deadline=None)
def test_any_bytes_are_a_header_or_a_fault(nsh: Any, data: bytes) -> None:
    found = check(nsh, data)
    assert GOOD <= found <= TLV
    if found == GOOD:
        size = fields(nsh, data)[3]
        assert 8 <= size <= len(data)
        rows = tlvs(nsh, data[:size]) if data[2] & 15 == 2 else []
        assert sum(4 + (len(row[2]) + 3) // 4 * 4 for row in rows) == (size - 8 if data[2] & 15 == 2 else 0)


@given(numbers, st.binary(min_size=16, max_size=16))
@settings(max_examples=50, deadline=None)
def test_scapy_reads_the_same(nsh: Any, given: dict[str, int], context: bytes) -> None:
    """MD type 1 only: Scapy's dissector raises on MD type 2."""
    header = md1(context, **{**given, "next": 1})
    other = NSH(header)
    assert (
        other.ver,
        other.oam,
        other.ttl,
        other.length * 4,
        other.mdtype,
        other.nextproto,
        other.spi,
        other.si,
    ) == fields(nsh, header)
    assert bytes(other.context_header) == context


def test_tshark_reads_what_the_codec_writes(nsh: Any, tmp_path: Path) -> None:
    rows = [(n % 64, n % 5 + 1, n * 9973 % 2**24, n * 37 % 256) for n in range(1, 60)]
    packets = []
    for number, (ttl, next_, spi, si) in enumerate(rows):
        header = bytearray(24)
        context = bytes((number + i) % 256 for i in range(16))
        md_type = 1 + number % 2
        nsh.driver_put(ffi.from_buffer(header), md_type, ttl, next_, spi << 8 | si, context)
        packets.append(wire.on_ethernet(bytes(header[: 24 if md_type == 1 else 8]), wire.datagram()))
    write_capture(tmp_path / "a.pcap", packets)
    names = [
        "nsh.version",
        "nsh.Obit",
        "nsh.ttl",
        "nsh.length",
        "nsh.mdtype",
        "nsh.nextproto",
        "nsh.spi",
        "nsh.si",
    ]
    command = [
        "tshark",
        "-n",
        "-r",
        str(tmp_path / "a.pcap"),
        "-T",
        "fields",
        *(w for n in names for w in ("-e", n)),
    ]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    found = [[int(value.split(",")[0], 0) for value in line.split("\t")] for line in said]
    expected = [
        [0, 0, ttl, 2 if n % 2 else 6, 1 + n % 2, next_, spi, si]
        for n, (ttl, next_, spi, si) in enumerate(rows)
    ]
    assert found == expected
    assert Ether(packets[0]).type == 0x894F
