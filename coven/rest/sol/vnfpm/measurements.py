"""What is measured (GS NFV-IFA 027, 7.2), computed from the statistics of VNFs over a window of time.

Shares of processors and memory are per cent of this machine's; what passes an external connection point is counted
over the window.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from agents.statistics import Reader

CPU, MEMORY = "coven_process_cpu_seconds_total", "coven_process_resident_memory_bytes"
PACKETS, BYTES = "coven_port_packets_total", "coven_port_bytes_total"
WHOLE = ""  #: the VNF, among its VNFCs


class ObjectType(StrEnum):
    VNF = "Vnf"
    VNFC = "Vnfc"
    INTERNAL = "VnfIntCp"  #: of which a VNF of ours has none
    EXTERNAL = "VnfExtCp"


@dataclass(frozen=True)
class Reading:
    """Statistics at one moment. `at`: CLOCK_MONOTONIC, in seconds; `source`: the object that they are of."""

    at: float
    source: object
    cpu: Mapping[str, float]  #: processor seconds, by VNFC
    memory: Mapping[str, int]  #: bytes, by VNFC
    packets: Mapping[tuple[str, str], int]  #: by port, and in or out
    bytes: Mapping[tuple[str, str], int]

    @classmethod
    def of(cls, reader: Reader, at: float) -> Reading:
        """Raises TimeoutError."""
        cpu: dict[str, float] = {WHOLE: 0.0}
        memory: dict[str, int] = {WHOLE: 0}
        passed: dict[str, dict[tuple[str, str], int]] = {PACKETS: {}, BYTES: {}}
        snapshot, figures = reader.take()
        for figure in figures:
            if figure.name in (CPU, MEMORY):
                value, names = snapshot.value(figure), {WHOLE, figure.pairs.get("vnfc", WHOLE)}
                for name in names:
                    if figure.name == CPU:
                        cpu[name] = cpu.get(name, 0.0) + float(value)  # type: ignore[arg-type]
                    else:
                        memory[name] = memory.get(name, 0) + int(value)  # type: ignore[arg-type]
            elif figure.name in passed:
                place = figure.pairs["port"], figure.pairs["direction"]
                passed[figure.name][place] = int(snapshot.value(figure))  # type: ignore[arg-type]
        return cls(at, reader.identity, cpu, memory, passed[PACKETS], passed[BYTES])


@dataclass
class Window:
    """Readings of one VNF, from `first` on. Of a VNF that is another one meanwhile, those of the new one alone."""

    first: Reading | None = None
    last: Reading | None = None
    peak: dict[str, float] = field(default_factory=dict)  #: of processor seconds a second, by VNFC
    memory: dict[str, list[int]] = field(default_factory=dict)  #: sum, readings, peak

    def add(self, reading: Reading | None) -> None:
        if reading is None:
            self.first = self.last = None
            self.peak, self.memory = {}, {}
            return
        if self.last is None or self.last.source != reading.source:
            self.peak, self.memory = {}, {}
            self.first = reading
        elif (seconds := reading.at - self.last.at) > 0:
            for name, spent in reading.cpu.items():
                rate = max(0.0, spent - self.last.cpu.get(name, spent)) / seconds
                self.peak[name] = max(self.peak.get(name, 0.0), rate)
        self.last = reading
        for name, taken in reading.memory.items():
            total, count, most = self.memory.get(name, [0, 0, 0])
            self.memory[name] = [total + taken, count + 1, max(most, taken)]

    def following(self) -> Window:
        """The window that begins where this one ends."""
        found = Window()
        if self.last is not None:
            found.add(self.last)
        return found

    @property
    def seconds(self) -> float:
        return self.last.at - self.first.at if self.first is not None and self.last is not None else 0.0


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _cpu_mean(window: Window, part: str) -> float | None:
    first, last = window.first, window.last
    if first is None or last is None or window.seconds <= 0 or part not in last.cpu or part not in first.cpu:
        return None
    return _share(max(0.0, last.cpu[part] - first.cpu[part]) / window.seconds, _cores())


def _cpu_peak(window: Window, part: str) -> float | None:
    return None if part not in window.peak else _share(window.peak[part], _cores())


def _memory_mean(window: Window, part: str) -> float | None:
    if part not in window.memory:
        return None
    total, count, _ = window.memory[part]
    return _share(total / count, _bytes())


def _memory_peak(window: Window, part: str) -> float | None:
    return None if part not in window.memory else _share(window.memory[part][2], _bytes())


def _share(part: float, whole: float) -> float:
    return round(min(100.0, 100.0 * part / whole), 3)


def _passed(what: str, direction: str) -> Callable[[Window, str], int | None]:
    def value(window: Window, part: str) -> int | None:
        if window.first is None or window.last is None or window.seconds <= 0:
            return None
        before, after = getattr(window.first, what), getattr(window.last, what)
        place = part, direction
        return after[place] - before.get(place, 0) if place in after else None

    return value


Value = Callable[[Window, str], float | None]

_COMPUTE: dict[str, Value] = {
    "VCpuUsageMeanVnf": _cpu_mean, "VCpuUsagePeakVnf": _cpu_peak,
    "VMemoryUsageMeanVnf": _memory_mean, "VMemoryUsagePeakVnf": _memory_peak,
}  # fmt: skip
_EXTERNAL: dict[str, Value] = {
    "ByteIncomingVnfExtCp": _passed("bytes", "in"), "ByteOutgoingVnfExtCp": _passed("bytes", "out"),
    "PacketIncomingVnfExtCp": _passed("packets", "in"), "PacketOutgoingVnfExtCp": _passed("packets", "out"),
}  # fmt: skip

#: the measurements of each type of object: name, and what it is of a window and a part, the VNFC or port
MEASUREMENTS: Mapping[ObjectType, Mapping[str, Value]] = {
    ObjectType.VNF: _COMPUTE, ObjectType.VNFC: _COMPUTE, ObjectType.INTERNAL: {}, ObjectType.EXTERNAL: _EXTERNAL,
}
#: groups of measurements, each of all that its type has
GROUPS: dict[str | None, str] = {
    ObjectType.VNF: "VirtualisedComputeResource", ObjectType.VNFC: "VirtualisedComputeResource",
    ObjectType.EXTERNAL: "VnfExternalCp",
}  # fmt: skip


def measurement(text: str) -> tuple[str, str | None]:
    """The name, and the VNF instance that it is of where `NAME.INSTANCE` says one."""
    name, _, instance = text.partition(".")
    return name, instance or None
