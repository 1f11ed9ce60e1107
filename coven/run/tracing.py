"""Explaining the packets of a running VNF: the trace object, its doorbell, and lines as packets end."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress

from agents.explain import Explainer
from coven.keeper.life.vnf import Vnf
from coven.keeper.loop import Loop
from itf.segment import REASONS, C, Trace

SLOTS = 1 << 15  #: records, 4 MB
PLATFORM = {C.PLACE_CLASSIFIER: "classifier", C.PLACE_NSH: "nsh", C.PLACE_FLOW: "flow"}


class Explanation:
    """What becomes of each packet from the next start of `vnf` on. `say` gets a line when a packet has ended, and all
    before it; `width` columns of it at most, if it is given. `ended`: as Explainer's."""

    def __init__(
        self, vnf: Vnf, loop: Loop, say: Callable[[str], None], width: int | None = None,
        ended: Callable[[int, str], None] = lambda number, end: None,
    ):  # fmt: skip
        self.vnf = vnf
        self.loop = loop
        self.say = say
        self.lost = 0  #: records that were written over before they were read
        self._trace = Trace.make(SLOTS, C.CLOCK_CAPTURE if vnf.capture else C.CLOCK_LIVE)
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._position = 0
        outputs = {name: vnfc.outputs for name, vnfc in vnf.descriptor.vnfcs.items()}
        self._explainer = Explainer(
            list(vnf.descriptor.ports), outputs, self._reason, PLATFORM, width=width, patient=vnf.capture,
            ended=ended,
        )  # fmt: skip
        loop.read(self._bell, self._rung)
        vnf.forwarder.trace_to(self._trace, self._bell)

    @property
    def packets(self) -> int:
        """How many there were, those that VNFCs made among them."""
        return int(self._trace.head.packets)

    def _rung(self) -> None:
        with suppress(BlockingIOError):
            os.eventfd_read(self._bell)
        self._read()

    def _read(self) -> None:
        records, self._position, lost = self._trace.read(self._position)
        self.lost += lost
        for line in self._explainer.feed(records):
            self.say(line)

    def finish(self) -> None:
        """Nothing moves any more: the rest."""
        self._read()
        for line in self._explainer.finish():
            self.say(line)
        if self.lost:
            self.say(f"faster than it can be told: {self.lost} steps are missing above")
        for hint in self._explainer.hints():
            self.say(f"hint: {hint}")

    def close(self) -> None:
        """Once the VNF has ended."""
        self.loop.forget(self._bell)
        os.close(self._bell)
        self._trace.close()

    def _reason(self, place: int, number: int) -> tuple[str, str]:
        """A drop name and its explanation."""
        declared: dict[int, tuple[str, str]] = {}
        if place < C.PLACE_HOP:
            where = list(self.vnf.descriptor.ports)[place % C.SEG_PORTS]
        elif place < C.PLACE_CLASSIFIER:
            where = list(self.vnf.descriptor.vnfcs)[place - C.PLACE_HOP]
            declared = self.vnf.hosts[where].reasons
        else:
            where = PLATFORM.get(place, "?")
        if number in REASONS:
            return f"{where}.{REASONS[number].name}", REASONS[number].why
        name, why = declared.get(number, (f"reason_{number}", ""))
        return f"{where}.{name}", why
