"""Which cores the processes of a VNF run on. Never one outside the mask that the keeper was started with.

A wake-up costs a few microseconds on one core and some tens across two, so the forwarder and the light
hosts (C) share one core: the highest-numbered allowed one, since the lowest usually takes the interrupts.
A heavy host (Python) may use the whole mask, unless low latency is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


class Placement:
    """Taken once, when the keeper starts."""

    def __init__(self, latency: str):
        self.mask = os.sched_getaffinity(0)
        self.forwarder = {max(self.mask)}
        self.latency = latency

    def host(self, light: bool) -> set[int]:
        return self.forwarder if light or self.latency == "low" else self.mask

    @contextmanager
    def on(self, cores: set[int]) -> Iterator[None]:
        """Whatever is started in here runs on these cores from its first instruction on."""
        os.sched_setaffinity(0, cores)
        try:
            yield
        finally:
            os.sched_setaffinity(0, self.mask)
