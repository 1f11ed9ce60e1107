"""What a scrape asks of keepers."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

from coven.rest.metrics import AT_ONCE, statuses
from itf.mistakes import Mistake, Refused


def test_keepers_are_asked_at_once_and_a_silent_one_hides_no_other() -> None:
    names = [f"vnf{number}" for number in range(AT_ONCE)]
    states = {**dict.fromkeys(names, "INSTANTIATED"), "other": "NOT_INSTANTIATED"}
    together = threading.Barrier(AT_ONCE, timeout=20)

    def ask(name: str, op: str) -> dict[str, Any]:
        together.wait()  # each waits for all others: one after another, none would answer
        if name == "vnf1":
            raise Refused(Mistake(found="no answer"))
        return {"name": name, "op": op}

    vnfs = [{"name": name, "instantiation_state": state} for name, state in states.items()]
    found = statuses(SimpleNamespace(store=SimpleNamespace(vnfs=lambda: vnfs), ask=ask))  # type: ignore[arg-type]
    assert list(found.items()) == [(name, None if name == "vnf1" else {"name": name, "op": "status"}) for name in names]
    vnfs.clear()
    assert statuses(SimpleNamespace(store=SimpleNamespace(vnfs=lambda: vnfs), ask=ask)) == {}  # type: ignore[arg-type]
