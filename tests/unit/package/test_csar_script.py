"""`Scripts/configure.py`: how a VNFM gives a VNF its configuration, however it hands the parameters over."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).resolve().parents[3] / "coven" / "package" / "csar" / "scripts" / "configure.py"
WANTED = {"filter": {"block": [23]}}
Asked = list[tuple[str, str, str | None, Any]]


@pytest.fixture
def agent() -> Iterator[tuple[str, Asked]]:
    asked: Asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_PATCH(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append((self.path, self.headers["Content-Type"], self.headers.get("Authorization"), body))
            self.send_response(422 if "refuse" in str(body) else 200)
            self.end_headers()
            self.wfile.write(b"because")

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", asked
    server.shutdown()
    thread.join()
    server.server_close()


def run(given: bytes, **environment: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, str(SCRIPT)], input=given, capture_output=True, timeout=60,
                          env={"PATH": os.environ["PATH"], **environment})  # fmt: skip
    said = done.stderr.decode()
    assert "Traceback" not in said
    return done.returncode, said


def test_every_way(agent: tuple[str, Asked]) -> None:
    url, asked = agent
    parameters = {"agent": url, "token": "t", "configuration": WANTED}
    for given, environment in (
        (json.dumps(parameters).encode(), {}),
        (json.dumps({"additionalParams": parameters}).encode(), {}),
        (json.dumps({"additional_parameters": parameters}).encode(), {}),
        (pickle.dumps({"operation": "instantiate_end", "request": {"additionalParams": parameters}}), {}),
        (b"", {"agent": url, "token": "t", "configuration": json.dumps(WANTED)}),
    ):
        assert run(given, **environment) == (0, "")
    body = {"vnfConfigurationData": {"vnfSpecificData": WANTED}}
    assert asked == [("/vnfconfig/v1/configuration", "application/merge-patch+json", "Bearer t", body)] * 5


def test_nothing_to_do(agent: tuple[str, Asked]) -> None:
    url, asked = agent
    for given in (b"", b"{}", json.dumps({"agent": url}).encode(), json.dumps({"configuration": WANTED}).encode()):
        assert run(given) == (0, "")
    assert asked == []


def test_failures_are_told(agent: tuple[str, Asked]) -> None:
    url, _ = agent
    status, said = run(json.dumps({"agent": url, "configuration": {"a": "refuse"}}).encode())
    assert status == 1 and "422 because" in said
    for wrong in ("http://127.0.0.1:1", "nowhere"):
        status, said = run(json.dumps({"agent": wrong, "configuration": WANTED}).encode())
        assert status == 1 and said.startswith("not configured")
    status, said = run(json.dumps({"agent": url, "configuration": "{"}).encode())
    assert status == 1 and said.startswith("not configured")
