"""Another configuration for VNFCs that run: all of them take it up, or each has its old one back.

This is the keeper's, which lives on when an agent dies: whatever happens to who asked, nothing is left in between.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from coven.keeper.hosts.process import HostProcess
from coven.keeper.hosts.state import State
from itf.mistakes import Mistake

Done = Callable[[list[Mistake]], None]


def reconfigure(hosts: Mapping[str, HostProcess], wanted: Mapping[str, dict[str, Any]], done: Done) -> None:
    """`hosts` run; `wanted`: the complete configuration of each. `done` gets the mistakes of all."""
    before = {name: host.config for name, host in hosts.items()}
    waiting = set(wanted)
    taken: list[str] = []
    mistakes: list[Mistake] = []

    def answered(name: str, wrong: list[Mistake]) -> None:
        waiting.discard(name)
        mistakes.extend(wrong)
        if not wrong:
            taken.append(name)
        if not waiting and (not mistakes or not taken):
            done(mistakes)
        elif not waiting:
            waiting.update(taken)
            for each in taken:
                hosts[each].configure(before[each], partial(taken_back, each))

    def taken_back(name: str, wrong: list[Mistake]) -> None:
        waiting.discard(name)
        if wrong and hosts[name].state != State.RUNNING:
            hosts[name].config = before[name]  # it has that when it comes back
        elif wrong:
            mistakes.append(Mistake(field=f"config.{name}", found="the VNFC does not take its old configuration back"))
            mistakes.extend(wrong)
        if not waiting:
            done(mistakes)

    for name, config in wanted.items():
        hosts[name].configure(config, partial(answered, name))
    if not wanted:
        done([])
