"""What a VNFC host says, in messages and in its hop object: bounded, cleaned, never trusted."""

from __future__ import annotations

import math
import signal
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from coven.package.model import Vnfc
from itf.mistakes import Mistake
from itf.segment import C, Hop, ffi, text


def describe_status(status: int | None) -> str:
    if status is None:
        return "its process ended"
    code = -status if status < 0 else status - 128 if status > 128 else 0
    if code > 0:
        try:
            return f"killed by {signal.Signals(code).name}"
        except ValueError:
            pass
    return f"exit status {status}"


def host_mistakes(errors: Any, vnfc: Vnfc | None = None) -> list[Mistake]:
    """The mistakes that a host reported, as far as they are ones; texts are cut to a sane length. A host knows no file
    names when its sources were compiled: the first of `vnfc` stands for them."""
    found: list[Mistake] = []
    for record in errors[:100] if isinstance(errors, list) else []:
        if not isinstance(record, dict):
            continue
        clean: dict[str, Any] = {}
        for key in ("file", "field", "found", "expected", "remedy"):
            value = record.get(key)
            clean[key] = value[:2000] if isinstance(value, str) else None
        for key in ("line", "column"):
            value = record.get(key)
            clean[key] = (
                value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
            )
        if vnfc is not None and clean["file"] is None and clean["field"] in (None, "source"):
            clean["file"], clean["field"] = vnfc.sources[0], f"vnfcs.{vnfc.name}.source"
        found.append(Mistake.from_dict(clean))
    return found


def with_output(mistakes: list[Mistake], wrote: list[str]) -> list[Mistake]:
    """The mistakes, behind the last what its process wrote."""
    if not wrote:
        return mistakes
    *others, last = mistakes
    remedy = "\n    ".join([last.remedy or "", "it wrote:", *(f"  {line}" for line in wrote)])
    return [*others, replace(last, remedy=remedy.lstrip())]


def declared_reasons(head: Any) -> dict[int, tuple[str, str]]:
    """The drop reasons in a hop object, by their number in statistics."""
    count = min(head.reasons, C.REASONS - C.REASON_DECLARED)
    return {
        C.REASON_DECLARED + i: (
            clean_name(text(head.reason[i].name), f"reason_{i}"),
            text(head.reason[i].why),
        )
        for i in range(count)
    }


def clean_name(name: str, otherwise: str) -> str:
    """A name out of shared memory, as far as it can be shown."""
    return name if name and name.isprintable() else otherwise


def metrics(hop: Hop) -> Iterator[tuple[int, str, Any]]:
    """(kind, name, value) of each: a counter's int, a gauge's float or None, a histogram's dict."""
    for i in range(min(hop.head.metrics, C.HOP_METRICS)):
        cell = hop.head.metric[i]
        name = clean_name(text(cell.name), f"metric_{i}")
        if cell.kind == C.METRIC_COUNTER:
            yield cell.kind, name, int(cell.value)
        elif cell.kind == C.METRIC_GAUGE:
            yield cell.kind, name, _double(cell, "value")
        elif cell.kind == C.METRIC_HISTOGRAM:
            buckets = {str(2**k): int(n) for k, n in enumerate(cell.buckets) if n}
            yield cell.kind, name, {
                "count": int(cell.count), "sum": _double(cell, "sum_bits"), "buckets": buckets,
            }  # fmt: skip


def _double(cell: Any, field: str) -> float | None:
    """A double kept in 64 bits; what JSON cannot say is None."""
    value = float(ffi.cast("double *", ffi.addressof(cell, field))[0])
    return value if math.isfinite(value) else None
