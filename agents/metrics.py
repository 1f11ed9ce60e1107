"""What Prometheus scrapes of VNFs, and the same as JSON: the figures of their statistics objects under the
catalogue's names.

Text format 0.0.4. The lines are put together here and not by prometheus-client, which needs 4 us a sample: what stays
as it is from scrape to scrape, all but the numbers, is kept. Times become seconds, in buckets of powers of two.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from itertools import accumulate
from typing import Any, NamedTuple

from prometheus_client import CONTENT_TYPE_LATEST

from agents.catalogue import BY_NAME, CATALOGUE, KINDS, labels
from agents.statistics import SILENT_SECONDS, SIZES_BOUNDS, VALUES_BOUNDS, Distribution, Figure, Reader, Snapshot
from itf.segment import C

MEDIA = CONTENT_TYPE_LATEST.partition(";")[0]
NS = 1e9
OCTAVES = range(C.TIMES_LEAST + 1, C.TIMES_MOST - 1)  #: times are told by buckets that end at 2^k ns: 2 us to 17 s
#: cells of a struct times up to and with the last one of each bucket
_ENDS = [1 + (octave - C.TIMES_LEAST) * C.TIMES_PARTS - 1 for octave in OCTAVES]

Render = Callable[[Snapshot], str]


class Family(NamedTuple):
    """The samples of one metric of one VNF."""

    name: str
    kind: str  #: counter, gauge or histogram
    why: str
    render: Render


class Exposition:
    """`text` for a scraper; remembers what VNFs' lines look like."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[Figure, ...], list[Family]]] = {}

    def text(self, readers: Mapping[str, Reader | None]) -> str:
        """Of each VNF what its reader finds; None: there is nothing to read."""
        found: dict[str, dict[str, list[str]]] = {}
        why: dict[str, str] = {}
        self._known = {vnf: known for vnf, known in self._known.items() if vnf in readers}
        for vnf, reader in readers.items():
            up = 0
            if reader is not None:
                up = int(is_up(reader))
                with suppress(TimeoutError):  # its forwarder has just died: the next scrape finds another
                    snapshot, figures = reader.take()
                    for family in self._families(vnf, figures):
                        why.setdefault(family.name, family.why)
                        kinds = found.setdefault(family.name, {})
                        kinds.setdefault(family.kind, []).append(family.render(snapshot))
            line = f'coven_vnf_up{{vnf="{vnf}"}} {up}\n'
            found.setdefault("coven_vnf_up", {}).setdefault("gauge", []).append(line)
        why["coven_vnf_up"] = BY_NAME["coven_vnf_up"].why
        order = [entry.name for entry in CATALOGUE if entry.name in found]
        order += sorted(set(found) - set(order))
        called = calls((name, kind) for name, kinds in found.items() for kind in kinds)
        return "".join(_family(name, called[name, kind], kind, "".join(chunks), why[name])
                       for name in order for kind, chunks in found[name].items())  # fmt: skip

    def _families(self, vnf: str, figures: tuple[Figure, ...]) -> list[Family]:
        known = self._known.get(vnf)
        if known is None or known[0] is not figures:
            by_name: dict[tuple[str, int], list[Figure]] = {}
            for figure in figures:
                by_name.setdefault((figure.name, figure.kind), []).append(figure)
            families = [Family(name, KINDS[kind], same[0].why, _renderer(vnf, kind, same))
                        for (name, kind), same in by_name.items() if kind in KINDS]  # fmt: skip
            known = self._known[vnf] = figures, families
        return known[1]


def is_up(reader: Reader) -> bool:
    """Whether the VNF's keeper is there, and works."""
    return not reader.owner.gone and reader.silence < SILENT_SECONDS


