"""`coven lab measure`: how many packets a second each descriptor of a package handles.

Packets come from a capture as quickly as they are taken (by the machine's clock: by the capture's own each
packet travels alone, and no bursts form). The figure says what the VNFC costs, beside reading the capture:
good for comparing ways to write one VNFC, not for saying what an appliance can do on real interfaces.
"""

from __future__ import annotations

import struct
import sys
import tempfile
import time
from pathlib import Path

from coven.base import tables
from coven.base.terminal import progress
from coven.cases.packets import ETHERNET, Packet, write_captures
from coven.cases.runner import descriptors_of
from coven.keeper.life.status import not_accounted
from coven.keeper.loop import Loop
from coven.keeper.plan import Plan, PortPlan
from coven.package.descriptor import load
from coven.package.languages import operator_libs
from coven.run.folder import make_folder
from coven.run.foreground import Foreground
from itf.mistakes import Mistake, Refused

ROUNDS = 3  #: the quickest one counts: others are disturbed by what else the machine does
WARM = 4096  #: packets of a run of its own: what a start costs is taken off
LOOK_SECONDS = 0.005  #: the forwarder publishes its figures every 10 ms
CAPTURE_HEADER = 24  #: bytes of a capture file before its first packet
FLOWS = 64
FIRST = "single.yaml"  #: what others are held against, where it is there


class Unpaced(Plan):
    """Captures without their clock."""

    capture = property(lambda self: False)


def measure(package: Path, packets: int) -> int:
    """Print a table: descriptor, packets a second, ratio to the first. What was measured is printed also where another
    descriptor fails, or it is interrupted. Raises Refused when nothing can be measured."""
    if packets <= 2 * WARM:
        mistake = Mistake(field="--packets", found=str(packets), expected=f"more than {2 * WARM}")
        raise Refused(mistake, title="too few packets to measure anything")
    descriptors = sorted(descriptors_of(package), key=lambda path: path.name != FIRST)
    measured: dict[str, float] = {}
    failed: list[str] = []
    try:
        for number, descriptor in enumerate(descriptors, 1):
            progress(f"{number} of {len(descriptors)}: {descriptor.name}")
            try:
                measured[descriptor.stem] = rates(descriptor, packets)
            except Refused as refused:
                failed.append(f"{descriptor.name}: not measured: {refused}")
    finally:
        progress("")
        base = next(iter(measured.values()), 0.0)
        rows = [[name, f"{rate:.0f}", f"{rate / base:.2f}"] for name, rate in measured.items()]
        if rows:
            print(tables.table(["descriptor", "packets/s", "ratio"], rows), flush=True)
    if failed:
        print("\n".join(failed), file=sys.stderr)
    return 1 if failed else 0


def rates(descriptor: Path, packets: int) -> float:
    """Packets a second of one descriptor. Raises Refused when it cannot be run, or loses some."""
    with tempfile.TemporaryDirectory(prefix="coven-lab-measure-") as place:
        counts = (WARM, packets // WARM * WARM)
        captures = [_capture(Path(place) / f"{count}.pcap", count) for count in counts]
        warm, full = (_seconds(descriptor, file, count) for file, count in zip(captures, counts, strict=True))
    return (counts[1] - WARM) / max(full - warm, 1e-6)


def _capture(file: Path, count: int) -> Path:
    """A capture of so many packets, a multiple of WARM: the same ones again and again."""
    made = write_captures(traffic(WARM), file.parent, "in")["in"].read_bytes()
    with file.open("wb") as out:
        out.write(made[:CAPTURE_HEADER])
        for _ in range(count // WARM):
            out.write(made[CAPTURE_HEADER:])
    return file


def traffic(count: int) -> list[Packet]:
    """TCP and UDP of 64 flows, every eighth packet to port 23, 10 us apart."""
    ethernet = bytes.fromhex("020000000002 020000000001 0800")
    made = []
    for number in range(count):
        port = 23 if number % 8 == 0 else 80
        transport = struct.pack("!HHIIBBHHH", 1024 + number % FLOWS, port, number, 0, 0x50, 0x10, 8192, 0, 0)
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 0, 0, 64, 6, 0, b"\x0a\x14\0\1", b"\x0a\x14\0\2")
        total = sum(struct.unpack("!10H", ip))
        total = (total & 0xFFFF) + (total >> 16)
        ip = ip[:10] + struct.pack("!H", ~total & 0xFFFF) + ip[12:]
        data = ethernet + ip + transport + b"\0" * 6
        made.append(Packet("in", number * 10_000, ETHERNET, data, len(data)))
    return made


def _seconds(descriptor: Path, capture: Path, packets: int) -> float:
    """How long a capture takes, at best. Raises Refused."""
    loaded = load(descriptor)
    names, libs = list(loaded.ports), operator_libs(loaded)
    best = float("inf")
    for _ in range(ROUNDS):
        ports = {name: PortPlan("pcap", None, str(capture) if name == names[0] else None) for name in names}
        plan = Unpaced(
            name=descriptor.stem, package=descriptor.parent.resolve(), descriptor=descriptor.name,
            build=make_folder() / "build", ports=ports, instance="measure", libs=libs,
        )  # fmt: skip
        loop = Loop()
        with Foreground(plan, loop) as run:
            began = time.monotonic()
            over = _Over(run, loop, packets)
            run.forward(over)
            best = min(best, time.monotonic() - began)
            if not_accounted(run.status()):
                raise Refused(Mistake(file=descriptor.name, found="packets that are unaccounted for"))
    return best


class _Over:
    """Whether all packets went their way. Looked at on a timer: without its clock no capture says so."""

    def __init__(self, run: Foreground, loop: Loop, packets: int):
        self.run, self.loop, self.packets = run, loop, packets
        self.over = False
        loop.later(LOOK_SECONDS, self._look)

    def __call__(self) -> bool:
        return self.over

    def _look(self) -> None:
        figures = self.run.status()
        self.over = figures["received"] >= self.packets and not figures["in_flight"]
        if not self.over:
            self.loop.later(LOOK_SECONDS, self._look)
