"""Making a VNF's statistics object, under a name that nobody else has, and removing what a dead keeper left of its
own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from coven.keeper.client import STATISTICS
from coven.keeper.journal import Journal
from itf import limits
from itf.statistics import SHM, Owner, Statistics, names, remove_left

SAMPLE = 16  #: live, one packet in so many is timed


def make(vnf: str, capture: bool, journal: Journal) -> tuple[Statistics, str | None]:
    """The object, and why others can only find it through the keeper's folder, if that is so.

    It is called after the folder, so a VNF's is `/coven-NAME`. Raises OSError if there is no memory for one."""
    sample = 0 if capture else SAMPLE
    if journal.path is None:
        return Statistics.make(vnf, sample), None
    folder = journal.path.parent
    try:
        made, why = _named(vnf, sample, folder.name, journal), None
    except OSError as problem:  # no /dev/shm, or one without room: the VNF is worth more than the name
        made, why = Statistics.make(vnf, sample), limits.words(problem)
    target = SHM / made.name.removeprefix("/") if made.name else Path(f"/proc/{os.getpid()}/fd/{made.fd}")
    link = folder / STATISTICS
    try:
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    except OSError:  # a full disk
        made.close()
        raise
    return made, why


def _named(vnf: str, sample: int, base: str, journal: Journal) -> Statistics:
    owner = asdict(Owner.ourselves())
    for name in names(base):
        remove_left(name)
        journal.write("statistics", name=name, **owner)
        try:
            return Statistics.make(vnf, sample, name)
        except FileExistsError:
            continue
    raise AssertionError


def restore(entry: Mapping[str, Any]) -> str | None:
    """Undo a journal's entry of a dead keeper."""
    try:
        name = str(entry["name"])
        whose = Owner(int(entry["pid"]), int(entry["start"]), int(entry["namespace"]))
    except (KeyError, ValueError, TypeError):
        return None
    return f"removed the statistics object {name}" if remove_left(name, whose) else None
