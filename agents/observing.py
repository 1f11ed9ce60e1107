"""Observing a running VNF for some seconds through its statistics object: what `bottleneck.py` judges.

Nobody is asked, and the VNF does nothing for it.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from agents.bottleneck import (
    NO_ROOM_AT_VNFC,
    NO_ROOM_IN,
    NO_ROOM_OUT,
    Observation,
    PortSeen,
    Process,
    VnfcSeen,
)
from agents.machine import descendants
from agents.statistics import Distribution, Reader, Value
from itf.segment import C

LOOKS_A_SECOND = 20
PATIENCE_SECONDS = 3.0  #: with figures that stay half-written

Key = tuple[str, frozenset[tuple[str, str]]]


@dataclass(frozen=True)
class Part:
    """A VNFC: its language, and its process, which may be none at the moment."""

    language: str
    pid: int | None


class _Look:
    """The figures of one moment."""

    def __init__(self, reader: Reader):
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            self.at = time.monotonic()
            try:
                read = list(reader.read())
                break
            except TimeoutError:  # who writes is without a core for a moment, or died and is replaced
                if self.at > until:
                    raise
        self.found: dict[Key, Value] = {(figure.name, frozenset(figure.pairs.items())): value for figure, value in read}

    def __call__(self, name: str, **labels: str) -> float:
        value = self.found.get((name, frozenset(labels.items())), 0)
        return 0.0 if isinstance(value, Distribution) else float(value)

    def times(self, name: str, **labels: str) -> tuple[int, float]:
        """How many were timed, and their seconds together."""
        value = self.found.get((name, frozenset(labels.items())))
        return (value.count, value.total / 1e9) if isinstance(value, Distribution) else (0, 0.0)

    def values(self, name: str, label: str) -> list[str]:
        """What a label is in the figures of that name."""
        return sorted({dict(labels)[label] for each, labels in self.found if each == name})


def observe(
    reader: Reader, vnfcs: Mapping[str, Part], forwarder: int | None, seconds: float,
    sleep: Callable[[float], object] = time.sleep,
) -> Observation:  # fmt: skip
    """Raises TimeoutError as the reader does."""
    behind: Counter[str] = Counter()
    behind_inside: Counter[str] = Counter()  #: with what an executable has been asked about
    before, used, machine = _Look(reader), _Used(vnfcs, forwarder), psutil.cpu_times(percpu=True)
    looks = max(2, round(seconds * LOOKS_A_SECOND))
    for _ in range(looks):
        sleep(seconds / looks)
        now = _Look(reader)
        for name in vnfcs:
            waiting = now("coven_vnfc_in_flight_packets", vnfc=name) - now("coven_vnfc_held_packets", vnfc=name)
            asked = waiting + now("coven_vnfc_lent_packets", vnfc=name)
            behind[name] += waiting * 2 > C.SEG_HOST_BURST
            behind_inside[name] += asked * 2 > C.SEG_HOST_BURST
    passed = now.at - before.at
    cpu, after = used.now(), psutil.cpu_times(percpu=True)

    def rate(name: str, **labels: str) -> float:
        return max(0.0, (now(name, **labels) - before(name, **labels)) / passed)

    def vnfc(name: str, part: Part) -> VnfcSeen:
        lost = sum(rate("coven_drops_total", place=name, reason=reason) for reason in NO_ROOM_AT_VNFC)
        arrived = rate("coven_vnfc_received_packets_total", vnfc=name)
        kept = (now("coven_vnfc_in_flight_packets", vnfc=name) - before("coven_vnfc_in_flight_packets", vnfc=name))
        timed, took = (last - first for last, first in
                       zip(now.times("coven_vnfc_seconds", vnfc=name), before.times("coven_vnfc_seconds", vnfc=name),
                           strict=True))  # fmt: skip
        late = max(behind[name], behind_inside[name] if lost > 0 else 0)
        return VnfcSeen(
            part.language, cpu[name], arrived, max(0.0, arrived - lost - kept / passed), lost,
            late / looks, took / timed if timed > 0 else None,
        )  # fmt: skip

    def port(name: str) -> PortSeen:
        return PortSeen(
            {reason: rate("coven_drops_total", place=name, reason=reason) for reason in NO_ROOM_IN},
            rate("coven_drops_total", place=name, reason=NO_ROOM_OUT),
            rate("coven_port_packets_total", port=name, direction="out"),
        )

    return Observation(
        received=rate("coven_vnf_received_packets_total"),
        forwarder=cpu[""],
        vnfcs={name: vnfc(name, part) for name, part in vnfcs.items()},
        ports={name: port(name) for name in now.values("coven_port_packets_total", "port")},
        busy={core: _busy(first, last) for core, (first, last) in enumerate(zip(machine, after, strict=True))},
    )


class _Used:
    """The processor time of the VNF's processes since this was made, by VNFC; the forwarder's by ""."""

    def __init__(self, vnfcs: Mapping[str, Part], forwarder: int | None):
        self.began = time.monotonic()
        self.pids = {"": forwarder, **{name: part.pid for name, part in vnfcs.items()}}
        self.first = {name: _times(pid) for name, pid in self.pids.items()}

    def now(self) -> dict[str, Process]:
        passed = time.monotonic() - self.began
        found = {}
        for name, pid in self.pids.items():
            user, system, ready = (max(0.0, last - first) / passed
                                   for last, first in zip(_times(pid), self.first[name], strict=True))  # fmt: skip
            found[name] = Process(user + system, system, ready, _cores(pid))
        return found


def _times(pid: int | None) -> tuple[float, float, float]:
    """Seconds in user mode, in kernel mode, and ready to run without a core, of a process and those that it started."""
    user = system = ready = 0.0
    if pid is not None:
        for each in (pid, *descendants(pid)):
            with suppress(psutil.Error):
                times = psutil.Process(each).cpu_times()
                user, system, ready = user + times.user, system + times.system, ready + _ready(each)
    return user, system, ready


def _ready(pid: int) -> float:
    """Seconds that its threads have waited for a core (Linux' sched-stats.rst)."""
    waited = 0.0
    for schedstat in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(OSError, ValueError, IndexError):
            waited += int(schedstat.read_text().split()[1]) / 1e9
    return waited


def _cores(pid: int | None) -> tuple[int, ...]:
    with suppress(psutil.Error):
        if pid is not None:
            return tuple(psutil.Process(pid).cpu_affinity() or ())
    return ()


def _busy(first: psutil._pslinux.scputimes, last: psutil._pslinux.scputimes) -> float:
    idle = (last.idle + last.iowait) - (first.idle + first.iowait)
    whole = sum(last) - sum(first)
    return max(0.0, 1.0 - idle / whole) if whole > 0 else 0.0
