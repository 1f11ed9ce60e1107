"""The states of health, the worst first, and since when a part is in one.

A state is judged anew at each look from what is seen then, so any may follow any.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from coven.base.seconds import moment


class Health(StrEnum):
    """Of a VNFC, a port, or the whole VNF, the worst first."""

    DOWN = "down"  #: there is no process, or no link
    STUCK = "stuck"  #: packets wait, and none is taken
    OVERLOADED = "overloaded"  #: more than half of its queue is taken, or packets are lost for lack of room, for 1 s
    ALIVE = "alive"  #: its process runs, and is not ready yet
    DEGRADED = "degraded"  #: it works, but restarted in the last minute, or says itself that something is wrong
    READY = "ready"  #: it waits for packets
    PROGRESSING = "progressing"  #: packets pass


WORST = {state: number for number, state in enumerate(Health)}


@dataclass(frozen=True)
class Judgement:
    """`seconds`: for how long it has been so already, where that is known."""

    state: Health
    why: str | None = None
    seconds: float = 0.0


@dataclass
class Standing:
    """What a part was judged to be, and since when (seconds since 1970)."""

    state: Health = Health.ALIVE
    since: float = 0.0
    why: str | None = None

    def become(self, judged: Judgement) -> None:
        if judged.state != self.state or self.since == 0.0:
            self.state, self.since = judged.state, time.time() - judged.seconds
        self.why = judged.why

    def document(self) -> dict[str, Any]:
        return {"state": str(self.state), "since": moment(self.since), "why": self.why}


def worst(parts: Iterable[tuple[str, Standing]]) -> Judgement:
    """A whole is as well as the least well of its parts, for the reasons of all that are so."""
    named = list(parts)
    state = min((each.state for _, each in named), key=WORST.__getitem__, default=Health.READY)
    if state == Health.READY or state == Health.PROGRESSING:
        moving = any(each.state == Health.PROGRESSING for _, each in named)
        return Judgement(Health.PROGRESSING if moving else Health.READY)
    return Judgement(state, "; ".join(f"{name}: {each.why}" for name, each in named if each.state == state))
