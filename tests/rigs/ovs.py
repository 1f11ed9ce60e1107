"""Open vSwitch with its userspace datapath, in a place of a lab, with folders of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

from coven.lab.network import Place

SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")


def there() -> bool:
    return SCHEMA.is_file() and all(
        map(shutil.which, ("ovsdb-server", "ovs-vswitchd", "ovs-vsctl", "ovs-ofctl"))
    )


class OpenVSwitch:
    """`with OpenVSwitch(place) as ovs`: both daemons run, with no bridge yet."""

    def __init__(self, place: Place):
        self.place = place
        self.folder = Path(tempfile.mkdtemp(prefix="ovs"))  # short: sockets lie in it
        words = ("RUNDIR", "LOGDIR", "DBDIR", "SYSCONFDIR")
        self.env = {**os.environ, **{f"OVS_{word}": str(self.folder) for word in words}}
        self.database = f"unix:{self.folder}/db.sock"
        self.daemons: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> OpenVSwitch:
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def _start(self) -> None:
        conf = self.folder / "conf.db"
        subprocess.run(["ovsdb-tool", "create", conf, SCHEMA], check=True, capture_output=True)
        self._daemon(
            "ovsdb-server", str(conf), f"--remote=p{self.database}", f"--unixctl={self.folder}/db.ctl"
        )
        end = time.monotonic() + 60
        while not (self.folder / "db.sock").exists():
            assert time.monotonic() < end, "ovsdb-server has not come up"
            time.sleep(0.02)
        self.vsctl("--no-wait", "init")
        self._daemon("ovs-vswitchd", self.database, f"--unixctl={self.folder}/vs.ctl")

    def _daemon(self, *words: str) -> None:
        quiet = {"stdout": subprocess.DEVNULL, "stderr": (self.folder / f"{words[0]}.log").open("wb")}
        self.daemons.append(self.place.spawn(*words, env=self.env, **quiet))

    def vsctl(self, *words: str) -> str:
        return self._tool("ovs-vsctl", f"--db={self.database}", "--timeout=300", *words)

    def bridge(self, name: str, **ports: int) -> None:
        """A bridge without flows; its ports have these OpenFlow numbers."""
        self.vsctl("add-br", name, "--", "set", "bridge", name, "datapath_type=netdev", "fail_mode=secure")
        for port, number in ports.items():
            self.vsctl("add-port", name, port, "--", "set", "interface", port, f"ofport_request={number}")

    def flow(self, bridge: str, flow: str) -> None:
        self._tool("ovs-ofctl", "-O", "OpenFlow13", "add-flow", f"unix:{self.folder}/{bridge}.mgmt", flow)

    def flows(self, bridge: str) -> str:
        return self._tool("ovs-ofctl", "-O", "OpenFlow13", "dump-flows", f"unix:{self.folder}/{bridge}.mgmt")

    def _tool(self, *words: str) -> str:
        return self.place.run(*words, env=self.env).stdout

    def close(self) -> None:
        for daemon in reversed(self.daemons):
            daemon.terminate()
            try:
                daemon.wait(60)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
