"""What `coven top` shows, as lines: made of two readings of a VNF, for a terminal of any size, without colour."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from itf.printable import printable

SIGNS = {"running": "*", "starting": "~", "down": "X", "failed": "!", "stopped": "-"}
SCALE = ("", "k", "M", "G", "T")
SORTS = ("chain", "rate", "drops", "name")

Row = dict[str, Any]


@dataclass
class Reading:
    """At `at` (seconds, of any clock): the status document, and CPU seconds and bytes of memory by VNFC."""

    at: float
    status: Row
    cpu: Mapping[str, float] = field(default_factory=dict)
    memory: Mapping[str, float] = field(default_factory=dict)
    occupancy: Mapping[str, float] = field(default_factory=dict)


@dataclass
class View:
    """What whoever looks has chosen."""

    sort: str = SORTS[0]
    drops: bool = False  #: all drops with their explanations, in place of the VNFCs
    paused: bool = False


@dataclass(frozen=True)
class Line:
    text: str
    bold: bool = False


def screen(
    chain: Row, before: Reading | None, now: Reading | None, view: View, width: int, height: int, said: str = ""
) -> list[Line]:
    """As many lines as there is room for, none wider. `said`: what went wrong."""
    if now is None:
        return _cut([Line(f"{chain['name']} ({chain['package']})", True), Line(said or "waiting ..."), _keys(view)],
                    width, height)  # fmt: skip
    rates = _Rates(before, now)
    status = now.status
    lines = [
        Line(f"{status['name']} ({chain['package']})  {status['state']}{'  PAUSED' if view.paused else ''}", True),
        Line(f"received {status['received']}  forwarded {status['forwarded']}  consumed {status['consumed']}  dropped "
             f"{sum(status['dropped'].values())}  in flight {status['in_flight']}  unaccounted {status['unaccounted']}",
             bool(status["unaccounted"])),
    ]  # fmt: skip
    if said:
        lines.append(Line(said, True))
    lines += [Line(text) for text in drawn(chain)]
    lines.append(Line(""))
    lines += _ports(status, rates)
    lines.append(Line(""))
    room = height - len(lines) - 2
    if view.drops:
        lines += _drops(status, rates, width, max(2, room))
    else:
        vnfcs = _vnfcs(chain, status, now, rates, view.sort)
        lines += vnfcs
        if (left := room - len(vnfcs) - 1) >= 2:
            lines += [Line(""), *_drops(status, rates, width, left)]
    lines += [Line("")] * (height - 1 - len(lines))
    return [*_cut(lines, width, height - 1), *_cut([_keys(view)], width, 1)]


class _Rates:
    def __init__(self, before: Reading | None, now: Reading):
        self._before, self._now = before, now

    def __call__(self, *path: str) -> float | None:
        """How fast a sum of the status document grows, a second; None: not known yet."""
        if self._before is None or self._now.at <= self._before.at:
            return None
        was, is_ = (_at(each.status, path) for each in (self._before, self._now))
        return max(0.0, (is_ - was) / (self._now.at - self._before.at))

    def cpu(self, vnfc: str) -> float | None:
        """Of a core."""
        if self._before is None or vnfc not in self._before.cpu or vnfc not in self._now.cpu:
            return None
        seconds = self._now.at - self._before.at
        return max(0.0, (self._now.cpu[vnfc] - self._before.cpu[vnfc]) / seconds) if seconds > 0 else None


def _at(status: Row, path: Sequence[str]) -> float:
    value: Any = status
    for key in path:
        value = value.get(key, {})
    if isinstance(value, dict):
        return float(sum(value.values()))
    return float(value)


def drawn(chain: Row) -> list[str]:
    """Each direction as a line; a branch behind it."""
    lines = []
    for one in chain["chains"]:
        for way in one["ways"]:
            name = f"{one['name']}: " if len(chain["chains"]) > 1 else ""
            lines += [name + text for text in _routes(way)]
    return lines


def _routes(way: Row) -> list[str]:
    if way["kind"] == "drop":
        return [f"{way['ingress']} -> dropped"]
    nexts: dict[str, list[Row]] = {}
    for wire in way["wires"]:
        nexts.setdefault(wire["from"], []).append(wire)
    routes: list[str] = []
    begun: set[str] = set()
    waiting: list[tuple[str, str, Row | None]] = [(way["ingress"], way["ingress"], None)]
    while waiting:
        text, place, wire = waiting.pop(0)
        if wire is not None:
            place = wire["to"]
            text = f"{text} -> {place}"
        while place in nexts and place not in begun:
            begun.add(place)
            first, *others = nexts[place]
            waiting += [(f"{place}[{other['output']}]", place, other) for other in others]
            place = first["to"]
            text = f"{text} -> {place}"
        routes.append(text)
    return routes


def _ports(status: Row, rates: _Rates) -> list[Line]:
    head = ("PORT", "INTERFACE", "LINK", "IN/s", "IN bit/s", "OUT/s", "OUT bit/s", "DROP/s")
    rows = [
        (name, port["interface"] or "-", port["link"] or "-", short(rates("ports", name, "received")),
         short(rates("ports", name, "bytes_in"), 8), short(rates("ports", name, "sent")),
         short(rates("ports", name, "bytes_out"), 8), short(rates("ports", name, "dropped")))
        for name, port in status["ports"].items()
    ]  # fmt: skip
    return _table(head, rows, left=3)


def _vnfcs(chain: Row, status: Row, now: Reading, rates: _Rates, sort: str) -> list[Line]:
    head = ("VNFC", "STATE", "LANG", "IN/s", "OUT/s", "DROP/s", "RING", "CPU%", "MEM", "RESTARTS")
    order = {each["name"]: number for number, each in enumerate(chain["vnfcs"])}
    keys = {
        "chain": lambda name: (order.get(name, len(order)), name),
        "rate": lambda name: (-(rates("vnfcs", name, "received") or 0), name),
        "drops": lambda name: (-(rates("vnfcs", name, "dropped") or 0), name),
        "name": lambda name: (name,),
    }
    rows = []
    for name in sorted(status["vnfcs"], key=keys[sort]):
        vnfc = status["vnfcs"][name]
        cpu = rates.cpu(name)
        ring = now.occupancy.get(name)
        memory = now.memory.get(name)
        rows.append((
            name, f"{SIGNS.get(vnfc['state'], '?')} {vnfc['state']}", vnfc["language"],
            short(rates("vnfcs", name, "received")), short(rates("vnfcs", name, "forwarded")),
            short(rates("vnfcs", name, "dropped")), "-" if ring is None else f"{ring:.0%}",
            "-" if cpu is None else f"{100 * cpu:.1f}", "-" if memory is None else f"{short(memory)}B",
            str(vnfc["restarts"]),
        ))  # fmt: skip
    return _table(head, rows, left=3)


def _drops(status: Row, rates: _Rates, width: int, most: int) -> list[Line]:
    found = sorted(status["dropped"], key=lambda name: (-(_drop_rate(rates, name) or 0), -status["dropped"][name]))
    rows = [
        (name, short(_drop_rate(rates, name)), str(status["dropped"][name]), status["explanations"].get(name, ""))
        for name in found
    ]
    if not rows:
        return [Line("no packet was dropped")]
    lines = _table(("DROP", "/s", "PACKETS", "WHY"), rows, left=1, last_left=True)
    return lines if len(lines) <= most else [*lines[: most - 1], Line(f"... {len(lines) - most + 1} more: d")]


def _drop_rate(rates: _Rates, name: str) -> float | None:
    if rates._before is None or rates._now.at <= rates._before.at:
        return None
    was, is_ = (each.status["dropped"].get(name, 0) for each in (rates._before, rates._now))
    return max(0.0, (is_ - was) / (rates._now.at - rates._before.at))


def short(value: float | None, factor: int = 1) -> str:
    """In at most five columns."""
    if value is None:
        return "-"
    value, step = value * factor, 0
    while value >= 999.5 and step < len(SCALE) - 1:
        value, step = value / 1000, step + 1
    digits = 0 if value >= 99.5 or round(value, 1) == round(value) else 1
    return f"{value:.{digits}f}{SCALE[step]}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], left: int, last_left: bool = False) -> list[Line]:
    """The first `left` columns begin at the left."""
    cells = [tuple(head), *([printable(cell) for cell in row] for row in rows)]
    widths = [max(len(row[n]) for row in cells) for n in range(len(head))]

    def line(row: Sequence[str]) -> str:
        last = len(row) - 1
        parts = [
            cell.ljust(w) if n < left or (last_left and n == last) else cell.rjust(w)
            for n, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        return " ".join(parts).rstrip()

    return [Line(line(cells[0]), True), *(Line(line(row)) for row in cells[1:])]


def _keys(view: View) -> Line:
    return Line(f"q quit  p {'go on' if view.paused else 'pause'}  d {'VNFCs' if view.drops else 'all drops'}  "
                f"s sort ({view.sort})", True)  # fmt: skip


def _cut(lines: Sequence[Line], width: int, height: int) -> list[Line]:
    return [Line(printable(line.text)[:width], line.bold) for line in lines[:height]]
