"""Talking to a keeper, from outside: by its folder, over its socket (docs/architecture.md, *Keeper*).

A keeper outlives whoever started it, so what is known of one is its folder; its process is found through its socket
or through /proc.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import struct
import time
from pathlib import Path
from typing import Any

from itf.mistakes import Kind, Mistake, Refused

SOCKET = "keeper.sock"
STATISTICS = "statistics"  #: in its folder: leads to its statistics object
CALL_SECONDS = 15.0  #: `configure` may take a VNFC 10 s
REQUEST_SECONDS = 2.0  #: the keeper itself gives up an agent request after 1 s
END_SECONDS = 20.0
MAX_REPLY = 8 << 20
_UCRED = struct.Struct("3i")


class Unreachable(Exception):
    """No keeper answers in this folder. `late`: one is there, and did not answer in time."""

    def __init__(self, what: str, late: bool = False):
        super().__init__(what)
        self.late = late


def connect(directory: Path, timeout: float) -> socket.socket:
    """A connection to the keeper's socket. A folder's name may be longer than a socket's may be."""
    link = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(timeout)
        try:
            connection.connect(f"/proc/self/fd/{link}/{SOCKET}")
        except BaseException:
            connection.close()
            raise
        return connection
    finally:
        os.close(link)


def _read_line(connection: socket.socket, deadline: float) -> bytes:
    line = bytearray()
    while not line.endswith(b"\n"):
        connection.settimeout(max(0.001, deadline - time.monotonic()))
        chunk = connection.recv(1 << 16)
        if not chunk:
            raise Unreachable("the keeper closed the connection")
        line += chunk
        if len(line) > MAX_REPLY:
            raise Unreachable("the keeper's answer is too long")
    return bytes(line)


class Keeper:
    """One keeper, by its folder. Every call is a connection of its own: nobody waits for another."""

    def __init__(self, directory: Path):
        self.directory = directory

    def call(self, op: str, timeout: float = CALL_SECONDS, **arguments: Any) -> dict[str, Any]:
        """The answer to an operation. Raises Unreachable, or Refused when the keeper says no."""
        deadline = time.monotonic() + timeout
        try:
            with connect(self.directory, timeout) as connection:
                request = json.dumps({"id": 1, "op": op, **arguments}) + "\n"
                connection.sendall(request.encode())
                answer = json.loads(_read_line(connection, deadline))
        except TimeoutError:
            raise Unreachable(f"no answer within {timeout:g} s", late=True) from None
        except BlockingIOError:  # more wait to be let in than the socket takes
            raise Unreachable("it lets nobody in", late=True) from None
        except (OSError, ValueError) as error:
            raise Unreachable(str(error)) from None
        if not isinstance(answer, dict):
            raise Unreachable("the keeper's answer makes no sense")
        if answer.get("timeout"):
            raise Refused(
                Mistake(found="no answer within 1 s", remedy="the VNFC is busy, hung or restarting"),
                title="the VNFC did not answer",
                kind=Kind.TIMEOUT,
            )
        if not answer.get("ok"):
            raise Refused(mistakes_of(answer), title=f"{op} refused", kind=kind_of(answer))
        return answer

    def capture(self, timeout: float, **arguments: Any) -> socket.socket:
        """A connection from which a capture can be read, as pcapng. Raises as `call` does."""
        deadline = time.monotonic() + timeout
        kept = None
        try:
            connection = kept = connect(self.directory, timeout)
            connection.sendall((json.dumps({"id": 1, "op": "capture", **arguments}) + "\n").encode())
            # what follows the answer is the capture's
            line = bytearray()
            while not line.endswith(b"\n") and len(line) < MAX_REPLY:
                connection.settimeout(max(0.001, deadline - time.monotonic()))
                if not (byte := connection.recv(1)):
                    raise Unreachable("the keeper closed the connection")
                line += byte
            answer = json.loads(line)
            if not answer.get("ok"):
                raise Refused(mistakes_of(answer), title="capture refused", kind=kind_of(answer))
            kept = None
            return connection
        except TimeoutError:
            raise Unreachable(f"no answer within {timeout:g} s", late=True) from None
        except BlockingIOError:
            raise Unreachable("it lets nobody in", late=True) from None
        except (OSError, ValueError, AttributeError) as error:
            raise Unreachable(str(error)) from None
        finally:
            if kept is not None:
                kept.close()

    def pid(self) -> int | None:
        """The process that listens on the socket, or else the one whose command line names the folder."""
        try:
            with connect(self.directory, 1.0) as connection:
                credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
                return int(_UCRED.unpack(credentials)[0])
        except OSError:
            return find_process(self.directory)

    def _asked_to_end(self) -> bool:
        try:
            self.call("ping", END_SECONDS / 4)  # one that hangs is not waited for
            self.call("end", END_SECONDS)
        except (Unreachable, Refused):
            return False
        return True

    def end(self, ask: bool = True) -> None:
        """End the keeper and return when its process is gone: asked first, killed when it does not listen."""
        pid = self.pid()
        if pid is None:
            return
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            return
        try:
            if ask and self._asked_to_end() and select.select([fd], [], [], END_SECONDS / 4)[0]:
                return
            if self.pid() == pid:  # the number still is the one that was meant
                signal.pidfd_send_signal(fd, signal.SIGKILL)
            if not select.select([fd], [], [], END_SECONDS / 2)[0]:
                raise Refused(
                    Mistake(found=f"the keeper, process {pid}, does not end"),
                    title="not ended", kind=Kind.FAULT,
                )  # fmt: skip
        except ProcessLookupError:
            pass
        finally:
            os.close(fd)


def mistakes_of(answer: dict[str, Any]) -> list[Mistake]:
    found = [Mistake.from_dict(e) for e in answer.get("errors") or [] if isinstance(e, dict)]
    return found or [Mistake(found=str(answer.get("error") or "no reason given"))]


def kind_of(answer: dict[str, Any]) -> Kind:
    return Kind.__members__.get(str(answer.get("kind")), Kind.INVALID)


def find_process(directory: Path) -> int | None:
    """The process started with `--directory DIRECTORY`: also one that does not listen yet."""
    wanted = f"--directory\0{directory}\0".encode()
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            command = Path(entry.path, "cmdline").read_bytes()
            if wanted in command and Path(entry.path).stat().st_uid == os.geteuid():
                return int(entry.name)
        except OSError:
            continue
    return None
