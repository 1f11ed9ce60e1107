"""What somebody decides of an operation: to try it again, roll it back, leave it failed, or cancel it. A termination
cuts others short.
"""

from __future__ import annotations

import contextlib
import threading
import time

from coven.agent.keepers.line import QUICK_SECONDS
from coven.agent.operations import GivenUp, Operations
from coven.agent.states import DECISIONS, CancelMode, Decision, State
from coven.agent.store import Row, conflict, missing, resting
from coven.keeper.client import Keeper, Unreachable
from itf.mistakes import Refused, suggest

CUT_SECONDS = 20.0  #: a termination waits so long for the end of what it gives up
AGAIN_SECONDS = 0.5

#: operations that have something built or started, however long that takes
RISING = ("INSTANTIATE", "HEAL", "UPGRADE", "CHANGE_EXT_CONN")


class Decisions(Operations):
    def occurrence(self, identity: str) -> Row:
        """An operation, by its id. Raises Refused with 404."""
        row = self.store.operation(identity)
        if row is None:
            raise missing(f"operation {identity}", suggest(identity, [each["id"] for each in self.store.operations()]))
        return row

    def decide(self, identity: str, decision: Decision) -> Row:
        """Retry, roll back or fail an operation that rests. Raises Refused: 404, or 409 for one that does not rest."""
        with self.store.transaction():
            row = self.occurrence(identity)
            further = self._further(row, decision)
            if not resting(row):
                raise conflict(f"{row['operation']} {identity} rolls back by itself", "wait until it is over")
            anew: Row = {}
            if decision == Decision.RETRY:
                self._claim(row)
                anew = {"errors": []}
            self.store.set_operation(identity, state=further, **anew)
        if decision == Decision.FAIL:
            self._check_alive(row["vnf"])
        else:
            self._run(row, self._carry_out if decision == Decision.RETRY else self._back)
        return self.occurrence(identity)

    def cancel(self, identity: str, mode: CancelMode) -> Row:
        """Give an operation up as soon as that can be: building and starting at once, what is done in a moment is done.
        Raises Refused: 404, or 409 for one that is over, or rests."""
        with self._cutting:
            row = self.occurrence(identity)
            self._further(row, Decision.CANCEL)
            if row["state"] != State.ROLLING_BACK:
                self._given_up.setdefault(identity, GivenUp.CANCEL)
            self.cancelling[identity] = mode
        if row["operation"] in RISING and row["state"] != State.ROLLING_BACK:
            threading.Thread(target=self._cut, args=(row,), name=f"cancel {identity}", daemon=True).start()
        return row

    @staticmethod
    def _further(row: Row, decision: Decision) -> State:
        """The state that a decision leads to. Raises Refused with 409."""
        further = DECISIONS[decision].get(State(row["state"]))
        if further is None:
            wanted = " or ".join(DECISIONS[decision])
            raise conflict(f"{row['operation']} {row['id']} is {row['state']}", f"{decision} is for what is {wanted}")
        return further

    def _claim(self, operation: Row) -> None:
        """Write down what the operation is about to have: nobody else gets these interfaces while they are opened."""
        ports, name = operation["request"].get("ports"), operation["vnf"]
        if operation["operation"] == "INSTANTIATE":
            self.store.set_vnf(name, ports=ports, errors=[])
        elif operation["operation"] == "UPGRADE":
            self.store.set_vnf(name, ports={**self.vnf(name)["ports"], **ports})

    def _back(self, operation: Row) -> None:
        """ROLLING_BACK -> ROLLED_BACK, or to rest again."""
        errors = list(operation["errors"])
        told = len(errors)
        if not self._undone(operation, errors):
            state, errors = State.COMPLETED, []
        else:
            state = State.ROLLED_BACK if len(errors) == told else State.FAILED_TEMP
        self._insist(lambda: self._over(operation, state, errors))
        if operation["operation"] == "HEAL" and state == State.ROLLED_BACK and not self._closing.is_set():
            self._check_alive(operation["vnf"])

    def _cut(self, row: Row) -> None:
        """Until it is over, or undone."""
        name, end = row["vnf"], time.monotonic() + CUT_SECONDS
        while time.monotonic() < end:
            with self._cutting:  # whoever undoes it may start a keeper, too
                if row["id"] not in self._given_up:
                    return
                self.keepers.cut_short(self.directory(name))
            if row["operation"] == "UPGRADE":
                with contextlib.suppress(Unreachable, Refused):
                    Keeper(self.directory(name)).call("abandon", QUICK_SECONDS)
            self.store.await_end(row["id"], AGAIN_SECONDS)

    def _cut_short(self, name: str) -> bool:
        """Give up what brings this VNF up, or to another version or connection, however long it builds; whether it was
        never up."""
        rising = [row for row in self.store.unfinished(name) if row["operation"] in RISING and not resting(row)]
        for row in rising:
            with self._cutting:
                self._given_up[row["id"]] = GivenUp.TERMINATION
            self._cut(row)
            self.store.await_end(row["id"], CUT_SECONDS)
        return any(row["operation"] in ("INSTANTIATE", "HEAL") for row in rising)
