"""What is said in the end: the per-hop table, what came to each place, what became of it, and why packets were dropped;
what a capture lacks."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

from coven.base.tables import table
from coven.base.terminal import Colour, paint, width
from itf.mistakes import Mistake

_HEAD = ("", "received", "forwarded", "consumed", "dropped", "in flight", "made", "restarts", "unaccounted")
#: of least interest first, where they are zero everywhere; then those that say what another says too
_LESS = ("made", "consumed", "in flight", "restarts", "unaccounted", "received")


def report(status: Mapping[str, Any]) -> str:
    """A status document as text."""
    rows = [_row(f"{name} ({port['backend']})", port, forwarded=port["sent"]) for name, port in status["ports"].items()]
    classifier = status["classifier"]
    if classifier["received"] != classifier["forwarded"] or classifier["dropped"]:
        rows.append(_row("classifier", classifier))
    for name, vnfc in status["vnfcs"].items():
        state = vnfc["state"] if vnfc["state"] != "running" else vnfc["language"]
        rows.append(_row(f"{name} ({state})", vnfc, restarts=vnfc.get("restarts", 0)))
    rows.append(_row("the whole VNF", status))
    empty = [name for n, name in enumerate(_HEAD) if n and not any(row[n] for row in rows)]
    lines = table(_HEAD, rows, [name for name in _LESS if name in empty]).splitlines()
    rule = "-" * max(len(line) for line in lines[1:])
    lines = [lines[0], rule, *lines[1:-1], rule, lines[-1]]
    if status["unaccounted"]:
        lines[-1] = paint(lines[-1], Colour.BAD)
    lines += _drops(status)
    for name, vnfc in status["vnfcs"].items():
        lines += [f"{name}.{metric} = {_value(value)}" for metric, value in vnfc["metrics"].items()]
    for name, port in status["ports"].items():
        if port.get("incomplete"):
            lines.append(paint(f"port {name}: its capture breaks off, what follows was not read", Colour.BAD))
    if status["estimated"]:
        lines.append("the forwarder died and was replaced: what it had in its hands is estimated")
    return "\n".join(lines)


def _row(
    name: str, figures: Mapping[str, Any], forwarded: int | None = None, restarts: int | None = None
) -> tuple[str | int | None, ...]:
    """A port's forwarded packets are those that it sent."""
    return (
        name,
        figures["received"],
        figures["forwarded"] if forwarded is None else forwarded,
        figures.get("consumed", 0),
        sum(figures["dropped"].values()),
        figures["in_flight"],
        figures.get("originated", 0) + figures.get("cloned", 0),
        restarts,
        figures["unaccounted"],
    )


def _drops(status: Mapping[str, Any]) -> list[str]:
    if not status["dropped"]:
        return ["", "nothing was dropped"]
    wide = max(map(len, status["dropped"]))
    count = max(len(str(number)) for number in status["dropped"].values())
    room = width()
    lines = ["", "dropped:"]
    for name, number in sorted(status["dropped"].items(), key=lambda item: (-item[1], item[0])):
        line = f"  {name:<{wide}}  {number:>{count}}  {status['explanations'].get(name, '')}"
        hanging = " " * (6 + wide + count)
        lines += textwrap.wrap(line, room, subsequent_indent=hanging) if room and len(hanging) + 20 < room else [line]
    return lines


def _value(value: Any) -> str:
    if isinstance(value, dict):
        mean = value["sum"] / value["count"] if value["count"] and value["sum"] is not None else 0
        return f"{value['count']} values, mean {mean:.6g}"
    return "no number" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def port_troubles(status: Mapping[str, Any]) -> list[str]:
    """Why ports of a status document do not work as they should, and since when: a sentence each."""
    return [
        f"port {name}: {each['what']} (since {each['since']})"
        for name, port in status.get("ports", {}).items()
        for each in port.get("trouble", ())
    ]


def missing(missed: Mapping[str, int]) -> Mistake | None:
    """What to say of a capture's packets, by place, that found no room; None of none."""
    told = ", ".join(f"{count} packets at {name}" for name, count in missed.items() if count)
    if not told:
        return None
    return Mistake(found=f"{told} are missing: they were faster than they were read",
                   remedy="capture less: --filter, fewer places")  # fmt: skip
