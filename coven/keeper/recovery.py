"""Whoever comes after a keeper that died: undoing from its journal what it left. A door of this room for others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from coven.keeper.client import SOCKET
from coven.keeper.figures.object import restore as restore_statistics
from coven.keeper.journal import JOURNAL, Busy, Journal, Left, undo
from coven.keeper.ports.opening import restore_entry
from pps.confine.memory_group import find_controller, sweep

__all__ = ["JOURNAL", "Busy", "Journal", "Left", "recover"]


def recover(directory: Path) -> Left:
    """Undo what a keeper that died in this folder left. Raises `Busy` while it lives."""
    left = undo(directory / JOURNAL, _restore)
    (directory / SOCKET).unlink(missing_ok=True)
    return left


def _restore(entry: dict[str, Any]) -> str | None:
    if entry.get("act") == "memory_groups":
        prefix = str(entry.get("prefix") or "")
        if prefix.count(".") == 2:  # whole names of one keeper, never all there are
            sweep(find_controller(), prefix)
        return None
    if entry.get("act") == "statistics":
        return restore_statistics(entry)
    return restore_entry(entry)
