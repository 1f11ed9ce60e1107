"""One trial: a fresh rig, a fresh process, one figure. Every trial of the appliance ends with its own
account, which has to come out even (`Dut.stop`)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.first import first
from bench.rig import Dut, Rig, RigError, Sink, Traffic, finish, percentile, rig, wait_ready
from coven.lab.network import LabError

WARM = 0.4  #: seconds of traffic before a figure is taken
DRAIN = 0.3  #: seconds until the last frame has come through


@dataclass(frozen=True)
class Kind:
    """A measurement: what is sent and what is looked at.

    rate: frames a second through to the sink; oneway: latency to the sink; roundtrip: latency there and
    back; idle: CPU without traffic; memory: PSS after some traffic; first: from the start request to the
    first frame through.
    """

    figure: str
    traffic: Traffic
    unit: str


@dataclass
class Settings:
    generator_core: int
    dut_core: int
    folder: Path


def run(kind: Kind, name: str, command: str, settings: Settings) -> dict[str, Any]:
    """One row of results: {dut, figure, value, unit, size, flows, pps, ...}, or with `error` in it."""
    row: dict[str, Any] = {"dut": name, "figure": kind.figure, "unit": kind.unit, **asdict(kind.traffic)}
    try:
        with rig(settings.generator_core, settings.dut_core) as at:
            with dut_and_sink(kind, at, name, command, settings) as (dut, sink, ready):
                row["ready_s"] = round(ready, 3)
                row.update(FIGURES[kind.figure](at, dut, sink, kind.traffic))
                dut.check()
            row["account"] = dut.account
    except (RigError, LabError) as error:
        row["error"] = str(error)
    return row


class MeasuredDut(Dut):
    account: dict[str, Any]


@contextmanager
def dut_and_sink(
    kind: Kind, at: Rig, name: str, command: str, settings: Settings
) -> Iterator[tuple[MeasuredDut, Sink, float]]:
    sinks = []
    if kind.figure == "roundtrip":
        sinks.append(Sink(at, "sink", "sink0", kind.traffic, "xdp_reflect"))
        sinks.append(Sink(at, "gen", "gen0", kind.traffic))
    else:
        sinks.append(Sink(at, "sink", "sink0", kind.traffic))
    dut = MeasuredDut(at, name, command, settings.folder / "dut.log", settings.folder / "account.json")
    try:
        waits = kind.figure != "first"
        yield dut, sinks[-1], wait_ready(at, dut, sinks[-1], kind.traffic) if waits else 0.0
    finally:
        # The account is asked for even after a failure: it says more than the failure does.
        dut.account = dut.stop()
        for sink in sinks:
            sink.close()


def rate(at: Rig, dut: Dut, sink: Sink, traffic: Traffic) -> dict[str, Any]:
    """Mpps at the sink over the middle of the run, and what was lost to the end."""
    before = sink.read()
    generator = at.send(Traffic(**{**asdict(traffic), "seconds": traffic.seconds + WARM}))
    time.sleep(WARM)
    cpu, first = dut.cpu_ns(), sink.read()
    time.sleep(max(0.1, traffic.seconds - 0.15))
    last, used = sink.read(), dut.cpu_ns() - cpu
    sent = finish(generator)
    time.sleep(DRAIN)
    end = sink.read()
    seconds = (last["t"] - first["t"]) / 1e9
    if end["odd"] > before["odd"]:
        raise RigError(f"{end['odd'] - before['odd']} frames changed their length")
    return {
        "value": (last["frames"] - first["frames"]) / seconds / 1e6,
        "gbit": (last["bytes"] - first["bytes"]) * 8 / seconds / 1e9,
        "offered": sent["pps"] / 1e6,
        "lost": 1 - (end["frames"] - before["frames"]) / max(1, sent["sent"]),
        "reordered": max(0, end["reorder"] - before["reorder"] - 1),  # one step back from the probe's
        "cpu": used / 1e9 / seconds,
    }


def latency(at: Rig, dut: Dut, sink: Sink, traffic: Traffic) -> dict[str, Any]:
    """Microseconds: p50 (the value), p90, p99. Warmed up first: virtual machines compile what they run."""
    finish(at.send(Traffic(**{**asdict(traffic), "seconds": WARM})))
    time.sleep(DRAIN)
    before = sink.read("h")["histogram"]
    sent = finish(at.send(traffic))
    time.sleep(DRAIN)
    after = sink.read("h")["histogram"]
    histogram = {bucket: count - before.get(bucket, 0) for bucket, count in after.items()}
    return {
        "value": percentile(histogram, 0.5),
        "p90": percentile(histogram, 0.9),
        "p99": percentile(histogram, 0.99),
        "lost": 1 - sum(histogram.values()) / max(1, sent["sent"]),
    }


def idle(at: Rig, dut: Dut, sink: Sink, traffic: Traffic) -> dict[str, Any]:
    """Percent of a core without traffic."""
    time.sleep(1)
    cpu, start = dut.cpu_ns(), time.monotonic()
    time.sleep(traffic.seconds)
    return {"value": (dut.cpu_ns() - cpu) / 1e7 / (time.monotonic() - start)}


def memory(at: Rig, dut: Dut, sink: Sink, traffic: Traffic) -> dict[str, Any]:
    """MB of PSS, segment included, after traffic."""
    finish(at.send(traffic))
    return {"value": dut.pss_mb(), "processes": len(dut.tree())}


FIGURES = {
    "rate": rate, "oneway": latency, "roundtrip": latency, "idle": idle, "memory": memory, "first": first,
}  # fmt: skip
