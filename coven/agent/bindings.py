"""Which interface each port is bound to: what a request says, checked."""

from __future__ import annotations

import re
from typing import Any

from coven.agent.store import Row
from coven.keeper import plan
from coven.package.model import Descriptor
from itf.mistakes import Kind, Mistake, Refused, suggest

BACKENDS = tuple(name for name in plan.BACKENDS if name != "pcap")
#: Linux: IFNAMSIZ is 16 with the NUL; no slash, no space
_INTERFACE = re.compile(r"[^\s/:]{1,15}")


def read_ports(descriptor: Descriptor, wanted: Any, mistakes: list[Mistake]) -> dict[str, Row]:
    """The bindings of every port, complete; what is wrong goes to `mistakes`."""

    def wrong(field: str, found: str, expected: str | None, remedy: str | None = None) -> None:
        mistakes.append(Mistake(field=field, found=found, expected=expected, remedy=remedy))

    ports: dict[str, Row] = {}
    if wanted is not None and not isinstance(wanted, dict):
        wrong("ports", repr(wanted)[:60], "a map from port to interface")
        return ports
    wanted = wanted or {}
    for name in wanted.keys() - descriptor.ports.keys():
        wrong(f"ports.{name}", "an unknown port", None, suggest(name, descriptor.ports))
    users: dict[str, str] = {}
    for name in descriptor.ports:
        place = f"ports.{name}"
        binding = wanted.get(name)
        if isinstance(binding, str):
            binding = {"interface": binding}
        if not isinstance(binding, dict) or "interface" not in binding:
            wrong(f"{place}.interface", "nothing", "the name of an interface", f"--port {name}=INTERFACE")
            continue
        for key in binding.keys() - {"interface", "backend", "take"}:
            wrong(f"{place}.{key}", "an unknown field", None, suggest(key, ("interface", "backend", "take")))
        interface, backend = binding["interface"], binding.get("backend", "auto")
        take = binding.get("take", False)
        if not isinstance(interface, str) or not _INTERFACE.fullmatch(interface) or interface in (".", ".."):
            wrong(f"{place}.interface", repr(interface)[:60], "the name of an interface")
            continue
        if interface in users:
            wrong(f"{place}.interface", interface, "an interface of its own", f"{users[interface]} has it")
        users[interface] = name
        if backend not in BACKENDS:
            remedy = "captures are for coven run" if backend == "pcap" else None
            wrong(f"{place}.backend", repr(backend)[:60], " | ".join(BACKENDS), remedy)
        if not isinstance(take, bool):
            wrong(f"{place}.take", repr(take)[:60], "true or false")
        ports[name] = {"interface": interface, "backend": backend, "take": take}
    return ports


def check_disjoint(name: str, ports: dict[str, Row], vnfs: list[Row]) -> None:
    taken = {
        binding["interface"]: (vnf["name"], port)
        for vnf in vnfs
        if vnf["name"] != name
        for port, binding in vnf["ports"].items()
    }
    mistakes = []
    for port, binding in ports.items():
        if binding["interface"] in taken:
            other, its_port = taken[binding["interface"]]
            mistakes.append(
                Mistake(
                    field=f"ports.{port}.interface", found=binding["interface"], expected="a free interface",
                    remedy=f"{other} has it as its port {its_port}: terminate {other}, or choose another"
                )
            )
    if mistakes:
        raise Refused(mistakes, title="interface in use", kind=Kind.CONFLICT)
