"""Which part of a chain limits it, and why: judged from what was observed over a few seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

#: reasons of drops for lack of room: before the chain, behind it, at a VNFC (an executable loses what it gives no
#: verdict on in time)
NO_ROOM_IN, NO_ROOM_OUT = ("rx_dropped", "rx_ring_full", "no_frame"), "tx_full"
NO_ROOM_AT_VNFC = ("full", "quota", "hold_full", "unanswered", "unread")
BUSY = 0.8  #: of a core: who uses that has no time left
BACKLOGGED = 0.75  #: of the looks, at which a VNFC had more than half of what may wait for it


class Limit(StrEnum):
    """What limits a chain."""

    VNFC = "vnfc"
    CORE = "core"
    FORWARDER = "forwarder"
    TRANSMIT = "transmit"  #: the kernel's transmit path
    PORT = "port"  #: its receive ring


@dataclass(frozen=True)
class Process:
    """Of a VNFC or the forwarder. `cpu`: cores that it kept busy; `system`: of these, in the kernel; `ready`: cores
    that it could have kept busy beside, had others not had them; `cores`: those that it may use."""

    cpu: float
    system: float = 0.0
    ready: float = 0.0
    cores: tuple[int, ...] = ()


@dataclass(frozen=True)
class VnfcSeen:
    """Rates in packets a second. `backlogged`: the part of the looks at which much waited for it; `seconds`: a packet's
    time in it, where that is known."""

    language: str
    process: Process
    arrived: float
    served: float
    lost: float = 0.0
    backlogged: float = 0.0
    seconds: float | None = None


@dataclass(frozen=True)
class PortSeen:
    """Packets a second that it lost for lack of room: on their way in, by reason; on their way out."""

    lost_in: Mapping[str, float] = field(default_factory=dict)
    lost_out: float = 0.0
    sent: float = 0.0


@dataclass(frozen=True)
class Observation:
    """`busy`: the part of the time that each core of the machine was busy, with whatever; `received`: packets a second
    that the VNF took in."""

    received: float
    forwarder: Process
    vnfcs: Mapping[str, VnfcSeen]
    ports: Mapping[str, PortSeen]
    busy: Mapping[int, float]


@dataclass(frozen=True)
class Bottleneck:
    """`where`: a VNFC, a port, a core's number, or forwarder. `allows`: packets a second that it lets through. `place`:
    the VNFC that packets wait for, or the port where they are lost."""

    limit: Limit
    where: str
    why: str
    allows: float
    helps: Sequence[str]
    place: str = ""


def judge(seen: Observation) -> Bottleneck | None:
    """None: nothing limits the chain at this load."""
    for name, port in seen.ports.items():
        if port.lost_out > 0:
            return Bottleneck(
                Limit.TRANSMIT, name, f"the kernel's transmit path: the interface of {name} did not take "
                f"{port.lost_out:.0f} packets a second (tx_full)", port.sent,
                ["a faster interface, or a longer transmit ring (ethtool -G)", "less traffic"], name,
            )  # fmt: skip
    waited_for = {name: vnfc for name, vnfc in seen.vnfcs.items() if vnfc.backlogged >= BACKLOGGED}
    if waited_for:
        name = min(waited_for, key=lambda each: waited_for[each].served)
        return replace(_vnfc(name, waited_for[name], seen), place=name)
    lost = {f"{name}.{reason}": rate for name, port in seen.ports.items()
            for reason, rate in port.lost_in.items() if rate > 0}  # fmt: skip
    if not lost:
        return None
    worst = max(lost, key=lost.__getitem__).partition(".")[0]
    return replace(_forwarder(lost, worst, seen), place=worst)


def _vnfc(name: str, vnfc: VnfcSeen, seen: Observation) -> Bottleneck:
    took = f", {duration(vnfc.seconds)} a packet" if vnfc.seconds else ""
    much = f"more packets come to {name} than it works on ({vnfc.served:.0f} a second{took})"
    process = vnfc.process
    if process.cpu >= BUSY:
        kernel = f", half of that and more in the kernel ({process.system:.0%})" if process.system * 2 >= process.cpu \
            else ""  # fmt: skip
        helps = ["work on whole bursts (handle_burst)"]
        if vnfc.language not in ("c", "c++", "click"):
            helps.append(f"a faster language than {vnfc.language} for it, as C")
        helps.append("fewer packets that reach it: a classifier rule before it")
        if _shared(process, seen):
            helps.append("a core of its own")
        return Bottleneck(Limit.VNFC, name, f"{much}, and it works all the time: {process.cpu:.0%} of a core{kernel}",
                          vnfc.served, helps)  # fmt: skip
    if process.cpu + process.ready >= BUSY:
        core = _core(process, seen)
        return Bottleneck(
            Limit.CORE, str(core), f"{much}: core {core}, where it runs, is used up ({_users(core, seen)}), and it "
            f"waited {process.ready:.0%} of the time for its turn", vnfc.served,
            ["another core for one of them, or for other programs", f"less work in {name}"],
        )  # fmt: skip
    return Bottleneck(
        Limit.VNFC, name, f"{much}, and it mostly waits: {process.cpu:.0%} of a core is busy. It sleeps, or waits for "
        "a file, a lock or an answer in its handler", vnfc.served,
        ["hold the packet and go on with a timer instead of sleeping", "keep files and answers out of the handler"],
    )  # fmt: skip


def _forwarder(lost: Mapping[str, float], worst: str, seen: Observation) -> Bottleneck:
    losses = ", ".join(f"{name} {rate:.0f}" for name, rate in sorted(lost.items(), key=lambda item: -item[1]))
    much = f"packets are lost on arrival ({losses} a second) and no VNFC is behind"
    process = seen.forwarder
    if process.cpu >= BUSY and process.system * 2 >= process.cpu:
        return Bottleneck(
            Limit.TRANSMIT, "forwarder", f"the kernel's transmit path: {much}; the forwarder is busy "
            f"{process.cpu:.0%} of a core, {process.system:.0%} of it in the kernel", seen.received,
            ["a driver with native AF_XDP", "fewer, larger packets"],
        )  # fmt: skip
    if process.cpu >= BUSY:
        return Bottleneck(Limit.FORWARDER, "forwarder", f"{much}; the forwarder is busy {process.cpu:.0%} of a core",
                          seen.received, ["VNFCs of one language beside each other", "a core of its own"])  # fmt: skip
    if process.cpu + process.ready >= BUSY:
        core = _core(process, seen)
        return Bottleneck(
            Limit.CORE, str(core), f"{much}: core {core}, where the forwarder runs, is used up ({_users(core, seen)})",
            seen.received, ["another core for the VNFCs, or for other programs"],
        )  # fmt: skip
    return Bottleneck(
        Limit.PORT, worst, f"{much}, and the forwarder has time left: they come in bursts for which "
        "the receive ring has no room", seen.received, ["smoother traffic"],
    )  # fmt: skip


def _core(process: Process, seen: Observation) -> int:
    """The busiest of those that it may use."""
    return max(process.cores or tuple(seen.busy), key=lambda core: seen.busy.get(core, 0.0))


def _processes(seen: Observation) -> dict[str, Process]:
    return {"the forwarder": seen.forwarder, **{name: vnfc.process for name, vnfc in seen.vnfcs.items()}}


def _shared(process: Process, seen: Observation) -> bool:
    others = [each for each in _processes(seen).values() if each is not process and each.cpu >= 0.1]
    return any(set(each.cores) & set(process.cores) or not each.cores or not process.cores for each in others)


def _users(core: int, seen: Observation) -> str:
    named = {name: process for name, process in _processes(seen).items() if not process.cores or core in process.cores}
    parts = [f"{name} {process.cpu:.0%}" for name, process in
             sorted(named.items(), key=lambda item: -item[1].cpu) if process.cpu >= 0.01]  # fmt: skip
    return ", ".join([*parts, "others the rest"])


def duration(seconds: float) -> str:
    """As people say it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.0f} ns"
