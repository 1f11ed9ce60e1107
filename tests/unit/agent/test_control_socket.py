"""The ControlSocket protocol: a real Click VNFC behind it, and a VNFC in another language played."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coven.agent.control.listeners import CLIENTS, SOCKET, Listener, tcp_socket, unix_socket
from coven.base.control_addresses import Address, read_address
from coven.keeper.client import Unreachable
from itf.mistakes import Kind, Mistake, Refused
from tests.rigs.click import Running
from tests.rigs.control_client import Client

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
        self.down = False

    def __call__(self, op: str, **how: Any) -> dict[str, Any]:
        if not self.there:
            raise Unreachable("it has ended")
        if op == "list":
            return {"requests": {"filter": self.running.ready["requests"], "other": [{"name": "hits"}]}}
        if how["vnfc"] == "other":
            return {"value": {"telnet": 3, "args": how["args"]}}
        if self.down:
            raise Refused(Mistake(found="no answer within 1 s"), kind=Kind.TIMEOUT)
        with self.lock:
            answer = self.running.forwarder.ask("request", name=how["name"], args=how["args"])
        if not answer["ok"]:
            raise Refused(Mistake(field="handler", found=answer["error"]))
        return {"value": answer["value"]}


@pytest.fixture
def vnf(tmp_path: Path) -> Iterator[Vnf]:
    with Running(tmp_path, CONFIG) as running:
        running.send(FRAME, FRAME)
        yield Vnf(running)


@pytest.fixture
def noted() -> list[tuple[str, int]]:
    """What was said to change, with the codes of the answers."""
    return []


@pytest.fixture
def client(vnf: Vnf, tmp_path: Path, noted: list[tuple[str, int]]) -> Iterator[Client]:
    listener = Listener(vnf, unix_socket(tmp_path), note=lambda what, code: noted.append((what, code)))
    made = Client(str(tmp_path / SOCKET))
    yield made
    made.close()
    listener.close()


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
    assert client.say("CHECKREAD other.hits") == ["200 Read handler 'other.hits' OK"]
    assert client.say("CHECKWRITE other.hits")[0].startswith("511")
    assert client.say("READ other.hits 7 [")[0].startswith("520-Read handler 'other.hits' error")
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
    vnf.there, vnf.down = True, True
    assert client.say("READ c.count") == [
        "540 VNFC 'filter' does not answer: it is busy, or ended and restarting"
    ]  # fmt: skip
    assert client.say("READ other.hits")[0] == "200 Read handler 'other.hits' OK", "it hides no other"
    vnf.down = False
    assert client.say("READ c.count")[1] == "2"
    assert client.say("QUIT") == ["200 Goodbye!"]
    assert client.line() == ""


def test_garbage_and_huge_lines(client: Client, tmp_path: Path) -> None:
    assert client.say("\0\xfe\x80 what")[0].startswith("501 Command '\0")
    assert client.say("READ \xb2.count") == ["510 No element named '\xb2'"], "a digit, but no number"
    assert client.say("WRITEDATA s.switch \xb2")[0].startswith("500")
    assert client.say("READ \0")[0] == "511 No handler named '\0'"
    assert client.say("WRITEDATA s.switch 40000\r\n" + "\xff" * 40000, "") == ["521 Data too large for handler"]
    client.send("READ " + "x" * 1_000_000)
    assert client.line() == "500 Line too long" and client.line() == ""
    again = Client(str(tmp_path / SOCKET))
    again.send("READ c.count\r\nREAD s.switch")  # half closed: what it said is answered
    again.socket.shutdown(socket.SHUT_WR)
    assert again.answer(True)[1] == "2" and again.answer(True)[1] == "0" and again.line() == ""
    again.close()


def test_changes_are_told(client: Client, noted: list[tuple[str, int]]) -> None:
    client.say("READ c.count")
    client.say("CHECKWRITE s.switch")
    assert noted == []
    client.say("WRITE s.switch 1")
    client.say("WRITE c.count 1")
    client.say("WRITE s.switch secret")
    assert noted == [("WRITE s.switch", 200), ("WRITE c.count", 530), ("WRITE s.switch", 520)]


def test_only_reading_over_loopback(vnf: Vnf) -> None:
    bound = tcp_socket(Address("127.0.0.1", 0))
    address: tuple[str, int] = bound.getsockname()
    listener = Listener(vnf, bound, read_only=True)
    try:
        with pytest.raises(OSError, match="already in use"):
            tcp_socket(Address(*address))
        clients = [Client(address) for _ in range(3)]
        assert [c.say("READ c.count")[1] for c in clients] == ["2"] * 3
        assert clients[0].say("WRITE s.switch 1") == ["530 Permission denied for 's.switch'"]
        assert clients[1].say("CHECKWRITE s.switch") == ["530 Permission denied for 's.switch'"]
        for each in clients:
            each.close()
    finally:
        listener.close()


def test_more_clients_than_there_are_threads_for(tmp_path: Path) -> None:
    listener = Listener(lambda op, **how: {}, unix_socket(tmp_path))
    clients = [Client(str(tmp_path / SOCKET)) for _ in range(CLIENTS)]
    with socket.socket(socket.AF_UNIX) as late:
        late.settimeout(60)
        late.connect(str(tmp_path / SOCKET))
        assert late.recv(1) == b"", "one more is hung up on"
    assert clients[0].say("QUIT") == ["200 Goodbye!"]
    listener.close()
    for each in clients:
        assert each.line() == "", "conversations end with the socket"
        each.close()


def test_the_socket_is_its_owners(tmp_path: Path) -> None:
    deep = tmp_path / ("long" * 40)
    deep.mkdir()
    for folder in (tmp_path, deep, deep):  # what a killed agent left is replaced
        unix_socket(folder).close()
        assert (folder / SOCKET).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0.0.0.0:7777", "loopback"), ("example.org:7777", "loopback"), ("10.0.0.1:7777", "loopback"),
     ("[::]:7777", "loopback"), ("127.0.0.1", "HOST:PORT"), ("127.0.0.1:x", "HOST:PORT"), ("127.0.0.1:0", "HOST:PORT"),
     ("127.0.0.1:65536", "HOST:PORT"), (":7777", "loopback")],
)  # fmt: skip
def test_addresses_that_are_refused(text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        read_address(text)


def test_addresses() -> None:
    assert str(read_address("localhost:7777")) == "127.0.0.1:7777"
    assert str(read_address("[::1]:7777")) == "[::1]:7777"
    assert read_address("127.8.0.1:1", True) == Address("127.8.0.1", 1, True)
