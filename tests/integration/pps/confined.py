"""Two programs of test_confine.py: `start` runs something confined, `probe` looks around from within.

`python confined.py start JSON` prints the level's answer and what the confined program wrote;
JSON: {"level": null or name, "argv": [...], "package": PATH, ...arguments of Confinement.command}.
"""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def start(order: dict) -> None:
    sys.path.insert(0, str(ROOT))
    from pps.confine import confinement as confine
    from pps.confine import uids

    name = order.get("level")
    level = confine.Level(name, "asked for") if name else confine.detect(ROOT / "build")
    confinement = confine.Confinement(level, ROOT / "build")
    lease = uids.UidLease.take(Path(order["runtime"])) if level.name == "full" else None
    prepared = confinement.command(
        order["argv"], package=Path(order["package"]), uid=lease.uid if lease else None,
        fds=order.get("fds", []),
        memory_mb=order.get("memory_mb", 256), group=order.get("group"), debug=order.get("debug", False),
        binds_ro=[Path(path) for path in order.get("binds", [])])
    process = prepared.popen(stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert process.stdout is not None
    first = process.stdout.readline().decode().strip()
    said = {"level": level.name, "uid": lease.uid if lease else None, "kind": prepared.memory_limit_kind,
            "first": first, "inner": confine.inner_pid(process)}
    if order.get("wait", True):
        process.wait()
        said["returncode"] = process.returncode
        said["oom"] = prepared.group.oom_kills() if prepared.group else 0
        said["removed"] = prepared.group.remove() if prepared.group else True
    print(json.dumps(said), flush=True)
    if not order.get("wait", True):
        process.wait()


def attempt(action: Callable[[], object]) -> str:
    """`ok`, or the name of the error."""
    try:
        action()
    except OSError as error:
        return type(error).__name__ if error.errno is None else os.strerror(error.errno)
    return "ok"


def call(name: str, *args: object) -> str:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*args) != -1:
        return "ok"
    return os.strerror(ctypes.get_errno())


def mmap_shared(size: int) -> bool:
    """Whether that many bytes are to be had that belong to no process's data."""
    try:
        mmap.mmap(-1, size).close()
    except OSError:
        return False
    return True


def probe(package: str, secret: str, inherited: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except PermissionError:  # Landlock
        lines = []
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    memory = int(inherited)
    mapped = ctypes.c_void_p(libc.mmap(None, ctypes.c_size_t(4096), 3, 1, memory, 0))

    devices = Path("/proc/net/dev").read_text().splitlines()[2:] if status else []

    def loopback() -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(server.getsockname(), timeout=5).close()

    print(json.dumps({
        "uid": os.getuid(), "gid": os.getgid(), "groups": os.getgroups(), "cwd": os.getcwd(),
        "capabilities": {name: value.strip() for name, value in status.items() if name.startswith("Cap")},
        "no_new_privs": status.get("NoNewPrivs"), "pids": [p for p in os.listdir("/proc") if p.isdigit()]
        if status else [],
        "interfaces": [line.split(":")[0].strip() for line in devices],
        "inherited": os.pread(int(inherited), 16, 0).decode(),
        "home": attempt(lambda: os.listdir(secret)),
        "write package": attempt(lambda: Path(package, "new").write_text("x")),
        "write usr": attempt(lambda: Path("/usr/new").write_text("x")),
        "write root": attempt(lambda: Path("/new").write_text("x")),
        "write tmp": attempt(lambda: Path("/tmp/new").write_text("x")),
        "loopback": attempt(loopback),
        "beyond": attempt(lambda: socket.create_connection(("192.0.2.1", 9), timeout=5)),
        "routes": attempt(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0)),
        "netlink": attempt(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12)),
        "packet": attempt(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)),
        "unix pair": attempt(lambda: socket.socketpair()),
        "madvise remove": call("madvise", mapped, ctypes.c_size_t(4096), 9),
        "ftruncate": attempt(lambda: os.ftruncate(memory, 0)),
        "fallocate": call("fallocate", memory, 3, ctypes.c_long(0), ctypes.c_long(4096)),
        "ptrace": call("ptrace", 0, 0, None, None),
        "unshare": call("unshare", 0x10000000),
        "mount": call("mount", b"x", b"/tmp", b"tmpfs", 0, None),
        "memfd": attempt(lambda: os.memfd_create("probe")),
        "shared memory": "ok" if mmap_shared(64 << 20) else "refused",
        "system v": call("shmget", 0, ctypes.c_size_t(1 << 20), 0o1600),
        "shm": attempt(lambda: Path("/dev/shm/big").write_bytes(bytes(32 << 20))),
        "dev": attempt(lambda: Path("/dev/big").write_bytes(b"x")),
        "kill others": attempt(lambda: os.kill(os.getppid(), 0)),
        "setuid": attempt(lambda: os.setuid(0)),
        "limits": Path("/proc/self/limits").read_text() if status else "",
    }), flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "start":
        start(json.loads(sys.argv[2]))
    else:
        probe(*sys.argv[2:5])
