"""Where somebody else listens, or an agent of another version, the command line says so."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from coven.cli.client import Address, Client
from itf.mistakes import Refused


@contextmanager
def somebody(status: int, body: bytes, kind: str) -> Iterator[Client]:
    """A client of a server that answers everything so."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield Client(Address(f"http://127.0.0.1:{server.server_port}", None))
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("status", "body", "kind", "found"),
    [
        (404, b"<h1>Nothing here</h1>", "text/html", "answers 404 Not Found, but not as an agent does"),
        (520, b"", "text/html", "answers 520 , but not as an agent does"),
        (500, b"[1]", "application/json", "answers 500 Internal Server Error, but not as an agent does"),
        (403, b"{", "application/problem+json", "answers 403 Forbidden, but not as an agent does"),
        (200, b"<h1>Welcome</h1>", "text/html", "answers 200, but not as an agent does"),
        (200, b"[]", "application/json", "answers 200, but not as an agent does"),
        (302, b"", "text/html", None),
        (200, b'{"items": []}', "application/json", "answers without vnfs: an agent of another version"),
        (200, b'{"vnfs": {}}', "application/json", None),
    ],
)
def test_a_stranger_is_told_from_an_agent(status: int, body: bytes, kind: str, found: str | None) -> None:
    with somebody(status, body, kind) as client:
        if found is None:
            client.get("/v1/vnfs")
            return
        with pytest.raises(Refused) as refused:
            client.get("/v1/vnfs")["vnfs"]
        assert refused.value.title == "no agent"
        assert found in str(refused.value) and client.address.url in str(refused.value)


def test_a_problem_of_somebody_else_is_still_told() -> None:
    with somebody(599, b'{"errors": 5, "detail": "over there"}', "application/json") as client:
        with pytest.raises(Refused) as refused:
            client.get("/v1/vnfs")
        assert refused.value.title == "status 599" and "over there" in str(refused.value)
