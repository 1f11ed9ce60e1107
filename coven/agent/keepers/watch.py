"""The agent's eye on the keepers, every few seconds.

One that hangs is ended, and so brought back. One that is gone without anybody having brought it back (the disk was
full) is brought back now. Where a keeper and the agent's memory disagree about a VNF's state, the keeper is right.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

from coven.agent.keepers.line import QUICK_SECONDS, Lines
from coven.agent.rounds import Rounds
from coven.keeper.client import Keeper, Unreachable
from itf.mistakes import Refused

log = logging.getLogger("coven.agent")

LOOK_SECONDS = 5.0  #: between two rounds
HUNG_SECONDS = 30.0  #: of silence, as far as we looked, after which a keeper is ended


class KeeperWatch:
    """`vnfs` names the VNFs that should have a keeper and have no operation going on, each with how it stood then. For
    one of them `missing(name)` is called when it has none, `answered(name, state, how it stood)` when it has.
    `working` names those whose keeper is about something that takes long, and answers meanwhile all the same."""

    def __init__(
        self, vnfs: Callable[[], dict[str, object]], keeper: Callable[[str], Keeper], lines: Lines,
        missing: Callable[[str], object], answered: Callable[[str, str, object], None],
        working: Callable[[], Iterable[str]] = lambda: (),
    ):  # fmt: skip
        self.vnfs = vnfs
        self.keeper = keeper
        self.lines = lines
        self.missing = missing
        self.answered = answered
        self.working = working
        self._silent: dict[str, tuple[int, float]] = {}  #: pid, seconds
        self._looked = time.monotonic()
        self._rounds = Rounds("looking after the keepers", LOOK_SECONDS, self.look)

    def start(self) -> None:
        self._rounds.start()

    def close(self) -> None:
        self._rounds.close()

    def look(self) -> None:
        """One round."""
        now = time.monotonic()
        # where this process or the machine stood still, no keeper is to blame
        passed, self._looked = min(now - self._looked, LOOK_SECONDS + QUICK_SECONDS), now
        names, working = self.vnfs(), set(self.working())
        self._silent = {name: seen for name, seen in self._silent.items() if name in names or name in working}
        for name, stood in names.items():
            try:
                self._look_at(name, stood, passed)
            except (Refused, OSError) as error:
                log.warning("%s: %s", name, error)
        for name in working - set(names):
            self._ask(name, passed, lambda name: None)

    def _ask(self, name: str, passed: float, missing: Callable[[str], object]) -> dict[str, Any] | None:
        """What the keeper answers; None for one that is missing, or silent: ended when it has been for too long."""
        keeper = self.keeper(name)
        try:
            answer = keeper.call("ping", QUICK_SECONDS)
        except Unreachable as error:
            pid = keeper.pid()
            if pid is None:
                missing(name)
            elif error.late:
                self._hangs(name, keeper, pid, passed)
            return None
        self._silent.pop(name, None)
        self.lines.heard(name)
        return answer

    def _look_at(self, name: str, stood: object, passed: float) -> None:
        answer = self._ask(name, passed, self.missing)
        if answer is not None:
            self.answered(name, str(answer.get("state")), stood)

    def _hangs(self, name: str, keeper: Keeper, pid: int, passed: float) -> None:
        self.lines.unheard(name, QUICK_SECONDS)
        before, seconds = self._silent.get(name, (pid, 0.0))
        seconds = seconds + passed if before == pid else passed
        self._silent[name] = pid, seconds
        if seconds >= HUNG_SECONDS:
            log.error("the keeper of %s, process %d, has not answered for %.0f s: it is ended", name, pid, seconds)
            self._silent.pop(name)
            keeper.end(ask=False)  # whoever watches its process brings it back
