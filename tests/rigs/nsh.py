"""Packets given as bytes through a package, in captures: what left by each port, and the figures."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coven.keeper.life.status import not_accounted
from coven.run.foreground import run_captures
from tests.rigs.packages import FORWARD_C, package

LINK_ETHERNET = 1
AWARE_C = "#include <coven/vnfc.h>\n"


@dataclass
class Through:
    """What a run gave: packets by port, in order, and the status document."""

    out: dict[str, list[bytes]]
    status: dict[str, Any]

    @property
    def dropped(self) -> dict[str, int]:
        found: dict[str, int] = self.status["dropped"]
        return found


def write_capture(path: Path, packets: list[bytes]) -> None:
    with path.open("wb") as file:
        file.write(struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, LINK_ETHERNET))
        for number, data in enumerate(packets):
            file.write(struct.pack("<IIII", 1000, number, len(data), len(data)) + data)


def read_capture(path: Path) -> list[bytes]:
    raw, at, packets = path.read_bytes(), 24, []
    while at < len(raw):
        length = struct.unpack_from("<I", raw, at + 8)[0]
        packets.append(raw[at + 16 : at + 16 + length])
        at += 16 + length
    return packets


def through(
    folder: Path,
    descriptor: str,
    arriving: list[bytes] | dict[str, list[bytes]],
    ports: tuple[str, ...] = ("in", "out"),
    told: list[str] | None = None,
    **sources: str,
) -> Through:
    """Run packets (of port `in`, if not said) through a package; law 1 is asserted. `told` gets what is explained of
    each."""
    came = arriving if isinstance(arriving, dict) else {"in": arriving}
    source = package(folder / "package", descriptor, **(sources or {"one_c": FORWARD_C}))
    bound: dict[str, dict[str, str | None]] = {}
    for name in ports:
        bound[name] = {"read": None, "write": str(folder / f"{name}-out.pcap")}
        if name in came:
            bound[name]["read"] = str(folder / f"{name}-in.pcap")
            write_capture(folder / f"{name}-in.pcap", came[name])
    status = run_captures(source / "vnf.yaml", bound, {}, 1, None if told is None else told.append)
    assert not not_accounted(status), status
    assert status["in_flight"] == 0 and status["received"] == sum(len(packets) for packets in came.values())
    return Through({name: read_capture(folder / f"{name}-out.pcap") for name in ports}, status)
