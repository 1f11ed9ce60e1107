"""What the parts of a running VNF may know of it: of `Vnf` itself, which is made of them, they know nothing."""

from __future__ import annotations

from typing import Protocol

from coven.keeper.forwarder.running import RunningForwarder
from coven.keeper.journal import Journal
from coven.keeper.logs import Logs
from coven.keeper.loop import Loop
from coven.keeper.plan import Plan
from coven.package.descriptor import Descriptor


class Running(Protocol):
    plan: Plan
    descriptor: Descriptor
    loop: Loop
    journal: Journal
    logs: Logs
    forwarder: RunningForwarder

    @property
    def capture(self) -> bool: ...
    @property
    def forwarding(self) -> bool: ...
    @property
    def busy(self) -> bool: ...
