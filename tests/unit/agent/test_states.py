"""The states of an operation: where it may go, and that the store holds to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from coven.agent.states import DECISIONS, TRANSITIONS, UNFINISHED, State, reachable
from coven.agent.store import Store
from itf.mistakes import Kind, Refused

OVER = {State.COMPLETED, State.FAILED, State.ROLLED_BACK}


def test_the_table() -> None:
    assert TRANSITIONS.keys() == set(State) and set(UNFINISHED) == set(State) - OVER
    assert all(reachable(state) == {state} for state in OVER), "what is over stays so"
    assert reachable(State.STARTING) == set(State)
    assert all(State.STARTING not in reachable(state) for state in State if state != State.STARTING)
    for further in DECISIONS.values():
        assert all(to in TRANSITIONS[before] for before, to in further.items())


def test_the_store_holds_to_it(tmp_path: Path) -> None:
    store = Store(tmp_path / "agent.db")
    vnf = {"name": "fw", "instance": "i"}
    for end in OVER:
        operation = store.begin(vnf, "HEAL", None, {})
        with pytest.raises(Refused) as refused:
            store.begin(vnf, "HEAL", None, {})
        assert refused.value.kind == Kind.CONFLICT and "wait" in str(refused.value.mistakes[0].remedy)
        store.set_operation(operation["id"], progress="some", state=State.STARTING)
        store.set_operation(operation["id"], state=end)
        for other in State:
            if other != end:
                with pytest.raises(Refused):
                    store.set_operation(operation["id"], state=other)
        found = store.operation(operation["id"])
        assert found is not None and found["state"] == end and found["entered"] >= found["started"]
    store.close()
