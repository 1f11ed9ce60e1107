"""The ControlSocket protocol: a real Click VNFC behind it, and a VNFC in another language played."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coven.control_socket import ControlSocket
from coven.errors import Mistake, Refused
from coven.keepers import Unreachable
from tests.click_rig import Running

CONFIG = """
    FromDevice(in) -> c :: Counter -> s :: Switch(0) -> ToDevice(next);
    s[1] -> lost :: Discard;
    elementclass Inner { input -> k :: Counter -> output } Idle -> in :: Inner -> r :: LinearIPLookup(0/0 0) -> Discard;
"""
FRAME = bytes(14) + b"x" * 46


class Vnf:
    """Answers as a keeper does."""

    def __init__(self, running: Running):
        self.running = running
        self.lock = threading.Lock()
        self.there = True

    def __call__(self, op: str, **how: Any) -> dict[str, Any]:
        if not self.there:
            raise Unreachable("it has ended")
        if op == "list":
            return {"requests": {"filter": self.running.ready["requests"], "other": [{"name": "hits"}]}}
        if how["vnfc"] == "other":
            return {"value": {"telnet": 3, "args": how["args"]}}
        with self.lock:
            answer = self.running.forwarder.ask("request", name=how["name"], args=how["args"])
        if not answer["ok"]:
            raise Refused(Mistake(None, None, None, "handler", answer["error"]))
        return {"value": answer["value"]}


class Client:
    def __init__(self, address: str | tuple[str, int]):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family)
        self.socket.settimeout(10)
        self.socket.connect(address)
        self.stream = self.socket.makefile("rb")
        assert self.line() == "Click::ControlSocket/1.3"

    def line(self) -> str:
        line = self.stream.readline().decode()
        assert line == "" or line.endswith("\r\n")
        return line.removesuffix("\r\n")

    def say(self, text: str, end: str = "\r\n") -> list[str]:
        """Everything that one command is answered with, data as the last line."""
        self.socket.sendall((text + end).encode("latin-1"))
        lines = [self.line()]
        while lines[-1][3:4] == "-":
            lines.append(self.line())
        if lines[0].startswith("200 Read") and text.startswith("READ"):
            word, length = self.line().split()
            assert word == "DATA"
            lines.append(self.stream.read(int(length)).decode())
        return lines

    def close(self) -> None:
        self.stream.close()
        self.socket.close()


@pytest.fixture
def vnf(tmp_path: Path) -> Iterator[Vnf]:
    with Running(tmp_path, CONFIG) as running:
        running.send(FRAME, FRAME)
        yield Vnf(running)


@pytest.fixture
def client(vnf: Vnf, tmp_path: Path) -> Iterator[Client]:
    server = ControlSocket(vnf, tmp_path / "control")
    made = Client(str(tmp_path / "control"))
    yield made
    made.close()
    server.close()
    assert not (tmp_path / "control").exists()


def test_reading_and_writing(client: Client, vnf: Vnf) -> None:
    assert client.say("READ c.count") == ["200 Read handler 'c.count' OK", "2"]
    assert client.say("read c.count", "\n")[0] == "200 Read handler 'c.count' OK"
    client.line(), client.stream.read(1)
    assert client.say("READ c.count", "\r")[1] == "2"
    assert client.say("READ in/k.count")[1] == "0"
    assert client.say("READ filter/c.count")[1] == "2"
    assert client.say("WRITE s.switch 1") == ["200 Write handler 's.switch' OK"]
    assert client.say("READ s.switch")[1] == "1"
    vnf.running.send(FRAME)
    assert client.say("READ lost.count")[1] == "1"
    assert client.say("WRITE c.reset_counts") == ["200 Write handler 'c.reset_counts' OK"]
    assert client.say("READ c.count")[1] == "0"
    names = client.say("READ list")[1].splitlines()
    number = names.index("lost")
    assert client.say(f"READ {number}.count")[1] == "1"
    assert client.say("READ r.lookup 1.2.3.4")[1] == "0"
    assert client.say("READ other.hits a b") == ["200 Read handler 'other.hits' OK", "telnet 3\nargs a\nb\n\n"]


def test_data_with_commands(client: Client) -> None:
    rest = "add 10.0.0.0/8 0\nadd 11.0.0.0/8 1.1.1.1 0"
    assert client.say(f"WRITEDATA r.ctrl 40\r\n{rest}", "")[0].startswith("520-Write")
    client.say(rest[40:])  # what was left over is a command of its own, and a wrong one
    assert client.say(f"WRITEDATA r.ctrl {len(rest)}\r\n{rest}", "")[0] == "200 Write handler 'r.ctrl' OK"
    assert client.say("WRITEUNTIL r.ctrl END\r\nadd 12.0.0.0/8 0\r\nadd 13.0.0.0/8 0\r\nEND ")[0].startswith("200")
    assert client.say("READ r.table")[1].count("\n") == 5
    assert client.say("READDATA r.lookup 7\n10.1.1.", "") == [
        "520-Read handler 'r.lookup' error:", "520 expected IP address"
    ]  # fmt: skip
    assert client.say("READDATA r.lookup 8\n11.1.1.1", "")[1] == "0 1.1.1.1"
    assert client.say("READUNTIL r.lookup\n11.1.1.1\n")[1] == "0 1.1.1.1"


def test_what_is_refused(client: Client, vnf: Vnf) -> None:
    assert client.say("READ nobody.count") == ["510 No element named 'nobody'"]
    assert client.say("READ c.nothing") == ["511 No handler named 'c.nothing'"]
    assert client.say("READ nothing") == ["511 No handler named 'nothing'"]
    assert client.say("READ c.reset_counts") == ["530 Handler 'c.reset_counts' write-only"]
    assert client.say("WRITE c.count 1") == ["530 Handler 'c.count' read-only"]
    assert client.say("WRITE s.switch what")[0] == "520-Write handler 's.switch' error:"
    assert client.say("CHECKREAD c.count") == ["200 Read handler 'c.count' OK"]
    assert client.say("CHECKWRITE c.count") == ["511 Handler 'c.count' not writable"]
    assert client.say("CHECKWRITE s.switch") == ["200 Write handler 's.switch' OK"]
    assert client.say("LLRPC c#8 4") == ["501 Cannot call LLRPC 'c#8' remotely"]
    assert client.say("JUMP") == ["501 Command 'JUMP' unimplemented"]
    assert client.say("READ") == client.say("CHECKREAD c.count x") == ["500 Wrong number of arguments"]
    assert client.say("WRITEDATA s.switch x") == ["500 Syntax error in data length"]
    assert client.say("WRITEDATA s.switch 1000000") == ["521 Data too large for handler"]
    assert client.say("HELP")[0] == "200-Commands supported:"
    vnf.there = False
    assert client.say("READ c.count")[0].startswith("540 The VNF does not answer")
    vnf.there = True
    assert client.say("READ c.count")[1] == "2"
    assert client.say("QUIT") == ["200 Goodbye!"]
    assert client.line() == ""


def test_only_reading_over_loopback(vnf: Vnf) -> None:
    server = ControlSocket(vnf, ("127.0.0.1", 0), read_only=True)
    try:
        clients = [Client(server.address) for _ in range(3)]
        assert [c.say("READ c.count")[1] for c in clients] == ["2"] * 3
        assert clients[0].say("WRITE s.switch 1") == ["530 Permission denied for 's.switch'"]
        assert clients[1].say("CHECKWRITE s.switch") == ["530 Permission denied for 's.switch'"]
        for each in clients:
            each.close()
    finally:
        server.close()


def test_the_socket_is_its_owners(vnf: Vnf, tmp_path: Path) -> None:
    server = ControlSocket(vnf, tmp_path / "control")
    assert (tmp_path / "control").stat().st_mode & 0o777 == 0o600
    server.close()
