"""The page's stream at the server: who may have it, and that many of them, or ones that nobody reads, harm nobody."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from coven.serve.server import THREADS
from coven.web.feed import STREAMS
from tests.rigs.agent import Agent
from tests.rigs.csar_rig import zipped
from tests.rigs.keeper import wait_for
from tests.rigs.packages import FORWARD_C


@pytest.fixture
def sockets() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def opened(agent: Agent, sockets: ExitStack, path: str = "/page/stream", token: str | None = None) -> socket.socket:
    where = urlsplit(agent.url)
    sock = sockets.enter_context(socket.create_connection((where.hostname, where.port), 60))
    head = f"GET {path} HTTP/1.1\r\nHost: {where.netloc}\r\n"
    sock.sendall(f"{head}Authorization: Bearer {agent.token if token is None else token}\r\n\r\n".encode())
    return sock


def heard(sock: socket.socket, words: bytes) -> bytes:
    """What comes until these words have."""
    data, end = b"", time.monotonic() + 60
    while words not in data:
        assert time.monotonic() < end, data
        piece = sock.recv(1 << 16)
        assert piece, data
        data += piece
    return data


def test_events_come_and_go_on(agent: Agent, sockets: ExitStack) -> None:
    sock = opened(agent, sockets)
    said = heard(sock, b'"packages":[]')
    assert b"200 OK" in said and b"text/event-stream" in said and b"default-src 'none'" in said
    text = 'name: fw\nversion: "1"\nvnfcs: {f: {source: f.c}}\nchain: in -> f -> out\n'
    files = {"vnf.yaml": text.encode(), "f.c": FORWARD_C.encode()}
    assert agent.ask("POST", "/v1/packages", data=zipped(files))[0] == 201
    heard(sock, b'"id":"fw:1"')


def test_nobody_without_a_token_has_it(agent: Agent, sockets: ExitStack) -> None:
    said = heard(opened(agent, sockets, token="x" * 40), b"\r\n\r\n")
    assert b"401" in said.split(b"\r\n")[0]


def test_as_many_as_may_leave_every_thread_to_others(agent: Agent, sockets: ExitStack) -> None:
    assert STREAMS > THREADS
    for _ in range(STREAMS):
        heard(opened(agent, sockets), b"event: agent")
    assert b"503" in heard(opened(agent, sockets), b"\r\n\r\n").split(b"\r\n")[0]
    for _ in range(3):
        assert agent.ask("GET", "/v1/vnfs")[0] == 200
    sockets.close()
    with ExitStack() as again:  # those that have gone leave room
        wait_for(lambda: b"200 OK" in heard(opened(agent, again), b"\r\n\r\n"))


def test_the_agent_ends_while_somebody_looks(agent: Agent, sockets: ExitStack) -> None:
    sock = opened(agent, sockets)
    heard(sock, b"event: agent")
    assert agent.stop() == 0
    while sock.recv(1 << 16):
        pass


def test_its_files_and_the_login_are_anybodys_and_nothing_else(agent: Agent, sockets: ExitStack) -> None:
    for path, status in (
        ("/login", b"200"), ("/page/js/main.js", b"200"), ("/page/style.css", b"200"), ("/", b"303"),
        ("/page/index.html", b"200"), ("/page/../feed.py", b"404"), ("/page/none.js", b"404"), ("/v1/vnfs", b"401"),
    ):  # fmt: skip
        said = heard(opened(agent, sockets, path, token="y" * 40), b"\r\n\r\n")
        assert status in said.split(b"\r\n")[0], path


def test_problems_are_told_as_by_the_api(agent: Agent, sockets: ExitStack) -> None:
    said = heard(opened(agent, sockets, "/page/none.js"), b"}]}")
    assert b"application/problem+json" in said
    assert json.loads(said.partition(b"\r\n\r\n")[2])["status"] == 404
