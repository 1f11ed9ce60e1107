"""What `coven top` shows, as lines: made of two readings of a VNF, for a terminal of any size, without colour."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from coven.agent.health import reasons
from itf.printable import printable

SIGNS = {"running": "*", "starting": "~", "down": "X", "failed": "!", "stopped": "-"}
SCALE = ("", "k", "M", "G", "T")
SORTS = ("chain", "rate", "drops", "name")
NAME_LEAST = 10  #: columns that a name keeps where room is scarce
DROP_MOST = 36  #: and that the name of a drop has at most, or half of what there is
TROUBLES = 3  #: that are told

Row = dict[str, Any]


@dataclass
class Reading:
    """At `at` (seconds, of any clock): the status document, and CPU seconds and bytes of memory by VNFC."""

    at: float
    status: Row
    cpu: Mapping[str, float] = field(default_factory=dict)
    memory: Mapping[str, float] = field(default_factory=dict)
    occupancy: Mapping[str, float] = field(default_factory=dict)
    limit: Row | None = None  #: what limits the chain, as the API's bottleneck says it


@dataclass
class View:
    """What whoever looks has chosen. `offset`: lines of what has no room that are above; kept to those there are."""

    sort: str = SORTS[0]
    drops: bool = False  #: all drops with their explanations, in place of the VNFCs
    paused: bool = False
    offset: int = 0


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
    sums = [f"{name} {value}" for name, value in (
        ("received", status["received"]), ("forwarded", status["forwarded"]), ("consumed", status["consumed"]),
        ("dropped", sum(status["dropped"].values())), ("in flight", status["in_flight"]),
        ("unaccounted", status["unaccounted"]),
    )]  # fmt: skip
    head = [Line(f"{status['name']} ({chain['package']})  {status['state']}{'  PAUSED' if view.paused else ''}", True)]
    head += [Line(text, bool(status["unaccounted"])) for text in _folded(sums, "  ", width)]
    if said:
        head.append(Line(said, True))
    troubles = reasons(status)
    if now.limit:
        troubles.insert(0, f"bottleneck: {now.limit['why']}")
    head += [Line(f"! {text}", True) for text in troubles[:TROUBLES]]
    room = height - len(head) - 1
    body = _body(chain, status, now, rates, view, width, room)
    view.offset = max(0, min(view.offset, len(body) - room))
    scrolled = ""
    if len(body) > room:
        scrolled = f"  arrows ({view.offset + 1}-{min(len(body), view.offset + room)} of {len(body)} lines)"
    shown = body[view.offset : view.offset + max(0, room)]
    shown += [Line("")] * (room - len(shown))
    return [*_cut([*head, *shown], width, height - 1), *_cut([_keys(view, scrolled)], width, 1)]


def _body(
    chain: Row, status: Row, now: Reading, rates: _Rates, view: View, width: int, room: int
) -> list[Line]:
    """Where not all has room, the tables come first."""
    drawing = [Line(text) for text in drawn(chain, width)]
    ports = _ports(chain, status, rates, width)
    table = _drops(status, rates, width, None) if view.drops else _vnfcs(chain, status, now, rates, view.sort, width)
    whole = [*drawing, Line(""), *ports, Line(""), *table]
    if len(whole) > room:
        whole = [*table, Line(""), *ports, Line(""), *drawing]
    if not view.drops and (left := room - len(whole) - 1) >= 2:
        whole += [Line(""), *_drops(status, rates, width, left)]
    elif not view.drops:
        whole += [Line(""), *_drops(status, rates, width, max(2, len(status["dropped"]) + 1))]
    return whole


def _folded(parts: Sequence[str], between: str, width: int, after: str = "") -> list[str]:
    """Parts in as few lines as they fit into; `after`: what a line that goes on begins with."""
    lines = [""]
    for number, part in enumerate(parts):
        more = f"{between}{part}" if number else part
        if lines[-1].strip() and len(lines[-1]) + len(more) > width:
            lines.append(after + more.strip())
        else:
            lines[-1] += more
    return lines


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


def drawn(chain: Row, width: int) -> list[str]:
    """The classifier's rules, then each direction as a line; a branch behind it."""
    lines = []
    for rule in chain.get("classifier", ()):
        wants = [rule["match"], rule["port"] and f"by {rule['port']}", rule["vlan"] and f"vlan {rule['vlan']}"]
        lines.append(f"{', '.join(filter(None, wants)) or 'all else'}: {rule['then']}")
    for one in chain["chains"]:
        for way in one["ways"]:
            name = f"{one['name']}: " if len(chain["chains"]) > 1 else ""
            for text in _routes(way):
                lines += _folded((name + text).split(" -> "), " -> ", width, "    ")
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


