"""A namespace with two interfaces, and an agent with real keepers in it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from coven.keeper.client import find_process
from tests.rigs.agent import ROOT
from tests.rigs.spaces import within

PACKAGE = ROOT / "packages" / "forward" / "c.yaml"


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
            self.inside("-m", "coven", *words), cwd=ROOT, capture_output=True, text=True, timeout=300,
            env={**os.environ, "COVEN_STATE": str(self.state)},
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def get(self, path: str) -> Any:
        return self.ask("GET", path)

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The answer's JSON, None without content; a refusal fails the test."""
        headers = {"Authorization": f"Bearer {(self.state / 'token').read_text().strip()}"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        where = urlsplit(json.loads((self.state / "run" / "agent.json").read_text())["url"])
        with closing(http.client.HTTPConnection("127.0.0.1", where.port, timeout=60)) as connection:
            with within(self.space):
                connection.connect()
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            text = response.read()
        assert response.status < 400, (method, path, response.status, text.decode())
        return json.loads(text) if text else None

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
