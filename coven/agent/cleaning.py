"""`coven clean`: undo what keepers and runs that died left behind, without an agent."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Collection
from pathlib import Path

from coven.base.folder_lock import Held, alone
from coven.base.places import Places
from coven.keeper.client import find_process
from coven.keeper.recovery import JOURNAL, Busy, Left, recover
from itf.statistics import sweep as sweep_statistics

YOUNG_SECONDS = 60.0  #: a folder that is about to be locked
RUN_PREFIX = "run-"  #: folders of `coven run`


def sweep(run: Path, known: Collection[str], recover: Callable[[Path], Left]) -> list[str]:
    """Undo, by their journals, what died in folders that are not `known`; what was done, a line each."""
    done: list[str] = []
    if not run.is_dir():
        return done
    for directory in sorted(run.iterdir()):
        if directory.name in known or find_process(directory) is not None:
            continue
        try:
            with alone(directory):
                done += _sweep_one(directory, recover)
        except (Held, Busy, OSError):  # it lives, or has just gone
            continue
    return done


def _sweep_one(directory: Path, recover: Callable[[Path], Left]) -> list[str]:
    # a run that was killed at its very beginning has no journal yet
    if not (directory / JOURNAL).is_file() and not directory.name.startswith(RUN_PREFIX):
        return []
    left = recover(directory)
    done = [f"{directory.name}: {line}" for line in left.undone]
    done += [f"{directory.name}: not undone: {line}" for line in left.failed]
    if not left.failed:
        shutil.rmtree(directory, ignore_errors=True)
        done.append(f"{directory.name}: removed")
    return done


def clean(state: str | None) -> list[str]:
    """Undo what died; what lives is left alone. The VNFs of an agent that serves are its own affair."""
    places = Places.find(state)
    known: set[str] = set()
    if places.run.is_dir() and _agent_serves(places):
        known = {folder.name for folder in places.run.iterdir() if not folder.name.startswith(RUN_PREFIX)}
    done = sweep(places.run, known, recover) + _old_unpacked()
    return done + [f"{name}: removed, a statistics object" for name in sweep_statistics()]


def _agent_serves(places: Places) -> bool:
    try:
        fd = os.open(places.state / "agent.lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


def _old_unpacked() -> list[str]:
    """Zips that were unpacked for a run that was killed: nobody holds the lock beside them any more."""
    done = []
    for folder in Path(tempfile.gettempdir()).glob("coven-unpacked-*"):
        try:
            status = folder.stat(follow_symlinks=False)
            young = time.time() - status.st_mtime < YOUNG_SECONDS  # its lock may not be there yet
            if young or status.st_uid != os.geteuid() or not folder.is_dir():
                continue
            with alone(folder):
                shutil.rmtree(folder, ignore_errors=True)
                done.append(f"{folder}: removed")
        except (Held, OSError):
            continue
    return done
