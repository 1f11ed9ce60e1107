"""A client of the original prototype's interface, as its wire is described: plain HTTP, and plain sockets as its EMS
has them. It knows nothing of what answers."""

from __future__ import annotations

import http.client
import io
import socket
import zipfile
from collections.abc import Mapping

from tests.rigs.executables import PROTOTYPE
from tests.rigs.spaces import within

SECONDS = 60.0

#: of a component as the prototype's are: an extended agent, and how it handles packets; {kept}: what it sends on
COUNTING = """
seen = 0
def agent():
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("localhost", {agent}))
    listening.listen(1)
    while True:
        client, _ = listening.accept()
        asked = client.recv(1500).decode()
        if asked == "PP":
            client.send(str(seen).encode())
        elif asked == "TWO\\nLINES":
            client.send(b"two lines")
        client.close()
threading.Thread(target=agent, daemon=True).start()
def handle(packet):
    global seen
    seen += 1
    return packet if {kept} else None
"""


def component(input: int, agent: int, kept: str = "True") -> str:
    text = COUNTING.format(agent=agent, kept=kept)
    return PROTOTYPE.format(text=text, input=input, output=input + 1)


def script(*components: tuple[str, int, int | None], into: str = "in0", out: str = "out0", nsh: str = "False") -> str:
    """A script of Python components: file, the port that it listens on, and that of its extended agent."""
    lines = ["PPS:", "  - Framework: Python3Framework", "    NFs:"]
    for order, (file, port, agent) in enumerate(components, 1):
        lines += [f"      - File: {file}", f"        Order: {order}", f"        Input: {port}",
                  f"        Output: {port + 1}"]  # fmt: skip
        if agent is not None:
            lines += ["        EMA:", f"          Port: {agent}", "          Requests:",
                      "            Packets: PP", "            Two lines: TWO\\nLINES"]  # fmt: skip
    lines += ["VNS:", "  Tool: L2Socket", "  Input:", f"    - {into}", "  Output:", f"    - {out}", f"NSHP: {nsh}"]
    return "\n".join(lines) + "\n"


def zipped(files: Mapping[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


class Ems:
    """`space`: the network namespace that it asks in."""

    def __init__(self, http_port: int = 6667, tcp_port: int = 6668, space: str | None = None):
        self.http_port, self.tcp_port, self.space = http_port, tcp_port, space

    # HTTP

    def ask(self, method: str, path: str, body: bytes | str = b"", **headers: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=SECONDS)
        with within(self.space):
            connection.connect()
        try:
            data = body.encode() if isinstance(body, str) else body
            connection.request(method, path, data, headers)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def post(self, path: str, body: bytes | str = b"") -> str:
        """The text of an answer that is 200."""
        status, text = self.ask("POST", path, body)
        assert status == 200, (path, status, text)
        return text

    def status(self) -> str:
        status, text = self.ask("GET", "/status/")
        assert status == 200
        return text

    # TCP

    def connect(self) -> socket.socket:
        with within(self.space):
            return socket.create_connection(("127.0.0.1", self.tcp_port), SECONDS)

    def say(self, request: bytes | str, package: bytes | None = None, step: int = 1024) -> str:
        """What a request is answered with; nothing when the connection is closed without an answer."""
        data = request.encode() if isinstance(request, str) else request
        with self.connect() as connection:
            connection.sendall(data if package is None else data.ljust(50, b"\0"))
            for at in range(0, len(package or b""), step):
                connection.sendall((package or b"")[at : at + step])
            return connection.recv(1024).decode()

    def send(self, word: str, name: str, package: bytes) -> str:
        return self.say(f"{word}|{name}|{len(package)}", package)
