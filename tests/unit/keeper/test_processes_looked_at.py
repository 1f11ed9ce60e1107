"""What processes use is looked at when somebody asks how a VNF is, and not again at once."""

from __future__ import annotations

import os
import time
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from coven.keeper.figures import keeping
from coven.keeper.figures.keeping import Figures


def used() -> float:
    times = psutil.Process().cpu_times()
    return float(times.user + times.system)


def test_who_asks_finds_what_processes_have_used_until_now(monkeypatch: pytest.MonkeyPatch) -> None:
    process = SimpleNamespace(pid=os.getpid())
    vnf: Any = SimpleNamespace(forwarder=SimpleNamespace(process=process), hosts={}, logs=None)
    statistics: Any = None
    figures = Figures(vnf, statistics)
    written: list[float] = []
    monkeypatch.setattr(figures, "refresh", lambda: written.append(figures.processes.told("forwarder", "")[0]))
    for _ in range(2):
        before = used()
        until = time.process_time() + 0.05
        while time.process_time() < until:
            pass
        figures.asked()
        assert before + 0.03 <= written[-1] <= used(), "to the tick of 10 ms"
        told = len(written)
        figures.asked()
        assert len(written) == told, "it is new enough"
        monkeypatch.setattr(figures, "_looked", time.monotonic() - keeping.ASKED_SECONDS)
    figures.stop()
    figures.asked()
    assert len(written) == 2, "what stands there stays"
