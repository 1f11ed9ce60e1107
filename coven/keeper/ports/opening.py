"""Opening and closing the ports of a VNF, whatever their backends."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Mapping, MutableMapping
from typing import Any, Protocol

from coven.keeper.journal import Journal
from coven.keeper.plan import Plan, PortPlan
from coven.keeper.ports import lease as port_lease
from coven.package.descriptor import Descriptor
from itf.mistakes import Mistake, Refused, suggest
from itf.segment import C, Pool
from vns import ethtool
from vns.named import address_of, bearing, first_name
from vns.port import refuse

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
    kept_off: list[str]
    owed: list[Mapping[str, Any]]

    def interface(self) -> str | None: ...

    def hand(self) -> list[int]: ...

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
        return ethtool.mtu(first_name(interface or ""))
    except OSError:
        return ETHERNET_MTU


def open_port(
    name: str, port: PortPlan, pool: Pool, journal: Journal, ports: MutableMapping[str, OpenPort]
) -> list[Mistake]:
    """Open one port into `ports`; the mistakes that are in its way."""
    try:
        ports[name] = _open(name, port, pool, journal)
    except Exception as problem:
        found = refusal(problem, name, port)
        if found is None:
            raise
        return found
    return []


def binding_mistakes(plan: Plan, descriptor: Descriptor) -> list[Mistake]:
    mistakes = [
        Mistake(
            field=f"ports.{name}", found="no interface or capture", expected="one for each port",
            remedy=f"say --port {name}=..."
        )
        for name in descriptor.ports
        if name not in plan.ports
    ]  # fmt: skip
    mistakes += [
        Mistake(
            field=f"ports.{name}", found=name, expected="a port of the package",
            remedy=suggest(name, descriptor.ports)
        )
        for name in plan.ports
        if name not in descriptor.ports
    ]
    kinds = {port.capture for port in plan.ports.values()}
    if len(kinds) > 1:
        mistakes.append(
            Mistake(
                field="ports", found="captures and interfaces together", expected="one or the other",
                remedy="a VNF has one clock: the captures' or the machine's"
            )
        )  # fmt: skip
    return mistakes


def _open(name: str, port: PortPlan, pool: Pool, journal: Journal) -> OpenPort:
    backend = importlib.import_module(f"vns.{port.backend}")
    opened: OpenPort
    if port.capture:
        opened = backend.open(name, port.read, port.write)
        return opened
    assert port.interface is not None
    if (address := address_of(port.interface)) is not None and len(found := bearing(address)) != 1:
        names = ", ".join(link.name for link in found) or "no interface"
        raise refuse(name, f"{address}, which {names} {'have' if found else 'has'}", "the address of one interface",
                     "say the interface's name" if found else None)  # fmt: skip
    interface = first_name(port.interface)
    with contextlib.ExitStack() as stack:
        if (lease := port_lease.take(name, interface)) is not None:
            stack.callback(lease.close)
        live = backend.open(name, interface, pool, journal, take=port.take)
        stack.push(live.undo)  # the interface is as it was before somebody else may have it
        live.undo = stack.pop_all()
        opened = live
    return opened


def refusal(problem: Exception, name: str, port: PortPlan) -> list[Mistake] | None:
    """What a backend's exception says to the user; None if it is not one that was meant to."""
    if isinstance(problem, Refused):
        return problem.mistakes
    if isinstance(problem, OSError):
        where = port.interface or port.read or port.write
        return [Mistake.of(problem, file=where, field=f"ports.{name}")]
    return None


def close_port(name: str, ports: MutableMapping[str, OpenPort]) -> list[Mapping[str, Any]]:
    """Give its interface or files back. What could not be undone since the interface is not there: entries for
    `restore_entry`, should it come back."""
    port = ports.pop(name)
    port.close()
    return port.owed


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
