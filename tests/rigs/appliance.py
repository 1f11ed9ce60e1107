"""A namespace with two interfaces, and an agent with real keepers in it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from coven.keeper.client import find_process
from tests.rigs.agent import ROOT

PACKAGE = ROOT / "packages" / "forward" / "c.yaml"

_ASK = """
import json, sys
from coven.cli.client import Client, find
print(json.dumps(Client(find(sys.argv[1])).ask(sys.argv[2], sys.argv[3], json.loads(sys.argv[4]))))
"""


class Appliance:
    """A namespace with the interfaces `in0` and `out0`, and an agent in it."""

    def __init__(self, state: Path):
        self.state = state
        self.space = f"coven-agent-{os.getpid()}"
        self.agent: subprocess.Popen[str] | None = None
        subprocess.run(["ip", "netns", "add", self.space], check=True)
        for command in (
            "link set lo up",
            "link add in0 type veth peer name in1", "link add out0 type veth peer name out1",
            # no addresses of IPv6, whose neighbour discovery would be packets that no test sent
            *(f"link set {end} addrgenmode none" for end in ("in0", "in1", "out0", "out1")),
            "link set in0 up", "link set in1 up", "link set out0 up", "link set out1 up",
        ):  # fmt: skip
            self.ip(command)

    def ip(self, *commands: str) -> None:
        for command in commands:
            subprocess.run(["ip", "-n", self.space, *command.split()], check=True)

    def inside(self, *words: str) -> list[str]:
        return ["ip", "netns", "exec", self.space, sys.executable, *words]

    def coven(self, *words: str) -> tuple[int, str]:
        done = subprocess.run(
            self.inside("-m", "coven", *words), cwd=ROOT, capture_output=True, text=True, timeout=120,
            env={**os.environ, "COVEN_STATE": str(self.state)},
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def get(self, path: str) -> Any:
        return self.ask("GET", path)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        done = subprocess.run(
            self.inside("-c", _ASK, str(self.state), method, path, json.dumps(body)),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def serve(self, *options: str) -> None:
        listen = ("--listen", "127.0.0.1:0", *options)
        self.agent = subprocess.Popen(
            self.inside("-m", "coven", "serve", "--state", str(self.state), *listen),
            cwd=ROOT, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.agent.stdout is not None
        assert "serving http" in self.agent.stdout.readline()

    def healed(self) -> dict[str, Any]:
        """The newest HEAL, when it is over."""
        while True:
            for operation in self.get("/v1/operations")["operations"]:
                if operation["operation"] == "HEAL":
                    ended: dict[str, Any] = self.get(f"/v1/operations/{operation['id']}?wait=20")
                    return ended

    def keeper(self, vnf: str = "fw") -> int | None:
        return find_process(self.state / "run" / vnf)

    def kill_keeper(self, vnf: str = "fw") -> None:
        if (pid := self.keeper(vnf)) is not None:
            fd = os.pidfd_open(pid)
            signal.pidfd_send_signal(fd, signal.SIGKILL)
            os.close(fd)

    def clean(self) -> None:
        if self.agent is not None and self.agent.poll() is None:
            self.agent.kill()
            self.agent.wait()
        for folder in (self.state / "run").glob("*/"):  # also of a test that failed
            self.kill_keeper(folder.name)
        subprocess.run(["ip", "netns", "del", self.space], check=True)
