"""An agent in a process of its own on a free loopback port; keepers are real or `fake_keeper.py`."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from coven.keeper.client import find_process
from coven.rest.api import ROUTES
from coven.rest.openapi import document

ROOT = Path(__file__).resolve().parents[2]
FAKE = ROOT / "tests" / "rigs" / "fake_keeper.py"
OVER = ("COMPLETED", "FAILED", "ROLLED_BACK")

_SERVE = """
import ipaddress, json, sys, pathlib, resource
from coven.agent.notifying.targets import Targets
from coven.keeper.journal import Left
from coven.rest.sol.exchange import Manner
from coven.base.compat_ports import Ports
from coven.serve.server import Options, serve
if sys.argv[3] != "0":
    import signal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
recovered = pathlib.Path(sys.argv[1]) / "recovered"
def recover(directory):
    with recovered.open("a") as file:
        file.write(directory.name + chr(10))
    return Left()
options = Options(sys.argv[1], "127.0.0.1", 0, sys.argv[4] == "auth", manner=Manner(*json.loads(sys.argv[5])),
                  targets=Targets(tuple(map(ipaddress.ip_network, json.loads(sys.argv[6])))))
if (before := int(sys.argv[8])) > 0:
    # with the file `armed`, kill this process before its store begins to write for that many times
    import contextlib, itertools, os
    from coven.agent.store import Store
    armed, writes, real = pathlib.Path(sys.argv[1]) / "armed", itertools.count(1), Store.transaction
    @contextlib.contextmanager
    def transaction(self):
        with self._lock:
            if not self._db.in_transaction and armed.exists() and next(writes) == before:
                os.kill(os.getpid(), 9)
            with real(self) as db:
                yield db
    Store.transaction = transaction
if sys.argv[9]:
    from tests.rigs.dying_agent import arm
    arm(pathlib.Path(sys.argv[9]))
if sys.argv[7] == "original":
    options.original = Ports("127.0.0.1", 0, 0)
if sys.argv[2]:
    options.keeper, options.recover = [sys.executable, sys.argv[2]], recover
sys.exit(serve(options))
"""


@cache
def described() -> list[tuple[str, re.Pattern[str], set[str]]]:
    """(method, paths, statuses) of each operation in the OpenAPI document."""
    return [
        (method.upper(), re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), set(operation["responses"]))
        for path, item in document(ROUTES, "", True)["paths"].items()
        for method, operation in item.items()
    ]


def declared(method: str, path: str, status: int) -> int:
    """The status, which the document must name."""
    for known, pattern, statuses in described():
        if known == method and pattern.fullmatch(path.partition("?")[0]):
            assert str(status) in statuses, (method, path, status)
    return status


class Agent:
    """`state` is its state folder; every answer is (status, JSON)."""

    def __init__(self, state: Path, fake: bool = True, file_limit: int = 0, authenticate: bool = True):
        self.state = state
        self.fake = fake
        self.file_limit = file_limit
        self.authenticate = authenticate
        self.vnf: str | None = None  #: `coven serve --vnf`
        self.notify: list[str] = []  #: `coven serve --notify`
        self.strict = False  #: `coven serve --strict-versions`
        self.original: tuple[int, int] | None = None  #: with `coven serve --coven-compat`: ports of HTTP and of TCP
        self.dies_before = 0  #: the write of its store before which it is killed, counted from when `arm` was called
        self.steps: Path | None = None  #: the file of dying_agent.py
        self.headers: dict[str, str] = {}  #: of the last answer
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> Agent:
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                _SERVE,
                str(self.state),
                str(FAKE) if self.fake else "",
                str(self.file_limit),
                "auth" if self.authenticate else "none",
                json.dumps([self.vnf, self.strict]),
                json.dumps(self.notify),
                "original" if self.original is not None else "",
                str(self.dies_before),
                str(self.steps or ""),
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=(self.state.parent / f"{self.state.name}.log").open("a"),
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("serving http"), (line, self.log())
        self.url = line.split()[1].rstrip(",")
        while self.original is not None and (found := re.search(r":(\d+), and by TCP at .*:(\d+)", line)) is None:
            line = self.process.stdout.readline()
            assert line, self.log()
        if self.original is not None:
            self.original = int(found[1]), int(found[2])
        return self

    def log(self) -> str:
        return (self.state.parent / f"{self.state.name}.log").read_text()

    def arm(self) -> None:
        (self.state / "armed").touch()

    def disarm(self) -> None:
        (self.state / "armed").unlink(missing_ok=True)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(60)

    @property
    def token(self) -> str:
        return (self.state / "token").read_text().strip()

    def ask(
        self, method: str, path: str, body: Any = None, data: bytes | None = None, **headers: str
    ) -> tuple[int, Any]:
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.authenticate:
            headers.setdefault("Authorization", f"Bearer {self.token}")
        if data is not None:
            headers.setdefault("Content-Type", "application/zip")
        elif body is not None:
            data = json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                text = response.read()
                self.headers = dict(response.headers.items())
                return declared(method, path, response.status), json.loads(text) if text else None
        except urllib.error.HTTPError as error:
            text = error.read()
            self.headers = dict(error.headers.items())
            assert error.headers["Content-Type"] == "application/problem+json", text
            return declared(method, path, error.code), json.loads(text)

    def raw(self, method: str, path: str) -> int:
        """The status alone, also of what the document does not name."""
        request = urllib.request.Request(
            self.url + path, None, {"Authorization": f"Bearer {self.token}"}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            return error.code

    def over(self, operation: dict[str, Any]) -> dict[str, Any]:
        """The operation when it is over."""
        while operation["state"] not in OVER:
            status, operation = self.ask("GET", f"/v1/operations/{operation['id']}?wait=20")
            assert status == 200, operation
        return operation

    def operate(self, vnf: str, kind: str, body: Any = None) -> dict[str, Any]:
        status, operation = self.ask("POST", f"/v1/vnfs/{vnf}/{kind}", body)
        assert status == 202, operation
        return self.over(operation)

    def keeper(self, vnf: str) -> int | None:
        return find_process(self.state / "run" / vnf)

    def kill_keeper(self, vnf: str) -> int:
        pid = self.keeper(vnf)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        return pid

    def clean(self) -> None:
        """End everything that is left, whatever happened."""
        if self.process is not None and self.process.poll() is None:
            self.kill()
        run = self.state / "run"
        for directory in run.iterdir() if run.is_dir() else ():
            while (pid := find_process(directory)) is not None:
                with suppress(ProcessLookupError):
                    fd = os.pidfd_open(pid)
                    signal.pidfd_send_signal(fd, signal.SIGKILL)
                    os.close(fd)
                with suppress(ChildProcessError):
                    os.waitpid(pid, 0)
        shutil.rmtree(self.state, ignore_errors=True)
