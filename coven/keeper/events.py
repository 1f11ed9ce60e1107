"""What a keeper did by itself, for the agent that asks: `events {after}` is answered as soon as there is one with a
greater number. The agent may be away meanwhile, so events are kept and numbered."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

KEPT = 100  #: events that are remembered
ASKING = 8  #: questions that wait for the next one

Event = dict[str, Any]


class Events:
    """The keeper's side. Events are maps; `keeper` and `number` say which one it is for good."""

    def __init__(self, keeper: str):
        self._keeper = keeper
        self._events: deque[Event] = deque(maxlen=KEPT)
        self._asked: deque[tuple[int, Callable[[dict[str, Any]], None]]] = deque(maxlen=ASKING)
        self._number = 0

    def add(self, **facts: Any) -> None:
        self._number += 1
        self._events.append({"keeper": self._keeper, "number": self._number, "at": time.time(), **facts})
        asked, self._asked = self._asked, deque(maxlen=ASKING)
        for after, reply in asked:
            self.ask(after, reply)

    def ask(self, after: int, reply: Callable[[dict[str, Any]], None]) -> None:
        """Answer with what came after that number, now or when there is something."""
        newer = [event for event in self._events if event["number"] > after]
        if newer:
            reply({"ok": True, "events": newer})
        else:
            self._asked.append((after, reply))
