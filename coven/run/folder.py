"""A folder for each foreground run, held as long as it lasts; what killed runs have left is undone on the way."""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path

from coven.base.folder_lock import Held, alone, hold
from coven.base.places import Places
from coven.keeper.journal import Busy
from coven.keeper.recovery import recover

RUN_PREFIX = "run-"  #: folders of foreground runs, beside those of agents' VNFs
_held: dict[Path, int] = {}  #: this process's run folders, each with its lock


def make_folder() -> Path:
    """A folder for one run; what runs that were killed have left is undone on the way."""
    base = Places.find().make().run
    for old in base.glob(RUN_PREFIX + "*"):
        try:
            with alone(old):
                if not recover(old).failed:
                    shutil.rmtree(old, ignore_errors=True)
        except (Held, Busy, OSError):
            continue
    folder = base / f"{RUN_PREFIX}{uuid.uuid4().hex[:12]}"
    _held[folder] = hold(folder)
    return folder


def remove_folder(folder: Path) -> None:
    """One of `make_folder`'s, at the end of its run."""
    shutil.rmtree(folder, ignore_errors=True)
    if (fd := _held.pop(folder, None)) is not None:
        os.close(fd)
