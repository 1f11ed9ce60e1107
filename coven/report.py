"""The per-hop table: what came to each place, what became of it, and why packets were dropped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_HEAD = ("", "received", "forwarded", "consumed", "dropped", "in flight", "made", "unaccounted")


def report(status: Mapping[str, Any]) -> str:
    """A status document as text."""
    rows: list[tuple[str, ...]] = [_HEAD]
    for name, port in status["ports"].items():
        rows.append(_row(f"{name} ({port['backend']})", port, forwarded=port["sent"]))
    classifier = status["classifier"]
    if classifier["received"] != classifier["forwarded"] or classifier["dropped"]:
        rows.append(_row("classifier", classifier))
    for name, vnfc in status["vnfcs"].items():
        state = vnfc["state"] if vnfc["state"] != "running" else vnfc["language"]
        rows.append(_row(f"{name} ({state})", vnfc))
    rows.append(_row("the whole VNF", status))
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEAD))]
    lines = [_line(row, widths) for row in rows]
    lines.insert(1, "-" * len(lines[0]))
    lines.insert(len(lines) - 1, "-" * len(lines[0]))
    lines[0] += "   (a port's forwarded: packets sent)"
    lines += _drops(status)
    for name, vnfc in status["vnfcs"].items():
        lines += [f"{name}.{metric} = {_value(value)}" for metric, value in vnfc["metrics"].items()]
    if status["estimated"]:
        lines.append("the forwarder died and was replaced: what it had in its hands is estimated")
    return "\n".join(lines)


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    name, *numbers = row
    return "  ".join(
        [name.ljust(widths[0]), *(n.rjust(width) for n, width in zip(numbers, widths[1:], strict=True))]
    )


def _row(name: str, figures: Mapping[str, Any], forwarded: int | None = None) -> tuple[str, ...]:
    numbers = (
        figures["received"],
        figures["forwarded"] if forwarded is None else forwarded,
        figures.get("consumed", 0),
        sum(figures["dropped"].values()),
        figures["in_flight"],
        figures.get("originated", 0) + figures.get("cloned", 0),
        figures["unaccounted"],
    )
    return (name, *(f"{number:,}".replace(",", " ") for number in numbers))


def _drops(status: Mapping[str, Any]) -> list[str]:
    if not status["dropped"]:
        return ["", "nothing was dropped"]
    width = max(map(len, status["dropped"]))
    count = max(len(str(number)) for number in status["dropped"].values())
    return ["", "dropped:"] + [
        f"  {name:<{width}}  {number:>{count}}  {status['explanations'].get(name, '')}"
        for name, number in sorted(status["dropped"].items(), key=lambda item: (-item[1], item[0]))
    ]


def _value(value: Any) -> str:
    if isinstance(value, dict):
        mean = value["sum"] / value["count"] if value["count"] and value["sum"] is not None else 0
        return f"{value['count']} values, mean {mean:.6g}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def port_troubles(status: Mapping[str, Any]) -> list[str]:
    """Why ports of a status document do not work as they should, and since when: a sentence each."""
    return [
        f"port {name}: {each['what']} (since {each['since']})"
        for name, port in status.get("ports", {}).items()
        for each in port.get("trouble", ())
    ]
