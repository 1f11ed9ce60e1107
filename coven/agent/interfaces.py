"""The machine's interfaces, as ports could be bound to them, each with all reasons why it would be refused."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from coven.agent.store import Row
from vns import ethtool, interface


def listed(vnfs: Iterable[Row]) -> list[Row]:
    """All but the loopback. `refused`: what speaks against it, which `take` overrides where `takeable`."""
    users = {
        binding["interface"]: f"{vnf['name']} has it as its port {port}"
        for vnf in vnfs for port, binding in vnf["ports"].items()
    }  # fmt: skip
    found = []
    for _, name in sorted(socket.if_nameindex(), key=lambda each: each[1]):
        with suppress(OSError):  # it has just gone
            kind, address = ethtool.hardware(name)
            if not ethtool.flags(name) & ethtool.IFF_LOOPBACK:
                found.append(_described(name, kind, address, users.get(name)))
    return found


def _described(name: str, kind: int, address: bytes, user: str | None) -> dict[str, Any]:
    firm = [user] if user is not None else []
    if kind != ethtool.ARPHRD_ETHER:
        firm.append("it is not Ethernet")
    soft = [] if firm else [str(each.found) for each in interface.objections(name, name)]
    return {
        "name": name, "mac": address.hex(":"), "mtu": ethtool.mtu(name),
        "refused": [*firm, *soft], "takeable": not firm,
    }  # fmt: skip