def calls(metrics: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """What each is called, by name and kind. Authors may give two of different kinds one name, or call one as the
    samples of another's histogram are called: counters keep theirs, then gauges, and the others' kind comes behind."""
    taken: set[str] = set()
    called: dict[tuple[str, str], str] = {}
    for kind, name in sorted((kind, name) for name, kind in metrics):
        told = name
        while not taken.isdisjoint(_samples(told, kind)):
            told = f"{told}_{kind}"
        taken.update(_samples(told, kind))
        called[name, kind] = told
    return called


def _samples(name: str, kind: str) -> list[str]:
    parts = ("", "_bucket", "_count", "_sum") if kind == "histogram" else ("",)
    return [f"{name}{part}" for part in parts]


def _family(name: str, told: str, kind: str, lines: str, why: str) -> str:
    if told != name:
        lines = "".join(told + line.removeprefix(name) for line in lines.splitlines(keepends=True))
    escaped = (why or f"{name}, of which its author says no more").replace("\\", "\\\\").replace("\n", "\\n")
    return f"# HELP {told} {escaped}\n# TYPE {told} {kind}\n{lines}"


def _prefix(name: str, vnf: str, figure: Figure, **more: str) -> str:
    given = ",".join(part for part in (f'vnf="{vnf}"', figure.labels, labels(more)) if part)
    return f"{name}{{{given}}} "


def _renderer(vnf: str, kind: int, figures: list[Figure]) -> Render:
    if KINDS[kind] == "histogram":
        each = [_distribution(vnf, figure) for figure in figures]
        return lambda snapshot: "".join([render(snapshot) for render in each])
    prefixes = [_prefix(figure.name, vnf, figure) for figure in figures]
    if kind in (C.FIGURE_REAL, C.FIGURE_REAL_COUNTER):
        return lambda snapshot: "".join(
            [f"{prefix}{number(snapshot.value(figure))}\n" for prefix, figure in zip(prefixes, figures, strict=True)]
        )
    single = [(prefix, figure.at[0]) for prefix, figure in zip(prefixes, figures, strict=True) if len(figure.at) == 1]
    several = [(prefix, figure) for prefix, figure in zip(prefixes, figures, strict=True) if len(figure.at) > 1]

    def integers(snapshot: Snapshot) -> str:
        words = snapshot.words if kind == C.FIGURE_COUNTER else snapshot.signed
        lines = [f"{prefix}{words[at]}\n" for prefix, at in single]
        lines += [f"{prefix}{snapshot.value(figure)}\n" for prefix, figure in several]
        return "".join(lines)

    return integers


def _distribution(vnf: str, figure: Figure) -> Render:
    times = figure.kind == C.FIGURE_TIMES
    bounds = buckets(figure.kind)
    prefixes = [_prefix(f"{figure.name}_bucket", vnf, figure, le=number(bound)) for bound in bounds]
    total, count = (_prefix(f"{figure.name}_{part}", vnf, figure) for part in ("sum", "count"))

    def render(snapshot: Snapshot) -> str:
        value = snapshot.value(figure)
        assert isinstance(value, Distribution)
        reached = list(accumulate(value.counts))
        if times:
            reached = [*[reached[end] for end in _ENDS], value.count]
        lines = [f"{prefix}{below}\n" for prefix, below in zip(prefixes, reached, strict=True)]
        whole = number(value.total / NS) if times else number(value.total)
        return f"{''.join(lines)}{total}{whole}\n{count}{value.count}\n"

    return render


def buckets(kind: int) -> list[float]:
    """Upper bounds as they are told: in seconds, or inclusive where only whole numbers are counted."""
    if kind == C.FIGURE_TIMES:
        return [*(2**octave / NS for octave in OCTAVES), math.inf]
    if kind == C.FIGURE_SIZES:
        return [bound - 1 for bound in SIZES_BOUNDS]
    return VALUES_BOUNDS


def number(value: Any) -> str:
    """As Prometheus writes it."""
    if value == math.inf:
        return "+Inf"
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    return str(int(value)) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else repr(value)


# ---- JSON


def document(reader: Reader) -> dict[str, Any]:
    """Every figure of a VNF. A histogram's buckets are those that are not empty, with the bounds that they lie within.
    Raises TimeoutError."""
    snapshot, figures = reader.take()
    up = {"name": "coven_vnf_up", "kind": "gauge", "unit": "", "labels": {}, "value": int(is_up(reader))}
    return {
        "vnf": reader.vnf,
        "timed_one_in": reader.sample,
        "metrics": [up, *(_shown(figure, snapshot) for figure in figures)],
    }


def _shown(figure: Figure, snapshot: Snapshot) -> dict[str, Any]:
    value = snapshot.value(figure)
    shown: dict[str, Any] = {
        "name": figure.name, "kind": KINDS.get(figure.kind, "unknown"), "unit": figure.unit,
        "labels": dict(figure.pairs),
    }  # fmt: skip
    if not isinstance(value, Distribution):
        return {**shown, "value": value if math.isfinite(value) else None}
    scale = NS if figure.kind == C.FIGURE_TIMES else 1
    lows = [0.0, *value.bounds]
    cells: Iterable[tuple[float, float, int]] = zip(lows, value.bounds, value.counts, strict=False)
    return {
        **shown, "count": value.count, "sum": value.total / scale if math.isfinite(value.total) else None,
        "buckets": [
            {"from": low / scale, "below": None if high == math.inf else high / scale, "count": count}
            for low, high, count in cells if count
        ],
    }  # fmt: skip
