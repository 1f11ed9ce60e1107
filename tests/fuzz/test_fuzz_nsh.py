"""Any bytes through the NSH processor: libFuzzer with ASan and UBSan, from one packet of each kind."""

from __future__ import annotations

from pathlib import Path

from tests.rigs import nsh_frames as wire
from tests.rigs.fuzzer import ROOT, survives

RUNS, LONG_RUNS = 100_000, 20_000_000
#: who has 192.0.2.1 and fd01::, says 192.0.2.7 and fd01::7
ARP = "0001080006040001020000000001c0000207000000000000c0000201"
SOLICIT = (
    "6000000000203aff" "fd010000000000000000000000000007" "ff0200000000000000000001ff000000"
    "87007d9300000000" "fd010000000000000000000000000000" "0101020000000001"
)  # fmt: skip


def seeds() -> dict[str, bytes]:
    inner, frame = wire.datagram(), wire.ether(wire.datagram())
    tlvs = wire.tlv(0x0100, 1, b"tenant"), wire.tlv(0, 5, b"")
    packets = {
        "md1": wire.on_ethernet(wire.md1(next=wire.ETHERNET), frame),
        "md1-ip": wire.on_ethernet(wire.md1(), inner),
        "md2": wire.on_ethernet(wire.md2(*tlvs, next=wire.ETHERNET), frame),
        "vlan": wire.on_ethernet(wire.md1(spi=1), inner, vlan=5),
        "oam": wire.on_ethernet(wire.md1(oam=1), inner),
        "nested": wire.on_ethernet(wire.md1(next=wire.NSH_IN_NSH), wire.md1() + inner),
        "tunnel": wire.vxlan_gpe(wire.md1(next=wire.ETHERNET), frame),
        "tunnel6": wire.vxlan_gpe(wire.md1(next=wire.ETHERNET), frame, six=True, checksum=True),
        "plain": frame,
        "ended": wire.on_ethernet(wire.md1(si=0, next=wire.ETHERNET), frame),
        "arp": wire.ether(bytes.fromhex(ARP), 0x0806, dst=b"\xff" * 6),
        "solicit": wire.ether(bytes.fromhex(SOLICIT), 0x86DD, dst=bytes.fromhex("3333ff000000")),
        "long": wire.ether(wire.datagram(size=1460, flags=0x4000)),
        "long6": wire.ether(wire.ipv6(wire.udp(bytes(1440))), 0x86DD),
    }
    choices = {
        "proxy": bytes(8),
        "any": bytes([0, 1, 0, 2, 0, 0, 0, 0]),
        "aware": bytes([3, 0, 0, 2, 12, 7, 4, 0]),
        "forward": bytes([16, 0, 8, 26, 0, 0, 0, 0]),
        "end": bytes([16, 0, 3, 26, 0, 0, 0, 1]),
        "encap": bytes([32, 1, 8, 26, 0, 0, 0, 0]),
        "boundary": bytes([0, 1, 0, 66, 0, 0, 0, 0]),
        "clone": bytes([64, 1, 0, 2, 0, 0, 0, 0]),
        "small": bytes([34, 1, 9, 58, 1, 9, 0, 0]),
    }
    return {
        f"{name}-{kind}": choice + data for name, choice in choices.items() for kind, data in packets.items()
    }


def test_the_processor_survives_any_packet(tmp_path: Path, long_run: bool) -> None:
    sources = [
        "tests/fuzz/fuzz_nsh.c",
        *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "nshp").glob("*.c")),
    ]
    survives(tmp_path, sources, seeds(), LONG_RUNS if long_run else RUNS, largest=1600)
