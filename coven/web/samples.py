"""A reading of a VNF as a row of numbers, for charts: a quarter of an hour of rows is kept, and sent to who begins to
look."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from agents.statistics import Distribution, Figure, Reader, Value

KEPT = 900  #: rows: a quarter of an hour, one a second
QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}

Row = dict[str, Any]


def figures(status: Mapping[str, Any]) -> dict[str, float]:
    """Of a status document, by name: sums that only grow, and how much waits."""
    found: dict[str, float] = {}
    for name, port in status["ports"].items():
        for key in ("received", "sent", "bytes_in", "bytes_out"):
            found[f"port {name} {key}"] = port[key]
    for name, vnfc in status["vnfcs"].items():
        for key in ("received", "forwarded", "consumed"):
            found[f"vnfc {name} {key}"] = vnfc[key]
        found[f"vnfc {name} waiting"] = vnfc["in_flight"]
    for name, count in status["dropped"].items():
        found[f"drop {name}"] = count
    return found


class Measured:
    """What the statistics object of a VNF says besides; times of the last second, by comparing with the look before."""

    def __init__(self) -> None:
        self._before: dict[tuple[str, str], list[int]] = {}
        self.times: dict[str, Row] = {}  #: by VNFC: how long packets were in it, since it began

    def read(self, reader: Reader | None) -> dict[str, float]:
        """By name; nothing where there is no object, or it is half-written."""
        found: dict[str, float] = {}
        with suppress(TimeoutError):
            if reader is not None:
                snapshot, known = reader.take()
                for figure in known:
                    if (name := _NAMES.get(figure.name)) is not None:
                        found.update(name(self, figure, snapshot.value(figure)))
        return found

    def _outputs(self, figure: Figure, value: Value) -> Iterator[tuple[str, float]]:
        yield f"output {figure.pairs['vnfc']} {figure.pairs['output']}", _number(value)

    def _output_bytes(self, figure: Figure, value: Value) -> Iterator[tuple[str, float]]:
        yield f"bytes {figure.pairs['vnfc']} {figure.pairs['output']}", _number(value)

    def _occupancy(self, figure: Figure, value: Value) -> Iterator[tuple[str, float]]:
        yield f"vnfc {figure.pairs['vnfc']} occupancy", round(_number(value), 4)

    def _cpu(self, figure: Figure, value: Value) -> Iterator[tuple[str, float]]:
        yield f"{_process(figure)} cpu", round(_number(value), 4)

    def _memory(self, figure: Figure, value: Value) -> Iterator[tuple[str, float]]:
        yield f"{_process(figure)} memory", _number(value)

    def _chain(self, figure: Figure, value: Value) -> Iterator[tuple[str, float]]:
        """Seconds that packets which came by a port were in the chain, in the last second."""
        assert isinstance(value, Distribution)
        port = figure.pairs["port"]
        now = self._lately(figure, value)
        if now.count:
            for name, part in QUANTILES.items():
                yield f"latency {port} {name}", round(now.quantile(part) / 1e9, 9)

    def _in_vnfc(self, figure: Figure, value: Value) -> Iterator[tuple[str, float]]:
        assert isinstance(value, Distribution)
        self.times[figure.pairs["vnfc"]] = _shown(value)
        now = self._lately(figure, value)
        if now.count:
            yield f"time {figure.pairs['vnfc']} p50", round(now.quantile(0.5) / 1e9, 9)
            yield f"time {figure.pairs['vnfc']} p99", round(now.quantile(0.99) / 1e9, 9)

    def _lately(self, figure: Figure, value: Distribution) -> Distribution:
        key = figure.name, figure.labels
        before = self._before.get(key, value.counts)
        self._before[key] = value.counts
        counts = [max(0, now - then) for now, then in zip(value.counts, before, strict=True)]
        return Distribution(sum(counts), 0.0, counts, value.bounds)


_Name = Callable[[Measured, Figure, Value], Iterator[tuple[str, float]]]
_NAMES: dict[str, _Name] = {
    "coven_vnfc_packets_total": Measured._outputs, "coven_vnfc_bytes_total": Measured._output_bytes,
    "coven_ring_occupancy_ratio": Measured._occupancy, "coven_process_cpu_seconds_total": Measured._cpu,
    "coven_process_resident_memory_bytes": Measured._memory, "coven_chain_seconds": Measured._chain,
    "coven_vnfc_seconds": Measured._in_vnfc,
}  # fmt: skip


def _process(figure: Figure) -> str:
    role, vnfc = figure.pairs["role"], figure.pairs["vnfc"]
    return f"vnfc {vnfc}" if role == "vnfc" else role


def _number(value: Value) -> float:
    return 0.0 if isinstance(value, Distribution) else value


def _shown(value: Distribution) -> Row:
    """A distribution of times in seconds: cells in powers of two, those that count."""
    cells: dict[float, int] = {}
    for bound, count in zip(value.bounds, value.counts, strict=True):
        if count:
            below = 2.0 ** (int(bound) - 1).bit_length() / 1e9 if bound != float("inf") else 0.0
            cells[below] = cells.get(below, 0) + count
    return {
        "count": value.count, **{name: value.quantile(part) / 1e9 for name, part in QUANTILES.items()},
        "cells": [{"below": below, "count": count} for below, count in cells.items()],
    }  # fmt: skip


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
