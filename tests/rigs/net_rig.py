"""An appliance whose interfaces change underneath it: what integration/test_ports_*.py do to them, and see."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.rigs.agent import ROOT
from tests.rigs.appliance import PACKAGE, Appliance

SECONDS = 120  #: for something to become true on a machine that is busy
COUNT = 199


class Net:
    """The interfaces in0 and out0 of an appliance, whose other ends in1 and out1 are in its namespace, too."""

    def __init__(self, appliance: Appliance):
        self.appliance = appliance
        for interface in ("in1", "out1"):  # nothing but the tests' own frames
            self.set_sysctl(interface, "disable_ipv6", "1")

    def run(self, *words: str, check: bool = True) -> str:
        command = ["ip", "netns", "exec", self.appliance.space, *words]
        return subprocess.run(command, check=check, capture_output=True, text=True, cwd=ROOT).stdout

    def ip(self, command: str) -> str:
        return self.run("ip", *command.split())

    def set_sysctl(self, interface: str, key: str, value: str) -> None:
        self.run("sh", "-c", f"echo {value} > /proc/sys/net/ipv6/conf/{interface}/{key}")

    def make(self, name: str) -> None:
        """NAME0 and NAME1, up."""
        self.ip(f"link add {name}0 type veth peer name {name}1")
        self.set_sysctl(f"{name}1", "disable_ipv6", "1")
        self.ip(f"link set {name}0 up")
        self.ip(f"link set {name}1 up")

    def facts(self, interface: str) -> dict[str, Any]:
        """What a port changes on it."""
        row = json.loads(self.ip(f"-json -details link show dev {interface}"))[0]
        sysctl = f"/proc/sys/net/ipv6/conf/{interface}/disable_ipv6"
        return {
            "flags": sorted(row["flags"]), "promiscuity": row["promiscuity"], "xdp": row.get("xdp"),
            "mtu": row["mtu"], "disable_ipv6": self.run("cat", sysctl),
            "features": self.run("ethtool", "-k", interface),
        }  # fmt: skip

    def across(self, count: int = COUNT, size: int = 100) -> int:
        """How many of `count` frames sent into in0 come out of out0."""
        words = ("-m", "tests.rigs.port_traffic", "across", "in1", "out1", str(size), str(count))
        return int(self.run(sys.executable, *words))

    def deploy(self, backend: str, *options: str) -> None:
        bound = ("--in", "in0", "--out", "out0", "--backend", backend)
        status, text = self.appliance.coven("deploy", str(PACKAGE), "--name", "fw", *bound, *options)
        assert status == 0, text
        self.await_health("healthy")

    def health(self) -> dict[str, Any]:
        found: dict[str, Any] = self.appliance.get("/v1/vnfs/fw/health")
        return found

    def await_health(self, status: str, *why: str) -> None:
        """Until health is that, and its reasons contain these words, one for each."""

        def so() -> bool:
            health = self.health()
            reasons = health["why"]
            return (
                health["status"] == status
                and len(reasons) == len(why)
                and all(words in each for words, each in zip(why, reasons, strict=True))
            )

        self.eventually(so, lambda: str(self.health()))

    @staticmethod
    def eventually(so: Callable[[], bool], said: Callable[[], str] = str) -> None:
        until = time.monotonic() + SECONDS
        while not so():
            assert time.monotonic() < until, said()
            time.sleep(0.02)

    def figures(self) -> dict[str, Any]:
        """The figures once nothing is in flight, law 1 asserted."""
        found: list[dict[str, Any]] = []

        def settled() -> bool:
            found.append(self.appliance.get("/v1/vnfs/fw/stats"))
            return bool(found[-1]["in_flight"] == 0)

        self.eventually(settled)
        figures = found[-1]
        for place in (figures, *figures["ports"].values(), *figures["vnfcs"].values(), figures["classifier"]):
            assert place["unaccounted"] == 0, figures
        return figures

    def heals(self) -> list[dict[str, Any]]:
        operations = self.appliance.get("/v1/operations")["operations"]
        return [each for each in operations if each["operation"] == "HEAL"]

    def terminate(self) -> None:
        self.figures()
        status, text = self.appliance.coven("terminate")
        assert status == 0, text


@contextmanager
def elsewhere() -> Iterator[str]:
    """The process of another network namespace."""
    with subprocess.Popen(["unshare", "--net", "sh", "-c", "echo up; exec cat"], stdin=-1, stdout=-1) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"up\n"
        yield str(holder.pid)
        assert holder.stdin is not None
        holder.stdin.close()
