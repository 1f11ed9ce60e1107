"""The agent requests that every VNFC answers, in whatever language it is written: the keeper answers them for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from coven.keeper.hosts.process import HostProcess
from coven.keeper.life.status import metrics
from coven.keeper.life.vnf import Vnf


@dataclass(frozen=True)
class Standard:
    why: str
    answer: Callable[[Vnf, HostProcess], Any]


def _health(vnf: Vnf, host: HostProcess) -> dict[str, Any]:
    vnf.health.look()
    return vnf.health.of(host.name)


STANDARD = {
    "list": Standard("what may be asked of it", lambda vnf, host: offered(host)),
    "health": Standard("how it is, since when and why", _health),
    "metrics": Standard("what its author counts", lambda vnf, host: metrics(host)),
}


def offered(host: HostProcess) -> list[dict[str, Any]]:
    """Each with name, why, unit, args, whether it `changes` something, and whether it is `standard`. A `health` of its
    author's has its place in the standard one."""
    own = [{**each, "standard": False} for each in host.requests if each["name"] not in STANDARD]
    return [*own, *({"name": name, "why": each.why, "unit": "", "args": [], "changes": False, "standard": True}
                    for name, each in STANDARD.items())]  # fmt: skip
