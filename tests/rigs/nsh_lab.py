"""Networks with several appliances: places, wires between them, a keeper each, TCP from end to end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from coven.keeper.client import Keeper
from coven.lab.network import Lab, Place
from tests.rigs.keeper import ROOT, KeeperRig, ping_words

CLIENT, SERVER = "10.20.0.1", "10.20.0.2"
TRAFFIC = str(ROOT / "tests" / "rigs" / "port_traffic.py")


class Net:
    """Places by name and veth pairs between them; gone at the end."""

    def __init__(self, *places: str):
        self.lab = Lab()
        self.appliances: list[Appliance] = []
        try:
            for name in places:
                self.lab.places[name] = Place(name)
        except BaseException:
            self.lab.down()
            raise

    def __getitem__(self, name: str) -> Place:
        return self.lab.places[name]

    def wire(self, one: tuple[str, str, str], other: tuple[str, str, str], mtu: int = 1500) -> None:
        """A veth pair; each end: place, interface, MAC address."""
        near, far = self[one[0]], self[other[0]]
        near.run(
            "ip",
            "link",
            "add",
            one[1],
            "address",
            one[2],
            "mtu",
            str(mtu),
            "type",
            "veth",
            "peer",
            "name",
            other[1],
            "address",
            other[2],
            "mtu",
            str(mtu),
            "netns",
            str(far.pid),
        )
        near.run("ip", "link", "set", one[1], "up")
        far.run("ip", "link", "set", other[1], "up")

    def ends(self) -> None:
        """Addresses of places client and server, on their eth0."""
        self["client"].run("ip", "addr", "add", f"{CLIENT}/24", "dev", "eth0")
        self["server"].run("ip", "addr", "add", f"{SERVER}/24", "dev", "eth0")

    def ping(self, count: int = 1, size: int = 56, to: str = SERVER, patience: int = 1) -> int:
        """How many of so many pings of the client, sent at once, come back: see `ping_words`."""
        words = ping_words(count, patience, to, "-s", str(size))
        said = self["client"].run(*words, check=False).stdout
        return int(said.split(" received")[0].split()[-1]) if " received" in said else 0

    def transfer(self, megabytes: int, frm: str = "client", to: str = SERVER, at: str = "server") -> None:
        """A TCP stream of so many MB; what arrives is what was sent."""
        python = sys.executable
        receiver = self[at].spawn(python, TRAFFIC, "serve", "5001", stdout=subprocess.PIPE, text=True)
        try:
            assert receiver.stdout and receiver.stdout.readline() == "ready\n"
            sent = self[frm].run(python, TRAFFIC, "send", to, "5001", str(megabytes), timeout=300).stdout
            got = receiver.stdout.readline()
            assert sent == got and got.endswith(f" {megabytes << 20}\n"), (sent, got)
        finally:
            receiver.kill()
            receiver.communicate()

    def __enter__(self) -> Net:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            for appliance in self.appliances:
                appliance.end(error is None)
        finally:
            self.lab.down()
            for appliance in self.appliances:
                appliance.close()


class Appliance:
    """A keeper with one VNF, forwarding."""

    def __init__(self, net: Net, place: str, folder: Path, package: Path, ports: dict[str, str]):
        self.keeper = Keeper(folder)
        folder.mkdir(parents=True)
        bound = {name: {"interface": interface} for name, interface in ports.items()}
        plan = {"name": place, "package": str(package), "build": str(folder / "build"), "ports": bound}
        (folder / "plan.json").write_text(json.dumps(plan))
        command = [sys.executable, "-m", "coven.keeper", "--directory", str(folder)]
        self.process = net[place].spawn(*command, cwd=ROOT, stdout=subprocess.PIPE)
        net.appliances.append(self)
        assert self.process.stdout
        said: dict[str, Any] = {}
        for line in self.process.stdout:
            said = json.loads(line)
            if "ok" in said:
                break
        assert said.get("ok"), said
        self.call("start")

    def call(self, op: str, **arguments: Any) -> dict[str, Any]:
        return self.keeper.call(op, **arguments)

    def status(self) -> dict[str, Any]:
        status = self.call("status")
        KeeperRig.assert_accounted(status)
        return status

    def end(self, well: bool) -> None:
        if self.process.poll() is not None:
            assert not well, "the keeper ended by itself"
            return
        status = self.call("status")
        self.call("end")
        assert self.process.wait(timeout=60) == 0
        if well:
            KeeperRig.assert_accounted(status)

    def close(self) -> None:
        if self.process.stdout:
            self.process.stdout.close()
        self.process.wait()
