"""The keepers that an agent has: started, watched until they end.

The protocol is in docs/architecture.md (*Keeper*). A keeper outlives the agent that started it, so what
is known of one is its folder; its process is found through its socket or through /proc.
"""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from coven.base.folder_lock import hold
from coven.keeper.client import END_SECONDS, Keeper, kind_of, mistakes_of
from coven.keeper.plan import PLAN, Plan
from itf.mistakes import Kind, Mistake, Refused

log = logging.getLogger("coven.agent")

LOG = "keeper.log"

INSTANTIATE_SECONDS = 300.0  #: building, opening, init of every VNFC (30 s) included

COMMAND = (sys.executable, "-m", "coven.keeper")


class Keepers:
    """Starts keepers and watches them: `died(directory)` is called once for each that ends unasked."""

    def __init__(self, command: Sequence[str] = COMMAND, died: Callable[[Path], None] | None = None):
        self.command = list(command)
        self.died = died or (lambda directory: None)
        self._lock = threading.Lock()
        self._watched: dict[int, tuple[Path, int, bool]] = {}  # pidfd -> folder, pid, our child
        self._starting: dict[Path, int] = {}  #: processes that are not ready yet
        self._epoll = select.epoll()
        self._bell_read, self._bell = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._epoll.register(self._bell_read, select.EPOLLIN)
        self._closing = False
        self._thread = threading.Thread(target=self._watch, name="keepers", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop watching. The keepers live on."""
        self._closing = True
        os.write(self._bell, b"x")
        self._thread.join()
        with self._lock:
            for fd in self._watched:
                os.close(fd)
            self._watched.clear()
        self._epoll.close()
        os.close(self._bell_read)
        os.close(self._bell)

    def _watch(self) -> None:
        while not self._closing:
            for fd, _ in self._epoll.poll():
                if fd == self._bell_read:
                    continue
                with self._lock:
                    # the number may belong to another watch by now
                    if fd not in self._watched or not select.select([fd], [], [], 0)[0]:
                        continue
                    directory, pid, ours = self._watched.pop(fd)
                    self._epoll.unregister(fd)
                    os.close(fd)
                try:
                    if ours:
                        os.waitpid(pid, 0)
                    self.died(directory)
                except Exception:  # one keeper's affair: the others are watched on
                    log.exception("the end of the keeper in %s", directory)

    def watch(self, directory: Path, pid: int, ours: bool) -> None:
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            self.died(directory)
            return
        with self._lock:
            self._watched[fd] = (directory, pid, ours)
            self._epoll.register(fd, select.EPOLLIN)

    def forget(self, directory: Path) -> None:
        """Its end is wanted now: do not report it. A child of ours is waited for in the background."""
        with self._lock:
            fds = [fd for fd, (where, _, _) in self._watched.items() if where == directory]
            watched = [(fd, *self._watched.pop(fd)) for fd in fds]
            for fd in fds:
                self._epoll.unregister(fd)
                os.close(fd)
        for _, _, pid, ours in watched:
            if ours:
                threading.Thread(target=os.waitpid, args=(pid, 0), daemon=True).start()

    def start(self, directory: Path, plan: Plan, progress: Callable[[str], None]) -> Keeper:
        """Start a keeper and return when its VNF is instantiated. Raises Refused; then its process is gone.

        What it changed on interfaces is the caller's to undo (`recover`), unless it did so itself.
        """
        held = hold(directory)  # until the keeper holds it itself
        try:
            return self._start(directory, plan, progress)
        finally:
            os.close(held)

    def _start(self, directory: Path, plan: Plan, progress: Callable[[str], None]) -> Keeper:
        plan.write(directory / PLAN)
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        log = os.open(directory / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        command = [*self.command, "--directory", str(directory)]
        try:
            pid = os.posix_spawn(
                command[0], command, os.environ, setsid=True, setsigmask=[],
                setsigdef=[signal.SIGINT, signal.SIGTERM, signal.SIGPIPE],
                file_actions=[(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, write_end, 1),
                              (os.POSIX_SPAWN_DUP2, log, 2)],
            )  # fmt: skip
        except OSError as error:
            os.close(read_end)
            raise Refused(
                Mistake.of(error, file=command[0], expected="a program that starts")
            ) from None
        finally:
            os.close(write_end)
            os.close(log)
            os.close(null)
        with self._lock:
            self._starting[directory] = pid
        try:
            self._await_first_line(read_end, directory, progress)
        except BaseException:
            with self._lock:
                del self._starting[directory]
            # it ends by itself after a refusal; whatever it is doing, it must be gone before its folder is
            fd = os.pidfd_open(pid)
            if not select.select([fd], [], [], END_SECONDS / 4)[0]:
                signal.pidfd_send_signal(fd, signal.SIGKILL)
            os.close(fd)
            os.waitpid(pid, 0)
            raise
        finally:
            os.close(read_end)
        with self._lock:
            del self._starting[directory]
        self.watch(directory, pid, ours=True)
        return Keeper(directory)

    def cut_short(self, directory: Path) -> None:
        """End a keeper that is not ready yet, with whatever it builds or waits for: `start` raises."""
        with self._lock:
            if (pid := self._starting.get(directory)) is not None:
                os.kill(pid, signal.SIGKILL)

    def _await_first_line(self, fd: int, directory: Path, progress: Callable[[str], None]) -> None:
        deadline = time.monotonic() + INSTANTIATE_SECONDS
        pending = b""
        while True:
            if not select.select([fd], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise Refused(
                    Mistake(found=f"not ready after {INSTANTIATE_SECONDS:g} s"),
                    title="instantiation took too long",
                )
            chunk = os.read(fd, 1 << 16)
            if not chunk:
                raise Refused(
                    Mistake(
                        file=str(directory / LOG), found=f"the keeper ended: {_last_line(directory / LOG)}",
                        expected="a keeper that says whether it is ready"
                    ),
                    title="the keeper died",
                    kind=Kind.FAULT,
                )
            *lines, pending = (pending + chunk).split(b"\n")
            for line in lines:
                try:
                    said = json.loads(line)
                except ValueError:
                    continue
                if said.get("ok") is True:
                    return
                if said.get("ok") is False:
                    raise Refused(mistakes_of(said), title="not instantiated", kind=kind_of(said))
                if "progress" in said:
                    progress(str(said["progress"]))


def _last_line(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            stream.seek(max(0, file.stat().st_size - 4096))
            lines = stream.read().decode(errors="replace").strip().splitlines()
    except OSError:
        return "it said nothing"
    return lines[-1][:300] if lines else "it said nothing"
