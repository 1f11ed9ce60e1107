"""What a VNFC host says, in messages and in its hop object: bounded, cleaned, never trusted."""

from __future__ import annotations

import json
import math
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from coven.base.plain import NotPlain, parse
from coven.package.model import Vnfc
from itf.mistakes import Mistake
from itf.printable import one_line
from itf.segment import C, Hop, ffi, text

NAME_LENGTH = 64  #: of requests and their arguments
TEXT_LENGTH = 2000
REQUESTS, ARGUMENTS = 256, 32  #: of one VNFC, of one request


class Nonsense(ValueError):
    """A host said what no host says; the text tells what, in words for its author."""


def message(raw: bytes) -> dict[str, Any]:
    """One message; an answer with a value that cannot be passed on becomes one that says so. Raises Nonsense."""
    try:
        said = parse(raw)
    except NotPlain as wrong:
        return _failed_answer(raw, wrong)
    except ValueError:
        raise Nonsense("no JSON object") from None
    if not isinstance(said, dict) or not isinstance(said.get("op"), str):
        raise Nonsense("no JSON object with an `op`")
    return said


def _failed_answer(raw: bytes, wrong: NotPlain) -> dict[str, Any]:
    try:
        said = json.loads(raw)
    except (ValueError, RecursionError):
        # nested too deep to be read: its beginning tells whose answer it is
        start = re.match(rb'\s*\{\s*"op"\s*:\s*"(answer|configured)"\s*,\s*"id"\s*:\s*(\d{1,18})\s*,', raw)
        said = {"op": start[1].decode(), "id": int(start[2])} if start else None
    if not isinstance(said, dict) or said.get("op") not in ("answer", "configured"):
        raise Nonsense(str(wrong)) from None
    why = f"what it answers cannot be passed on: {wrong}"
    return {"op": said["op"], "id": said.get("id"), "ok": False, "error": why, "errors": [{"found": why}]}


def declared_requests(listed: Any) -> list[dict[str, Any]]:
    """The agent requests that `ready` names, each with `name`, `why`, `unit`, `args`, `changes`. Raises Nonsense."""
    if listed is None:
        return []
    if not isinstance(listed, list) or len(listed) > REQUESTS:
        raise Nonsense(f"requests: expected a list of at most {REQUESTS}")
    found: dict[str, dict[str, Any]] = {}
    for number, each in enumerate(listed):
        where = f"requests[{number}]"
        if not isinstance(each, dict):
            raise Nonsense(f"{where}: expected a map")
        name = _name(each.get("name"), f"{where}.name")
        if name in found:
            raise Nonsense(f"{where}.name: {name} is declared twice")
        given = each.get("args")
        if not isinstance(given, list | None) or len(given or []) > ARGUMENTS:
            raise Nonsense(f"{where}.args: expected a list of at most {ARGUMENTS}")
        args = [_argument(arg, f"{where}.args[{n}]") for n, arg in enumerate(given or [])]
        if len({arg["name"] for arg in args}) < len(args):
            raise Nonsense(f"{where}.args: two of one name")
        texts = {key: _optional(each.get(key), f"{where}.{key}") for key in ("why", "unit")}
        found[name] = {**each, "name": name, **texts, "args": args, "changes": each.get("changes") is True}
    return list(found.values())


def _argument(arg: Any, where: str) -> dict[str, Any]:
    if not isinstance(arg, dict):
        raise Nonsense(f"{where}: expected a map")
    return {**arg, "name": _name(arg.get("name"), f"{where}.name"), "type": _optional(arg.get("type"), f"{where}.type")}


def _name(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= NAME_LENGTH:
        raise Nonsense(f"{where}: expected a printable text of 1 to {NAME_LENGTH} characters")
    return value


def _optional(value: Any, where: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Nonsense(f"{where}: expected a text")
    return one_line(value[:TEXT_LENGTH])


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
            clean[key] = value[:TEXT_LENGTH] if isinstance(value, str) else None
        for key in ("line", "column"):
            value = record.get(key)
            clean[key] = (
                value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
            )
        if vnfc is not None and (clean["field"] == "source" or (clean["file"] is clean["field"] is None)):
            clean["file"], clean["field"] = clean["file"] or vnfc.sources[0], f"vnfcs.{vnfc.name}.source"
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
            one_line(text(head.reason[i].why)),
        )
        for i in range(count)
    }


def clean_name(name: str, otherwise: str) -> str:
    """A name out of shared memory, as far as it can be shown."""
    return name if name and name.isprintable() else otherwise


@dataclass(frozen=True)
class Values:
    """A histogram: how often values occurred, in buckets of powers of two (hop_metric_cell)."""

    count: int
    total: float
    buckets: tuple[int, ...]

    def __add__(self, other: Values) -> Values:
        total = self.total + other.total
        return Values(together(self.count, other.count), total if math.isfinite(total) else 0.0,
                      tuple(map(together, self.buckets, other.buckets)))  # fmt: skip


def together(one: int, other: int) -> int:
    """What a VNFC counted, with what it had before: it writes what it likes, and no figure holds more than 64 bits."""
    return min(one + other, 2**64 - 1)


@dataclass(frozen=True)
class Metric:
    """A metric as its author declared it. `kind`: enum hop_metric. `value`: a counter's int, a histogram's Values, a
    gauge's float, None where JSON cannot say it."""

    kind: int
    name: str
    unit: str
    why: str
    value: Any


def metrics(hop: Hop) -> Iterator[Metric]:
    """What the VNFC declared. Of two with one name the first counts."""
    known: set[str] = set()
    for i in range(min(hop.head.metrics, C.HOP_METRICS)):
        cell = hop.head.metric[i]
        name = clean_name(text(cell.name), f"metric_{i}")
        if name in known:
            continue
        known.add(name)
        value: Any
        kind = int(cell.kind)  # once: whoever writes it may do so meanwhile
        if kind == C.METRIC_COUNTER:
            value = int(cell.value)
        elif kind == C.METRIC_GAUGE:
            value = _double(cell, "value")
        elif kind == C.METRIC_HISTOGRAM:
            value = Values(int(cell.count), _double(cell, "sum_bits") or 0.0, tuple(map(int, cell.buckets)))
        else:
            continue
        yield Metric(kind, name, one_line(text(cell.unit)), one_line(text(cell.why)), value)


def _double(cell: Any, field: str) -> float | None:
    """A double kept in 64 bits; what JSON cannot say is None."""
    value = float(ffi.cast("double *", ffi.addressof(cell, field))[0])
    return value if math.isfinite(value) else None
