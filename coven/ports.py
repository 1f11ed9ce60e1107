"""Opening and closing the ports of a VNF, whatever their backends."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Mapping, MutableMapping
from typing import Any, Protocol

from coven import port_lease
from coven.descriptor import Descriptor
from coven.errors import Mistake, suggest
from coven.journal import Journal
from coven.plan import Plan, PortPlan
from itf.segment import C, Pool

ETHERNET_MTU = 1500
_HEADERS = 14 + 8  #: Ethernet and two VLAN tags


class OpenPort(Protocol):
    """What every backend's `open` gives."""

    name: str
    kind: int
    fds: list[int]
    parameters: list[int]
    why: str
    link: int
    mtu: int
    mac: bytes | None
    ifindex: int
    queues: int

    def close(self) -> None: ...


def frame_size(plan: Plan) -> int:
    """Bytes of a frame: room for the largest packet that a port may bring; captures have jumbo frames."""
    if plan.capture:
        return 4096
    mtu = max((interface_mtu(port.interface) for port in plan.ports.values()), default=ETHERNET_MTU)
    return 2048 if C.FRAME_HEADROOM + _HEADERS + mtu + C.FRAME_TAILROOM <= 2048 else 4096


def interface_mtu(interface: str | None) -> int:
    """Its MTU; a plain one for what is not there (opening it says so)."""
    try:
        with open(f"/sys/class/net/{interface}/mtu") as file:
            return int(file.read())
    except (OSError, ValueError):
        return ETHERNET_MTU


def open_ports(
    plan: Plan, descriptor: Descriptor, pool: Pool, journal: Journal, ports: MutableMapping[str, OpenPort]
) -> list[Mistake]:
    """Open every port of the descriptor into `ports`; the mistakes of all of them."""
    mistakes = binding_mistakes(plan, descriptor)
    for name in descriptor.ports:
        if name not in plan.ports:
            continue
        try:
            ports[name] = _open(name, plan.ports[name], pool, journal)
        except Exception as problem:
            found = refusal(problem, name, plan.ports[name])
            if found is None:
                raise
            mistakes += found
    return mistakes


def binding_mistakes(plan: Plan, descriptor: Descriptor) -> list[Mistake]:
    mistakes = [
        Mistake(None, None, None, f"ports.{name}", "no interface or capture", "one for each port",
                f"say --port {name}=...")
        for name in descriptor.ports
        if name not in plan.ports
    ]  # fmt: skip
    mistakes += [
        Mistake(
            None, None, None, f"ports.{name}", name, "a port of the package", suggest(name, descriptor.ports)
        )
        for name in plan.ports
        if name not in descriptor.ports
    ]
    kinds = {port.capture for port in plan.ports.values()}
    if len(kinds) > 1:
        mistakes.append(
            Mistake(None, None, None, "ports", "captures and interfaces together", "one or the other",
                    "a VNF has one clock: the captures' or the machine's")
        )  # fmt: skip
    return mistakes


def _open(name: str, port: PortPlan, pool: Pool, journal: Journal) -> OpenPort:
    backend = importlib.import_module(f"vns.{port.backend}")
    opened: OpenPort
    if port.capture:
        opened = backend.open(name, port.read, port.write)
        return opened
    assert port.interface is not None
    with contextlib.ExitStack() as stack:
        if (lease := port_lease.take(name, port.interface)) is not None:
            stack.callback(lease.close)
        live = backend.open(name, port.interface, pool, journal, take=port.take)
        stack.push(live.undo)  # the interface is as it was before somebody else may have it
        live.undo = stack.pop_all()
        opened = live
    return opened


def refusal(problem: Exception, name: str, port: PortPlan) -> list[Mistake] | None:
    """What a backend's exception says to the user; None if it is not one that was meant to."""
    records = getattr(problem, "mistakes", None)
    if isinstance(records, list):
        return [record if isinstance(record, Mistake) else Mistake.from_dict(record) for record in records]
    if isinstance(problem, OSError):
        where = port.interface or port.read or port.write
        return [Mistake.of(problem, file=where, field=f"ports.{name}")]
    return None


def close_ports(ports: MutableMapping[str, OpenPort]) -> None:
    """Give every interface and file back, the last one opened first."""
    for name in reversed(list(ports)):
        ports.pop(name).close()


def restore_entry(entry: Mapping[str, Any]) -> str | None:
    """Undo one journal entry of a dead keeper's ports; what was done, or None for nothing."""
    backend = entry.get("backend") or "interface"
    if not str(backend).isidentifier():
        return None
    try:
        module = importlib.import_module(f"vns.{backend}")
    except ImportError:
        return None
    restore = getattr(module, "restore", None)
    done = restore(entry) if restore is not None else None
    return str(done) if done else None
