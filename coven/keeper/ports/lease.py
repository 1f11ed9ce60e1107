"""One VNF at a time has an interface: two that both took its packets would send each of them twice.

The lease is a listening Unix socket with an abstract name. Such names belong to a network namespace, as interfaces
do, go away with whoever holds them, and the kernel says whose they are.
"""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

from itf.mistakes import Mistake, Refused

_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid


def take(name: str, interface: str) -> socket.socket | None:
    """The lease of an interface, to be closed when it is given back; None for one that is not there.

    Raises Refused if somebody has it.
    """
    try:
        address = f"\0coven-interface-{socket.if_nametoindex(interface)}"
    except OSError:
        return None
    lease = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        lease.bind(address)
        lease.listen(1)
    except OSError:
        lease.close()
        raise Refused(
            Mistake(
                field=f"ports.{name}.interface", found=f"{interface}: {_holder(address)}",
                expected="an interface that no VNF uses", remedy="end that one first, or choose another interface"
            )
        ) from None  # fmt: skip
    return lease


def _holder(address: str) -> str:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as asking:
        try:
            asking.settimeout(1.0)
            asking.connect(address)
            option = asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        except OSError:
            return "a VNF that is just ending has it"
    pid = _CREDENTIALS.unpack(option)[0]
    if pid == os.getpid():
        return "another port of this VNF has it"
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        words = []
    shown = b" ".join(words[1:]).decode("utf-8", "replace").strip()[:80]
    return f"another VNF has it (process {pid}{': ' + shown if shown else ''})"
