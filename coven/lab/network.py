"""A network to try a VNF in: three network namespaces, client - appliance - server, on one wire.

The namespaces have no names in the file system: each is held by one process that waits on a pipe of ours,
so that nothing is left when this process ends, however it ends. Works as root, and as an ordinary user
inside a user namespace (`enter_user_namespace`).
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any

PLACES = ("client", "appliance", "server")
#: interfaces of the appliance: towards the client, towards the server
IN, OUT = "eth1", "eth2"
ADDRESS = {"client": "10.20.0.1", "server": "10.20.0.2"}
ADDRESS6 = {"client": "fd20::1", "server": "fd20::2"}

Done = subprocess.CompletedProcess[str]

#: set in the environment of a program that `enter_user_namespace` started again
INSIDE = "COVEN_LAB_INSIDE"
#: starts what follows as root of a user namespace
USER_NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount", "--net", "--")
#: set in the environment of everything that belongs to a lab left standing: its name
NAME = "COVEN_LAB"
#: likewise: the runtime folder of whoever built it, which tells labs of the same name apart
RUN = "COVEN_LAB_RUN"
#: set in the environment of the process that holds a namespace: the place's name
HOLDS = "COVEN_LAB_HOLDS"


class LabError(Exception):
    """The lab cannot be built here; the text says what failed and what to do about it."""


def can_use_user_namespaces() -> bool:
    """Whether an ordinary user may make a user namespace with a network namespace in it here."""
    try:
        test = ["unshare", "--user", "--map-root-user", "--net", "ip", "link", "set", "lo", "up"]
        return subprocess.run(test, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def can_make_namespaces() -> bool:
    """Whether whoever runs this may make network namespaces: root of a container often may not."""
    try:
        return subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return True  # what is missing is said when it is needed


def enter_user_namespace(argv: list[str]) -> None:
    """Start this program again as root of a user namespace. Does not return.

    Raises OSError if `unshare` is not installed.
    """
    command = [*USER_NAMESPACE, *argv]
    os.execvpe(command[0], command, {**os.environ, INSIDE: "1"})


def enter_command(holder: int, argv: list[str]) -> list[str]:
    """The command line that runs argv in the namespaces that a process holds, from wherever we are."""
    words = ["nsenter", f"--target={holder}", "--net", "--mount", f"--wd={os.getcwd()}"]
    try:
        other = os.stat(f"/proc/{holder}/ns/user").st_ino != os.stat("/proc/self/ns/user").st_ino
    except OSError:
        other = False  # it has ended: nsenter says so
    return [*words, *(["--user", "--preserve-credentials"] if other else []), *argv]


def netns_of(pid: int) -> int | None:
    """Inode of the network namespace of a process, None when it has ended or is not ours to see."""
    try:
        return os.stat(f"/proc/{pid}/ns/net").st_ino
    except OSError:
        return None


class Place:
    """One namespace. `run` and `spawn` start programs in it."""

    # A sysfs of its own, because /sys/class/net shows the interfaces of the namespace it was mounted in.
    # In a container that hides parts of /sys this is refused; programs then see the outer one.
    HOLD = f"mount -t sysfs none /sys 2>/dev/null; ip link set lo up && echo up && {HOLDS}=$0 exec cat"

    def __init__(self, name: str):
        self.name = name
        try:
            self.holder = subprocess.Popen(
                ["unshare", "--net", "--mount", "sh", "-c", self.HOLD, name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for the program, which then takes the lab down
            )
        except FileNotFoundError as error:
            raise LabError(f"{error.filename} is not installed (apt: util-linux)") from error
        assert self.holder.stdout and self.holder.stderr
        if self.holder.stdout.readline() != b"up\n":
            why = self.holder.stderr.read().decode().strip()
            self.holder.wait()
            raise LabError(f"no network namespace for {name}: {why or 'iproute2 missing?'}")
        self.pid = self.holder.pid
        self.inode = netns_of(self.pid)

    def command(self, argv: list[str]) -> list[str]:
        """The command line that runs argv in here."""
        return enter_command(self.pid, argv)

    def run(self, *argv: str, check: bool = True, timeout: float = 60, **kw: Any) -> Done:
        """Run a program to its end, output captured as text. Raises LabError if check and it failed."""
        done: Done = subprocess.run(
            self.command(list(argv)), capture_output=True, text=True, timeout=timeout, check=False, **kw
        )
        if check and done.returncode:
            said = (done.stderr or done.stdout).strip()
            raise LabError(f"in {self.name}: {' '.join(argv)}: status {done.returncode}: {said}")
        return done

    def spawn(self, *argv: str, **kw: Any) -> subprocess.Popen[Any]:
        """Start a program in a session of its own; `Lab.down` ends it if nobody else does."""
        return subprocess.Popen(self.command(list(argv)), start_new_session=True, **kw)

    def processes(self) -> list[int]:
        """Everything that runs in this namespace, the holder left out."""
        pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())
        return [pid for pid in pids if pid != self.pid and netns_of(pid) == self.inode]

    def close(self) -> None:
        assert self.holder.stdin and self.holder.stdout and self.holder.stderr
        for pipe in (self.holder.stdin, self.holder.stdout, self.holder.stderr):
            pipe.close()
        self.holder.wait()


class Lab:
    """client - appliance - server. Use as a context manager, or `up` and `down`.

    The wire is two veth pairs at default offloads; client and server share 10.20.0.0/24 and fd20::/64, the
    appliance's two interfaces have no address.
    """

    def __init__(self) -> None:
        self.places: dict[str, Place] = {}

    client = property(lambda self: self.places["client"])
    appliance = property(lambda self: self.places["appliance"])
    server = property(lambda self: self.places["server"])

    def up(self) -> Lab:
        """Build it. Raises LabError, with nothing left behind."""
        missing = [tool for tool in ("unshare", "nsenter", "ip") if not shutil.which(tool)]
        if missing:
            raise LabError(f"not installed: {', '.join(missing)} (apt: util-linux iproute2)")
        try:
            for name in PLACES:
                self.places[name] = Place(name)
            self._wire(IN, "client")
            self._wire(OUT, "server")
        except BaseException:
            self.down()
            raise
        return self

    def _wire(self, interface: str, end: str) -> None:
        far, near = self.places[end], self.appliance
        peer = ("peer", "name", "eth0", "netns", str(far.pid))
        near.run("ip", "link", "add", interface, "type", "veth", *peer)
        near.run("ip", "link", "set", interface, "up")
        far.run("ip", "addr", "add", f"{ADDRESS[end]}/24", "dev", "eth0")
        far.run("ip", "addr", "add", f"{ADDRESS6[end]}/64", "dev", "eth0", "nodad", check=False)
        far.run("ip", "link", "set", "eth0", "up")

    def down(self) -> None:
        """End every process in it, then the namespaces."""
        for sig, patience in ((signal.SIGTERM, 3.0), (signal.SIGKILL, 3.0)):
            end = time.monotonic() + patience
            told: set[int] = set()
            while (left := self._running()) and time.monotonic() < end:
                for pid in set(left) - told:
                    told.add(pid)
                    try:
                        os.kill(pid, sig)
                    except ProcessLookupError:
                        continue
                time.sleep(0.02)
            if not left:
                break
        for place in self.places.values():
            place.close()
        self.places.clear()

    def _running(self) -> list[int]:
        return [pid for place in self.places.values() for pid in place.processes() if not _is_zombie(pid)]

    def __enter__(self) -> Lab:
        return self.up()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX"
    except OSError:
        return True