def _ports(chain: Row, status: Row, rates: _Rates, width: int) -> list[Line]:
    head = ("PORT", "INTERFACE", "LINK", "IN/s", "IN bit/s", "OUT/s", "OUT bit/s", "DROP/s")
    nsh = {port["name"] for port in chain.get("ports", ()) if port["nsh"] not in (None, "none")}
    rows = [
        (name, f"{port['interface'] or '-'}{' NSH' if name in nsh else ''}", port["link"] or "-",
         short(rates("ports", name, "received")), short(rates("ports", name, "bytes_in"), 8),
         short(rates("ports", name, "sent")), short(rates("ports", name, "bytes_out"), 8),
         short(rates("ports", name, "dropped")))
        for name, port in status["ports"].items()
    ]  # fmt: skip
    return _table(head, rows, 3, width)


def _vnfcs(chain: Row, status: Row, now: Reading, rates: _Rates, sort: str, width: int) -> list[Line]:
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
    return _table(head, rows, 3, width)


def _drops(status: Row, rates: _Rates, width: int, most: int | None) -> list[Line]:
    """`most`: lines; None: all, and what explains them in full."""
    found = sorted(status["dropped"], key=lambda name: (-(_drop_rate(rates, name) or 0), -status["dropped"][name]))
    if not found:
        return [Line("no packet was dropped")]
    named = min(max(len(name) for name in found), max(DROP_MOST, width // 2))
    counts = [(_shortened(name, named), short(_drop_rate(rates, name)), str(status["dropped"][name])) for name in found]
    lines = _table(("DROP", "/s", "PACKETS"), counts, 1, width)
    used = max(len(line.text) for line in lines)
    why = ["WHY", *(printable(status["explanations"].get(name, "")) for name in found)]
    told = []
    for line, text in zip(lines, why, strict=True):
        parts = textwrap.wrap(text, max(NAME_LEAST, width - used - 2)) or [""]
        if most is not None:
            parts = [text]
        told.append(Line(f"{line.text.ljust(used)}  {parts[0]}".rstrip(), line.bold))
        told += [Line(f"{'':{used}}  {part}") for part in parts[1:]]
    if most is None or len(told) <= most:
        return told
    return [*told[: most - 1], Line(f"... {len(told) - most + 1} more: d")]


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


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], left: int, width: int) -> list[Line]:
    """The first `left` columns begin at the left; the first one is shortened where there is no room."""
    cells = [tuple(head), *([printable(cell) for cell in row] for row in rows)]
    widths = [max(len(row[n]) for row in cells) for n in range(len(head))]
    over = sum(widths) + len(widths) - 1 - width
    widths[0] = max(min(NAME_LEAST, widths[0]), widths[0] - max(0, over))

    def line(row: Sequence[str]) -> str:
        named = (_shortened(row[0], widths[0]), *row[1:])
        pairs = enumerate(zip(named, widths, strict=True))
        parts = [cell.ljust(w) if n < left else cell.rjust(w) for n, (cell, w) in pairs]
        return " ".join(parts).rstrip()

    return [Line(line(cells[0]), True), *(Line(line(row)) for row in cells[1:])]


def _shortened(name: str, width: int) -> str:
    """What tells names apart is often at their ends."""
    if len(name) <= width:
        return name
    behind = (width - 1) // 2
    return f"{name[: width - 1 - behind]}~{name[len(name) - behind :]}"


def _keys(view: View, scrolled: str = "") -> Line:
    return Line(f"q quit  p {'go on' if view.paused else 'pause'}  d {'VNFCs' if view.drops else 'all drops'}  "
                f"s sort ({view.sort}){scrolled}", True)  # fmt: skip


def _cut(lines: Sequence[Line], width: int, height: int) -> list[Line]:
    return [Line(printable(line.text)[:width], line.bold) for line in lines[:height]]
