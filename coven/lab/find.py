"""Labs left standing, found by their processes alone, and taken down.

Everything of a lab carries the lab's name in its environment, and lives in the lab's network namespaces.
Nothing on disk is asked: a lab whose runtime folder is gone is found, and one whose processes were killed
is not believed to stand.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from coven.base.places import Places
from coven.keeper import journal
from coven.keeper.recovery import JOURNAL
from coven.lab.network import HOLDS, NAME, PLACES, RUN, netns_of
from pps.confine.memory_group import find_controller, sweep

FOLDER_PREFIX = "lab."  #: of a lab's runtime folder: no VNF's name has a dot
PATIENCE = 8.0  #: seconds for everything of a lab to end when told to, and again when killed


@dataclass
class Found:
    """A lab as its processes show it."""

    name: str
    stand: int | None = None  #: the process that built it and takes it down
    holders: dict[str, int] = field(default_factory=dict)  #: place -> the process that holds its namespace
    processes: set[int] = field(default_factory=set)  #: all of it, those above included

    @property
    def state(self) -> str:
        return "up" if self.stand and len(self.holders) == len(PLACES) else "broken"


def run_folder() -> Path:
    """This user's runtime folder, also for whoever asks from inside a lab, which has a state of its own."""
    return Path(os.environ.get(RUN) or Places.find().run)


def folder_of(name: str) -> Path:
    """Where a lab of this user keeps its state while it stands."""
    return run_folder() / f"{FOLDER_PREFIX}{name}"


def find() -> dict[str, Found]:
    """This user's labs, by name."""
    labs: dict[str, Found] = {}
    for pid, words in _marked():
        name, place = words[NAME], words.get(HOLDS)
        lab = labs.setdefault(name, Found(name))
        lab.processes.add(pid)
        if place in PLACES:
            lab.holders[place] = pid
        elif _is_stand(pid):
            lab.stand = pid
    for lab in labs.values():
        lab.processes |= _inside(lab)
    return labs


def _marked() -> Iterator[tuple[int, dict[str, str]]]:
    """This user's living processes that carry a lab's name, with what labs put into environments."""
    ours = str(run_folder())
    for pid in _pids():
        try:
            if os.stat(f"/proc/{pid}").st_uid != os.geteuid():
                continue
            text = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            continue
        pairs = (word.decode(errors="replace").partition("=") for word in text.split(b"\0"))
        words = {key: value for key, _, value in pairs if key in (NAME, HOLDS, RUN)}
        if words.get(NAME) and words.get(RUN) == ours:
            yield pid, words


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _is_stand(pid: int) -> bool:
    try:
        return b"\0coven.lab.stand\0" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _inside(lab: Found) -> set[int]:
    """What lives in the lab's namespaces without its mark (a VNFC's environment is empty)."""
    common = {netns_of(os.getpid()), netns_of(1), netns_of(lab.stand) if lab.stand else None, None}
    spaces = {netns_of(pid) for pid in lab.processes} - common
    return {pid for pid in _pids() if netns_of(pid) in spaces}


def down(lab: Found) -> int:
    """End everything of a lab: asked first, then killed. Returns how many processes had to be killed.

    When this returns its namespaces are gone, and what its keepers left in cgroups.
    """
    stand = lab.stand
    if stand:
        with _handles({stand}) as told:  # it takes the rest down, in order
            _signal(told, signal.SIGTERM)
            _wait(told, 2 * PATIENCE)
    rest = find().get(lab.name)
    killed = 0
    for number in (signal.SIGTERM, signal.SIGKILL):
        if rest is None:
            break
        # the holders last: without them there is nothing to tell the lab's processes by
        for pids in (rest.processes - set(rest.holders.values()), rest.processes):
            with _handles(pids) as told:
                if number == signal.SIGKILL or pids is rest.processes:
                    _signal(told, signal.SIGKILL)
                    killed += len(told)
                else:
                    _signal(told, signal.SIGTERM)
                _wait(told, PATIENCE)
        rest = find().get(lab.name)
    clear(lab.name)
    return killed


def clear(name: str) -> bool:
    """Remove what a lab without processes left on disk; whether there was anything.

    Its keepers' interfaces went with its namespaces: of their journals only the cgroups are undone.
    """
    folder = folder_of(name)
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):  # gone, or in a place that was closed to us
        return False
    for path in (folder / "state" / "run").glob(f"*/{JOURNAL}"):
        with contextlib.suppress(journal.Busy, OSError):
            journal.undo(path, _undo_groups)
    shutil.rmtree(folder, ignore_errors=True)
    return True


def _undo_groups(entry: dict[str, object]) -> str | None:
    prefix = str(entry.get("prefix") or "")
    if entry.get("act") == "memory_groups" and prefix.count(".") == 2:
        sweep(find_controller(), prefix)
    return None


def leftovers() -> list[str]:
    """Names of labs of which only a folder is left."""
    try:
        folders = [name for name in os.listdir(run_folder()) if name.startswith(FOLDER_PREFIX)]
    except OSError:
        return []
    names = [name.removeprefix(FOLDER_PREFIX) for name in folders]
    standing = find()
    return sorted(name for name in names if name not in standing)


@contextlib.contextmanager
def _handles(pids: set[int]) -> Iterator[list[int]]:
    """Descriptors of the processes that still live: a number may be another's by now, these cannot."""
    handles = []
    try:
        for pid in pids - {os.getpid()}:
            with contextlib.suppress(OSError):
                handles.append(os.pidfd_open(pid))
        yield handles
    finally:
        for handle in handles:
            os.close(handle)


def _signal(handles: list[int], number: signal.Signals) -> None:
    for handle in handles:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            signal.pidfd_send_signal(handle, number)


def _wait(handles: list[int], seconds: float) -> None:
    """Until all have ended, or the time is over."""
    end = time.monotonic() + seconds
    for handle in handles:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        poll.poll(max(0.0, end - time.monotonic()) * 1000)
