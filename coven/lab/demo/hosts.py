"""The two hosts of the demo: `python -m coven.lab.demo.hosts server FOLDER` and `... client SERVER`.

The server offers FOLDER over HTTP (80, 8080) and HTTPS (443) and answers every UDP message to port 3478 with
itself. The client speaks as Skype did, and as others do, and prints as JSON which of them got through.

Source of the fingerprints: S. Ehlert, S. Petgang, "Analysis and Signature of Skype VoIP Session Traffic",
CIIT 2006.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HTTP_PORTS = (80, 8080)
UDP_PORT = 3478
PATIENCE = 1.0  #: seconds that the client waits for an answer


class Files(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: what was fetched is checked by its hash."""


class Quiet(ThreadingHTTPServer):
    address_family = socket.AF_INET
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: a client that goes away or speaks no HTTP is part of the demo."""


class QuietTls(Quiet):
    """The handshake is done by the connection's own thread: a silent client must not stop the others."""

    context: ssl.SSLContext

    def finish_request(self, request: object, client_address: object) -> None:
        assert isinstance(request, socket.socket)
        request.settimeout(10)
        with self.context.wrap_socket(request, server_side=True) as wrapped:
            super().finish_request(wrapped, client_address)


def serve(folder: Path) -> None:
    """Serve until killed. FOLDER/../tls.pem holds key and certificate. Prints `ready` once it listens."""
    handler = partial(Files, directory=str(folder))
    plain = [Quiet(("", port), handler) for port in HTTP_PORTS]
    secure = QuietTls(("", 443), handler)
    secure.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secure.context.load_cert_chain(folder.parent / "tls.pem")
    echo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    echo.bind(("", UDP_PORT))
    for server in (*plain, secure):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print("ready", flush=True)
    while True:
        message, sender = echo.recvfrom(2048)
        with contextlib.suppress(OSError):
            echo.sendto(message, sender)


@dataclass
class Flow:
    name: str
    skype: bool  #: so it must not get through
    answered: bool = False


def tcp_first_message(server: str, message: bytes) -> bool:
    """Whether the server says anything to a first message on port 443 (a TLS server answers or hangs up)."""
    with socket.create_connection((server, 443), timeout=PATIENCE) as connection:
        connection.sendall(message)
        try:
            connection.recv(100)
            return True
        except TimeoutError:
            return False
        except ConnectionResetError:
            return True


def udp_message(server: str, message: bytes) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.settimeout(PATIENCE)
        sender.sendto(message, (server, UDP_PORT))
        try:
            return sender.recv(2048) == message
        except (TimeoutError, ConnectionRefusedError):
            return False


def udp_probes(server: str, message: bytes) -> bool:
    """Whether a second probe is answered: the first alone, with another identifier, does not betray its sender."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.settimeout(PATIENCE)
        sender.sendto(bytes([message[0] ^ 0xFF]) + message[1:], (server, UDP_PORT))
        sender.sendto(message, (server, UDP_PORT))
        try:
            return any(sender.recv(2048) == message for _ in range(2))
        except (TimeoutError, ConnectionRefusedError):
            return False


def bytes_from(seed: int, count: int) -> bytes:
    """Bytes without a pattern, the same on every run."""
    value, out = seed, bytearray()
    for _ in range(count):
        value = (value * 1103515245 + 12345) & 0x7FFFFFFF
        out.append(value >> 16 & 0xFF)
    return bytes(out)


def speak(server: str) -> list[Flow]:
    """All flows at once, so that it takes as long as the slowest."""
    login = bytes.fromhex("1603010000") + bytes_from(5, 40)
    probe = bytes_from(7, 2) + b"\x02" + bytes_from(9, 15)
    other = bytes_from(7, 2) + b"\x01" + bytes_from(9, 15)
    cases: list[tuple[Flow, Callable[[str, bytes], bool], bytes]] = [
        (Flow("Skype: first message of 72 bytes to TCP 443", True), tcp_first_message, bytes_from(3, 72)),
        (Flow("Skype: login handshake to TCP 443", True), tcp_first_message, login),
        (Flow("Skype: UDP message of 18 bytes, third byte 0x02", True), udp_probes, probe),
        (Flow("other: UDP message of 18 bytes, third byte 0x01", False), udp_message, other),
        (Flow("other: UDP message of 120 bytes", False), udp_message, bytes_from(11, 120)),
    ]

    def one(flow: Flow, ask: Callable[[str, bytes], bool], message: bytes) -> None:
        with contextlib.suppress(OSError):
            flow.answered = ask(server, message)

    threads = [threading.Thread(target=one, args=case) for case in cases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [flow for flow, _, _ in cases]


def main() -> int:
    if len(sys.argv) != 3 or sys.argv[1] not in ("server", "client"):
        print(__doc__, file=sys.stderr)
        return 2
    if sys.argv[1] == "server":
        serve(Path(sys.argv[2]))
    print(json.dumps([asdict(flow) for flow in speak(sys.argv[2])]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
