"""Clients that are silent, speak another protocol, or announce what nobody asked for: the plain listener."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from coven.package.archive import pack
from tests.rigs.agent import Agent


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    agent = Agent(tmp_path_factory.mktemp("agent") / "state").start()
    yield agent
    agent.stop()


def port(agent: Agent) -> int:
    return int(agent.url.rpartition(":")[2])


def connect(agent: Agent) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port(agent)), timeout=60)


def said(sock: socket.socket, request: bytes) -> bytes:
    sock.sendall(request)
    answer = b""
    while data := sock.recv(65536):
        answer += data
    return answer


@pytest.mark.parametrize(
    "begins",
    [b"", b"GET /v1/vnfs HTTP/1.1\r\nHost", b"POST /v1/vnfs HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{"],
    ids=["nothing", "half a header", "half a body"],
)
def test_more_silent_clients_than_are_taken_hold_nobody_up(agent: Agent, begins: bytes) -> None:
    silent = []
    try:
        for _ in range(260):
            sock = connect(agent)
            sock.sendall(begins)
            silent.append(sock)
        assert agent.ask("GET", "/v1/vnfs") == (200, {"vnfs": []})
    finally:
        for sock in silent:
            sock.close()


def test_one_that_says_nothing_is_closed_long_before_one_that_has_asked(agent: Agent) -> None:
    with connect(agent) as silent, connect(agent) as asked:
        asked.sendall(b"GET /v1/vnfs HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"401" in asked.recv(4096)
        assert silent.recv(1) == b"", "closed"
        asked.sendall(b"GET /v1/vnfs HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"401" in asked.recv(4096), "still there"


def test_tls_on_the_plain_port_is_told_at_once(agent: Agent) -> None:
    words = ["curl", "-sS", "-m", "60", f"https://127.0.0.1:{port(agent)}/"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 35 and "timed out" not in done.stderr.lower(), done.stderr
    with connect(agent) as sock:
        answer = said(sock, b"\x16\x03\x01\x00\x05hello")
    assert b"400 Bad Request" in answer and b"http://" in answer


def request(path: str, token: str, length: int, expect: bool = True) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n"
    return (head + ("Expect: 100-continue\r\n" if expect else "") + "Content-Type: application/zip\r\n\r\n").encode()


@pytest.mark.parametrize(
    "path, valid, length, status",
    [("/v1/packages", False, 60 << 20, 401), ("/v1/vnfs", True, 2 << 20, 413), ("/v1/packages", True, 65 << 20, 413)],
)
def test_what_is_announced_is_judged_before_it_is_sent(
    agent: Agent, path: str, valid: bool, length: int, status: int
) -> None:
    with connect(agent) as sock:
        answer = said(sock, request(path, agent.token if valid else "x", length))
    assert answer.startswith(f"HTTP/1.1 {status} ".encode()) and b"100 Continue" not in answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["status"] == status
    with connect(agent) as sock:
        sock.sendall(request("/v1/packages", agent.token, 10))
        assert sock.recv(4096).startswith(b"HTTP/1.1 100 Continue"), "who may is asked to go on"


def test_a_body_whose_sender_may_not_ask_is_not_kept(agent: Agent) -> None:
    """Without Expect it comes all the same; it is read, and nothing of it written down."""
    with connect(agent) as sock:
        sock.sendall(request("/v1/packages", "x", 32 << 20, expect=False))
        for _ in range(32):
            sock.sendall(bytes(1 << 20))
            assert not list((agent.state / "spool").iterdir())
        assert sock.recv(4096).startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize("path", ["/v1/vnfs/fw%ff", "/v1/%C3%28"])
def test_paths_are_utf8(agent: Agent, path: str) -> None:
    with connect(agent) as sock:
        answer = said(sock, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 400 ") and b"no UTF-8" in answer


def test_without_a_host(agent: Agent) -> None:
    with connect(agent) as sock:
        assert said(sock, b"GET /v1/vnfs HTTP/1.1\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    with connect(agent) as sock:
        assert said(sock, b"GET /v1/vnfs HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.0 401 "), "which 1.0 may leave out"


def test_a_costly_pattern_costs_nobody_anything(agent: Agent, tmp_path: Path) -> None:
    """In the schema of an uploaded package: a value that a backtracking engine never gets done with."""
    folder = tmp_path / "p"
    folder.mkdir()
    (folder / "vnf.yaml").write_text(
        'name: costly\nversion: "1"\nchain: in -> f -> out\n'
        "vnfcs: {f: {source: f.py, schema: s.json, config: {k: a}}}\n"
    )
    (folder / "f.py").write_text("def handle(packet):\n    return packet\n")
    (folder / "s.json").write_text('{"properties": {"k": {"pattern": "^(a+)+$"}}}')
    assert agent.ask("POST", "/v1/packages", data=pack(folder))[0] == 201
    assert agent.ask("POST", "/v1/vnfs", {"name": "costly", "package": "costly:1"})[0] == 201
    ports = {name: {"interface": f"x{name}"} for name in ("in", "out")}
    body = {"ports": ports, "config": {"f": {"k": "a" * 40 + "!"}}}
    status, operation = agent.ask("POST", "/v1/vnfs/costly/instantiate", body)
    told = operation["errors"] if status == 422 else agent.over(operation)["errors"]
    assert "does not match" in json.dumps(told)
