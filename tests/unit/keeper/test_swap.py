"""A change of a VNFC that is given up stays given up, whatever its process had said before it was told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from coven.keeper.hosts.swap import Phase, Swap


class Hosts:
    """What a swap asks of the VNFCs of a running VNF."""

    def __init__(self) -> None:
        self.swaps: dict[str, Swap] = {}
        self.retired: list[Any] = []
        self.made: list[Any] = []
        self.left: list[Any] = []

    def make(self, plan: Any) -> Any:
        made = SimpleNamespace(name="f", number=plan.vnfc.number, reasons={1: ("other", "")}, begin=lambda: [],
                               plan=plan)  # fmt: skip
        self.made.append(made)
        return made

    def let_go(self, host: Any) -> None:
        self.left.append(host)


def test_ready_after_it_was_given_up() -> None:
    for reasons in ({1: ("other", "")}, {1: ("renamed", "")}):
        hosts: Any = Hosts()
        said: list[Any] = []
        old: Any = SimpleNamespace(name="f", number=3, reasons=reasons, restarts=0)
        plan: Any = SimpleNamespace(vnfc=SimpleNamespace(name="f", number=4))
        hosts.retired.append(SimpleNamespace(number=4, generation=1, reasons=reasons))
        swap = Swap(hosts, old, plan, said.append, [5])
        swap.start()
        swap.abandon()
        swap.host_ready(hosts.made[0])
        assert swap.phase == Phase.OVER and said == [] and hosts.swaps == {}
        assert hosts.left == hosts.made and len(hosts.made) == 1, "nobody would end another one"
