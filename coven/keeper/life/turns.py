"""Starts, stops and upgrades of one VNF: one at a time, in the order in which they were asked for, each with an end."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from coven.keeper.loop import Loop
from itf.mistakes import Mistake

OPERATE_SECONDS = 10.0  #: longer than a drain and the replacement of a forwarder that hangs take together

Answer = Callable[[list[Mistake]], None]


@dataclass
class _Asked:
    name: str
    begin: Callable[[Answer], None]
    late: Callable[[Answer], None]
    answer: Answer
    seconds: float | None


class Turns:
    """`ask(name, begin, late, answer)`: call `begin(done)` when all before are over, and `late(done)` if `done` was not
    called within `seconds`; `answer` gets the mistakes that the first call of `done` brings."""

    def __init__(self, loop: Loop, seconds: float | None = OPERATE_SECONDS):
        self.loop = loop
        self.seconds = seconds  #: None: however long it takes
        self.now: str | None = None  #: what is going on
        self._waiting: deque[_Asked] = deque()

    def ask(
        self, name: str, begin: Callable[[Answer], None], late: Callable[[Answer], None], answer: Answer,
        seconds: float | None = None,
    ) -> None:  # fmt: skip
        """`seconds`: instead of the usual ones."""
        self._waiting.append(_Asked(name, begin, late, answer, seconds or self.seconds))
        if self.now is None:
            self._next()

    def _next(self) -> None:
        asked = self._waiting.popleft()
        self.now = asked.name
        open_ = True

        def done(mistakes: list[Mistake]) -> None:
            nonlocal open_
            if not open_:
                return
            open_, self.now = False, None
            if timer is not None:
                timer.cancel()
            asked.answer(mistakes)
            if self.now is None and self._waiting:
                self._next()

        timer = None if asked.seconds is None else self.loop.later(asked.seconds, lambda: asked.late(done))
        asked.begin(done)

    def refuse_waiting(self, mistake: Mistake) -> None:
        """What has not begun never will."""
        waiting, self._waiting = self._waiting, deque()
        for asked in waiting:
            asked.answer([mistake])
