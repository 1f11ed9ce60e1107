"""A reading of a VNF as a row of numbers, for charts: a quarter of an hour of rows is kept, and sent to who begins to
look."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

KEPT = 900  #: rows: a quarter of an hour, one a second
_TICK, _PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")

Row = dict[str, Any]


def process(pid: int | None) -> tuple[float, int] | None:
    """CPU seconds that a process has used, and bytes of it that are in memory; None when it is gone."""
    if pid is None:
        return None
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / _TICK, int(fields[21]) * _PAGE


def figures(status: Mapping[str, Any]) -> dict[str, float]:
    """What charts are drawn of, by name: sums that only grow, except what is called `memory` and `waiting`."""
    found: dict[str, float] = {}
    for name, port in status["ports"].items():
        for key in ("received", "sent", "bytes_in", "bytes_out"):
            found[f"port {name} {key}"] = port[key]
    for name, vnfc in status["vnfcs"].items():
        for key in ("received", "forwarded", "consumed"):
            found[f"vnfc {name} {key}"] = vnfc[key]
        found[f"vnfc {name} waiting"] = vnfc["in_flight"]
        _add_process(found, f"vnfc {name}", vnfc.get("pid"))
    _add_process(found, "forwarder", (status.get("forwarder") or {}).get("pid"))
    for name, count in status["dropped"].items():
        found[f"drop {name}"] = count
    return found


def _add_process(found: dict[str, float], who: str, pid: int | None) -> None:
    if (used := process(pid)) is not None:
        found[f"{who} cpu"], found[f"{who} memory"] = used


class History:
    """Rows of the last quarter of an hour, a column a figure; what a row lacks is None there."""

    def __init__(self) -> None:
        self._columns: dict[str, int] = {}
        self._rows: deque[list[float | None]] = deque(maxlen=KEPT)
        self.marks: deque[Row] = deque(maxlen=200)

    def add(self, at: float, found: Mapping[str, float]) -> None:
        """`at`: seconds since 1970."""
        for name in found:
            self._columns.setdefault(name, len(self._columns))
        row: list[float | None] = [at]
        row += [found.get(name) for name in self._columns]
        self._rows.append(row)

    def document(self) -> Row:
        return {"columns": list(self._columns), "rows": list(self._rows), "marks": list(self.marks)}


def marks(before: Row | None, after: Row, at: float) -> list[Row]:
    """What happened between two readings, each {status, config}: restarts, and configurations that were changed."""
    if before is None:
        return []
    found = []
    old, new = before["status"], after["status"]
    if old and new:
        for name, vnfc in new["vnfcs"].items():
            if vnfc["restarts"] > old["vnfcs"].get(name, vnfc)["restarts"]:
                found.append(f"{name} restarted")
        if new["forwarder"]["restarts"] > old["forwarder"]["restarts"]:
            found.append("the forwarder restarted")
    for name, config in after["config"].items():
        was = before["config"].get(name, config)
        keys = [key for key, value in config.items() if value != was.get(key)]
        if keys:
            found.append(f"{name}: {', '.join(keys)} configured")
    return [{"at": at, "what": what} for what in found]
