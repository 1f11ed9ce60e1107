"""Loading VNFCs without a VNF: each is started as in one, in its confinement, says that it is ready or what is wrong,
and ends. No packet comes, and capture time stands still, so that no timer runs either.
"""

from __future__ import annotations

import json
import os
import secrets
from typing import Any

from coven.keeper.hosts.build import Ready
from coven.keeper.hosts.placement import Placement
from coven.keeper.hosts.process import WROTE_LINES, HostProcess
from coven.keeper.hosts.says import with_output
from coven.keeper.hosts.state import State
from coven.keeper.journal import Journal
from coven.keeper.life import hosting
from coven.keeper.logs import Logs
from coven.keeper.loop import Loop
from coven.keeper.plan import Plan
from coven.package.descriptor import Descriptor, Vnfc
from itf.mistakes import Mistake, Refused
from itf.segment import Pool
from pps.confine.confinement import Confinement
from pps.confine.memory_group import sweep

FRAMES, FRAME_SIZE = 1024, 4096  #: that nothing ever lies in
END_SECONDS = 10.0  #: a host that was told to end is killed after one
MTU = 1500


class Trial:
    """Trials of one package's descriptors: what was loaded once, as it is configured there, is not loaded again."""

    def __init__(self, confinement: Confinement, journal: Journal):
        self.confinement = confinement
        self.journal = journal
        self.loop = Loop()
        self.logs = Logs()
        self.placement = Placement("normal")
        self.memory_groups = f"{os.getpid()}.{secrets.token_hex(4)}."
        self._descriptor: Descriptor
        self._tried: set[str] = set()
        self._mistakes: list[Mistake] = []

    def close(self) -> None:
        sweep(self.confinement.controller, self.memory_groups)
        self.loop.close()
        self.logs.close()

    def port_messages(self) -> dict[str, dict[str, Any]]:
        """Ports as a VNFC is told of them in a VNF with interfaces."""
        ports = self._descriptor.ports
        return {
            name: {"number": port.number, "mtu": MTU, "mac": f"02:00:00:00:00:{port.number + 1:02x}"}
            for name, port in ports.items()
        }

    def load(self, plan: Plan, descriptor: Descriptor, ready: dict[str, Ready]) -> list[Mistake]:
        """The mistakes of those VNFCs that are `ready` to be started, all at once."""
        self._descriptor, self._mistakes = descriptor, []
        try:
            configs = descriptor.configured(plan.config)
        except Refused:  # told already
            return []
        new = [vnfc for name, vnfc in descriptor.vnfcs.items() if name in ready and self._is_new(vnfc, configs)]
        if not new:
            return []
        self.journal.write("memory_groups", prefix=self.memory_groups)
        pool = Pool.make(FRAMES, FRAME_SIZE)
        hosts: list[HostProcess] = []
        try:
            for vnfc in new:
                given = hosting.host(plan, vnfc, self.confinement, self, ready[vnfc.name], configs[vnfc.name])
                given.capture = True
                hosts.append(HostProcess(given, pool, self.loop, self.journal, self.logs, self))
                self._mistakes += hosts[-1].begin()
            self.loop.run_until(lambda: all(host.state != State.STARTING for host in hosts))
        finally:
            for host in hosts:
                host.stop()
            self.loop.run_until(lambda: all(host.finished for host in hosts), END_SECONDS)
            for host in hosts:
                host.close()
            pool.close()
        return self._mistakes

    def _is_new(self, vnfc: Vnfc, configs: dict[str, dict[str, Any]]) -> bool:
        how = vnfc.language, vnfc.engine, *vnfc.sources, None, *vnfc.libs, None, *vnfc.outputs
        key = json.dumps([how, vnfc.memory_mb, configs[vnfc.name], list(self._descriptor.ports)], sort_keys=True)
        if key in self._tried:
            return False
        self._tried.add(key)
        return True

    # of hosts

    def host_ready(self, host: HostProcess) -> None:
        pass

    def host_refused(self, host: HostProcess, mistakes: list[Mistake]) -> None:
        self._mistakes += mistakes

    def host_lost(self, host: HostProcess, reason: int) -> None:
        """It was ready, and ended by itself."""
        host.fail()
        *wrote, ended = [line["line"] for line in self.logs.tail(host.name, WROTE_LINES)]
        found = Mistake(
            file=host.plan.vnfc.sources[0], field=f"vnfcs.{host.name}", found=ended,
            expected="a process that stays when it is ready",
        )  # fmt: skip
        self._mistakes += with_output([found], wrote)
