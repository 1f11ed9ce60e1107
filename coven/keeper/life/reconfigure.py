"""Another configuration for VNFCs that run: all of them take it up, or each has its old one back.

This is the keeper's, which lives on when an agent dies: whatever happens to who asked, nothing is left in between.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from coven.keeper.hosts.process import HostProcess
from coven.keeper.hosts.state import State
from itf.mistakes import Kind, Mistake, Refused

Done = Callable[[list[Mistake]], None]


class Reconfiguring:
    """One change of configuration at a time, and who waits for its end."""

    def __init__(self) -> None:
        self.now = False
        self._waiting: list[Callable[[], None]] = []

    def begin(self, hosts: Mapping[str, HostProcess], wanted: Mapping[str, dict[str, Any]], done: Done) -> None:
        """As `reconfigure`. Raises Refused while another one is going on."""
        if self.now:
            found = Mistake(found="another change of configuration is going on", remedy="try again when it is over")
            raise Refused(found, title="not now", kind=Kind.UNAVAILABLE)

        def over(mistakes: list[Mistake]) -> None:
            self.now = False
            waiting, self._waiting = self._waiting, []
            done(mistakes)
            for call in waiting:
                call()

        self.now = True
        reconfigure(hosts, wanted, over)

    def when_over(self, call: Callable[[], None]) -> None:
        """Now, or at the end of what is going on."""
        if self.now:
            self._waiting.append(call)
        else:
            call()


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
