"""Explaining the packets of a VNF in the foreground: lines as packets end, and what to make of them."""

from __future__ import annotations

from collections.abc import Callable

from coven.keeper.life.vnf import Vnf
from coven.keeper.watching.tracing import TraceReader

ROOM = 1 << 23  #: bytes


class Explanation(TraceReader):
    """What becomes of each packet from the next start of `vnf` on."""

    def __init__(
        self, vnf: Vnf, say: Callable[[str], None], width: int | None = None,
        ended: Callable[[int, str], None] = lambda number, end: None,
    ):  # fmt: skip
        super().__init__(vnf, ROOM, say=say, width=width, ended=ended)

    def finish(self) -> None:
        """Nothing moves any more: the rest."""
        self.read()
        for line in self.explainer.finish():
            self.say(line)
        if self.lost:
            self.say(f"faster than it can be told: {self.lost} steps are missing above")
        for hint in self.explainer.hints():
            self.say(f"hint: {hint}")
