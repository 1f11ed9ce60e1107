"""Which interface each port is bound to: what a request says, against the descriptor and the other VNFs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from coven.agent.store import Row
from coven.keeper import plan
from coven.package.model import Descriptor
from itf.mistakes import Kind, Mistake, Refused, suggest
from vns.named import first_name

BACKENDS = plan.LIVE_BACKENDS


def read_ports(descriptor: Descriptor, wanted: Mapping[str, Any], mistakes: list[Mistake]) -> dict[str, Row]:
    """The bindings of every port, complete; what is wrong goes to `mistakes`. `wanted`: each an interface, or a record
    {interface, backend?, take?}.
    """

    def wrong(field: str, found: str, expected: str | None, remedy: str | None = None) -> None:
        mistakes.append(Mistake(field=field, found=found, expected=expected, remedy=remedy))

    ports: dict[str, Row] = {}
    for name in wanted.keys() - descriptor.ports.keys():
        wrong(f"ports.{name}", "an unknown port", None, suggest(name, descriptor.ports))
    users: dict[str, str] = {}
    for name in descriptor.ports:
        place = f"ports.{name}"
        binding = wanted.get(name)
        if isinstance(binding, str):
            binding = {"interface": binding}
        if binding is None or "interface" not in binding:
            wrong(f"{place}.interface", "nothing", "an interface's name or MAC address", f"--port {name}=INTERFACE")
            continue
        interface = binding["interface"]
        if (meant := first_name(interface)) in users:
            wrong(f"{place}.interface", interface, "an interface of its own", f"{users[meant]} has it")
        users[meant] = name
        ports[name] = {"backend": "auto", "take": False, **binding}
    return ports


def stay(
    descriptor: Descriptor, bound: Mapping[str, Row], wanted: Mapping[str, Any], mistakes: list[Mistake]
) -> dict[str, Row]:
    """The bindings of every port of another version: those that are `bound` stay so, `wanted` binds the new ones."""
    kept = {name: binding for name, binding in bound.items() if name in descriptor.ports}
    ports = read_ports(descriptor, {**kept, **wanted}, mistakes)
    for name in kept.keys() & wanted.keys():
        if _meant(ports.get(name)) == _meant(kept[name]):
            ports[name] = kept[name]
        else:
            mistakes.append(Mistake(
                field=f"ports.{name}", found="another binding", expected=f"{kept[name]['interface']}, as it is",
                remedy="terminate and instantiate to bind it anew"
            ))  # fmt: skip
    return ports


def _meant(binding: Row | None) -> Row | None:
    """The same for bindings that say an interface by its name and by its address."""
    return None if binding is None else {**binding, "interface": first_name(binding["interface"])}


def check_disjoint(name: str, ports: dict[str, Row], vnfs: list[Row]) -> None:
    taken = {
        first_name(binding["interface"]): (vnf["name"], port)
        for vnf in vnfs
        if vnf["name"] != name
        for port, binding in vnf["ports"].items()
    }
    mistakes = []
    for port, binding in ports.items():
        if (meant := first_name(binding["interface"])) in taken:
            other, its_port = taken[meant]
            mistakes.append(
                Mistake(
                    field=f"ports.{port}.interface", found=binding["interface"], expected="a free interface",
                    remedy=f"{other} has it as its port {its_port}: terminate {other}, or choose another"
                )
            )
    if mistakes:
        raise Refused(mistakes, title="interface in use", kind=Kind.CONFLICT)
