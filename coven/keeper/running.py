"""What the parts of a running VNF may know of it: of `Vnf` itself, which is made of them, they know nothing."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, Protocol

from coven.keeper.forwarder.epochs import Epochs
from coven.keeper.forwarder.wiring import Wiring
from coven.keeper.hosts.process import HostProcess, Observer
from coven.keeper.journal import Journal
from coven.keeper.logs import Logs
from coven.keeper.loop import Loop
from coven.keeper.plan import Plan
from coven.keeper.ports.opening import OpenPort
from coven.package.descriptor import Descriptor
from itf.segment import Pool


class Running(Observer, Protocol):
    plan: Plan
    descriptor: Descriptor
    loop: Loop
    journal: Journal
    logs: Logs
    pool: Pool
    wiring: Wiring
    epochs: Epochs
    ports: dict[str, OpenPort]
    hosts: dict[str, HostProcess]
    leaving: list[HostProcess]  #: processes that end, and are no hop's any more
    capture: bool
    forwarding: bool

    @property
    def swaps(self) -> MutableMapping[str, Any]:
        """By VNFC, until the version swapped out has ended."""
        ...

    @property
    def busy(self) -> bool: ...
    def wire_port(self, name: str) -> None: ...
    def send_hop(self, host: HostProcess) -> None: ...
    def restart_host(self, host: HostProcess) -> None: ...
    def on_port_back(self, port: str, interface: str) -> None: ...
