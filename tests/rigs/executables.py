"""What tests of executables share: components that are scripts, and the bridge at a fake forwarder."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pps.exec.framework import ExecFramework
from tests.rigs.fake_forwarder import FakeForwarder

#: A component of the engine framed in Python, without what `handle` does: `verdict`, `emit`, `metric`.
FRAMED = '''#!/usr/bin/python3
import json, os, socket, struct, sys, time
io = socket.socket(fileno=int(os.environ["COVEN_SOCKET"]))
FORWARD, DROP, CONSUME, HOLD = 1, 2, 3, 4
def get(n):
    data = b""
    while len(data) < n:
        more = io.recv(n - len(data))
        if not more: sys.exit(0)
        data += more
    return data
def say(kind, a=0, b=0, id=0, body=b""):
    io.sendall(struct.pack("!IcBHI", 8 + len(body), kind, a, b, id) + body)
def verdict(id, a, b=0, body=b""): say(b"V", a, b, id, body)
def note(id, text): say(b"S", id=id, body=text.encode())
ready, on_configure, on_request = {{}}, lambda config: None, lambda name, args: None
def handle(id, head, data): verdict(id, FORWARD)
{text}
while True:
    length, kind, a, b, id = struct.unpack("!IcBHI", get(12))
    body = get(length - 8)
    if kind == b"P": handle(id, body[:32], body[32:])
    elif kind == b"H": hello = json.loads(body); say(b"R", body=json.dumps(ready).encode())
    elif kind == b"E": sys.exit(0)
    else:
        try:
            asked = json.loads(body)
            answer = on_configure(asked) if kind == b"C" else on_request(asked["name"], asked["args"])
            say(b"A", 1, 0, id, json.dumps(answer).encode())
        except ValueError as error:
            say(b"A", 0, 0, id, json.dumps(str(error)).encode())
'''

#: A component as the COVEN prototype's examples are, with `handle` giving what to send on, or None.
PROTOTYPE = '''import os, socket, sys, threading, time
{text}
server = socket.socket()
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("localhost", {input}))
server.listen(1)
packets, _ = server.accept()
out = socket.socket()
out.connect(("localhost", {output}))
while True:
    packet = packets.recv(1514)
    if not packet:
        break
    answer = handle(packet)
    if answer is not None:
        out.send(answer)
'''


def free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1]


def command(artifact: Path, engine: str) -> list[str]:
    framework = ExecFramework()
    framework.choose_engine(engine)
    return framework.host_command(artifact, "vnfc")


@contextmanager
def framed(folder: Path, text: str, config: dict[str, Any] | None = None, **options: Any
           ) -> Iterator[FakeForwarder]:  # fmt: skip
    artifact = folder / "component"
    artifact.write_text(FRAMED.format(text=text))
    artifact.chmod(0o755)
    with FakeForwarder(command(artifact, "auto"), **options) as running:
        assert running.init(config)["op"] == "ready", running.close()
        yield running


@contextmanager
def prototype(folder: Path, text: str, config: dict[str, Any] | None = None, **options: Any
              ) -> Iterator[FakeForwarder]:  # fmt: skip
    artifact = folder / "component.py"
    ports = dict(zip(("input", "output"), free_ports(), strict=True))
    artifact.write_text(PROTOTYPE.format(text=text, **ports))
    run = {"run": ["python3", str(artifact)], **ports, **(config or {})}
    with FakeForwarder(command(artifact, "coven-socket"), **options) as running:
        assert running.init(run)["op"] == "ready", running.close()
        yield running


def packet_body(data: bytes, mark: int = 0, context: bytes = b"", port: int = 0) -> bytes:
    return struct.pack("!QIBBH16s", 0, mark, port, 0, 0, context) + data
