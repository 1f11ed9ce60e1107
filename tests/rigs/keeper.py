"""A keeper in a lab of its own: started as the agent starts it, asked over its socket."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from coven.keeper.client import Keeper
from coven.lab.network import ADDRESS, IN, OUT, Lab
from coven.run.foreground import run_captures
from tests.rigs.packages import capture, datagram

ROOT = Path(__file__).resolve().parents[2]
STREAM_PORT = 5001
COMPLETE_SECONDS = 30  #: that pings have to come back once one has


def wait_for(what: Callable[[], Any], seconds: float = 120.0) -> Any:
    """What `what` gives as soon as it is true. Fails after `seconds`, which say nothing about speed."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, f"still not so after {seconds} s"
        time.sleep(0.02)
    return found


def ping_words(count: int, patience: int, to: str, *more: str) -> tuple[str, ...]:
    """A ping of so many at once that waits `patience` seconds for any of them, and COMPLETE_SECONDS for the others:
    once one has come, ping waits for two round trips more, but at least for its interval."""
    often = ("-l", str(count), "-i", str(COMPLETE_SECONDS))
    return ("ping", "-n", "-c", str(count), *often, "-W", str(patience), *more, to)


class KeeperRig:
    """`with KeeperRig(folder, package) as rig`: a running keeper. `rig.said` is its last line."""

    def __init__(self, folder: Path, package: Path, **plan: Any):
        self.folder = folder
        self.lab = Lab()
        self.keeper = Keeper(folder)
        folder.mkdir(parents=True, exist_ok=True)
        ports = {"in": {"interface": IN}, "out": {"interface": OUT}}
        record = {"name": "tested", "package": str(package), "build": str(folder / "build"), "ports": ports}
        (folder / "plan.json").write_text(json.dumps({**record, **plan}))
        self.said: dict[str, Any] = {}

    def __enter__(self) -> KeeperRig:
        self.lab.up()
        try:
            self.start()
        except BaseException:
            self.lab.down()
            raise
        return self

    def start(self) -> None:
        """Start the keeper (again)."""
        command = [sys.executable, "-m", "coven.keeper", "--directory", str(self.folder)]
        self.process = self.lab.appliance.spawn(*command, cwd=ROOT, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said = json.loads(line)
            if "ok" in self.said:
                return
        raise AssertionError(f"the keeper ended with status {self.process.wait()}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self.process.poll() is None and self.said.get("ok"):
                status = self.status()
                self.keeper.call("end")
                assert self.process.wait(timeout=60) == 0
                if error is None:
                    self.assert_accounted(status)
        finally:
            if self.process.stdout is not None:
                self.process.stdout.close()
            self.lab.down()
            self.process.wait()

    def call(self, op: str, **arguments: Any) -> dict[str, Any]:
        return self.keeper.call(op, **arguments)

    def status(self) -> dict[str, Any]:
        status = self.keeper.call("status")
        self.assert_accounted(status)
        return status

    @staticmethod
    def assert_accounted(status: dict[str, Any]) -> None:
        """Law 1, for the whole VNF and at every place."""
        assert status["unaccounted"] == 0, status
        for place in (*status["ports"].values(), *status["vnfcs"].values(), status["classifier"]):
            assert place["unaccounted"] == 0, status

    def vnfc(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.status()["vnfcs"][name]
        return found

    def ping(self, count: int = 1, patience: int = 1) -> int:
        """How many of so many pings from client to server, sent at once, come back: see `ping_words`."""
        command = ping_words(count, patience, ADDRESS["server"])
        said = self.lab.client.run(*command, check=False).stdout
        return int(said.split(" received")[0].split()[-1])

    def transfer(self, megabytes: int) -> None:
        """A TCP stream from client to server, compared by its SHA-256."""
        words = (sys.executable, "-m", "tests.rigs.port_traffic")
        pipe = subprocess.PIPE
        server = self.lab.server.spawn(*words, "serve", str(STREAM_PORT), stdout=pipe, text=True, cwd=ROOT)
        try:
            assert server.stdout.readline() == "ready\n"
            to = (ADDRESS["server"], str(STREAM_PORT), str(megabytes))
            sent = self.lab.client.run(*words, "send", *to, cwd=ROOT, timeout=600).stdout
            got, _ = server.communicate(timeout=300)
            assert got == sent and got.split()[1] == str(megabytes << 20)
        finally:
            server.kill()
            server.communicate()

    def wait_ping(self) -> None:
        wait_for(lambda: self.ping() == 1)


def run_datagrams(folder: Path, pkg: Path, count: int) -> dict[str, Any]:
    """The figures of so many datagrams from a capture through a package; accounted for, whatever it did."""
    read = capture(folder / "in.pcap", [datagram(i + 1, 60) for i in range(count)])
    ports = {"in": {"read": str(read)}, "out": {"write": str(folder / "out.pcap")}}
    status = run_captures(pkg / "vnf.yaml", ports, {}, 1)
    KeeperRig.assert_accounted(status)
    assert status["received"] == count and status["in_flight"] == 0
    assert status["forwarded"] + status["consumed"] + sum(status["dropped"].values()) == count
    return status
