"""How well one port is: by its link, its troubles, and what it loses for lack of room."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.bottleneck import NO_ROOM_IN, NO_ROOM_OUT
from coven.keeper.health.state import Health, Judgement, Standing
from coven.keeper.health.vnfc import MOVING_SECONDS, OVERLOADED_SECONDS
from coven.keeper.ports.facts import PortFacts
from itf.segment import REASONS

CALM_SECONDS = 1.0  #: without another loss for lack of room
_ROOM = {number: reason.name for number, reason in REASONS.items()
         if reason.name in (*NO_ROOM_IN, NO_ROOM_OUT)}  # fmt: skip


@dataclass
class PortHealth:
    standing: Standing = field(default_factory=Standing)
    _moved: tuple[int, ...] = ()
    _moved_at: float = -MOVING_SECONDS
    _lost: dict[str, int] = field(default_factory=dict)
    _losing: tuple[float, float] | None = None  #: since when it loses packets, and when it did last

    def look(self, facts: PortFacts, cells: Sequence[Any]) -> None:
        """`cells`: the figures of what arrives and of what leaves."""
        now = time.monotonic()
        lost = {name: sum(int(cell.dropped[number]) for cell in cells) for number, name in _ROOM.items()}
        grown = [name for name, count in lost.items() if count > self._lost.get(name, count)]
        self._lost = lost
        if grown:
            self._losing = (now if self._losing is None else self._losing[0], now)
        elif self._losing is not None and now - self._losing[1] >= CALM_SECONDS:
            self._losing = None
        moved = tuple(int(figure) for cell in cells for figure in (cell.received, cell.forwarded))
        if moved != self._moved:
            if self._moved:
                self._moved_at = now
            self._moved = moved
        self.standing.become(self._judged(facts, now, grown))

    def _judged(self, facts: PortFacts, now: float, grown: list[str]) -> Judgement:
        words = [words for words, _ in facts.trouble]
        if facts.link in ("down", "gone"):
            since = 0.0 if facts.since is None else max(0.0, time.time() - facts.since)
            return Judgement(Health.DOWN, words[0] if words else f"its link is {facts.link}", since)
        if self._losing is not None and self._losing[1] - self._losing[0] >= OVERLOADED_SECONDS:
            names = ", ".join(grown) if grown else "for lack of room"
            seconds = now - self._losing[0]
            return Judgement(Health.OVERLOADED, f"it has lost packets for {seconds:.0f} s: {names}", seconds)
        if words:
            return Judgement(Health.DEGRADED, "; ".join(words))
        return Judgement(Health.PROGRESSING if now - self._moved_at < MOVING_SECONDS else Health.READY)
