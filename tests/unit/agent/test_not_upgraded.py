"""What the agent makes of an upgrade that it cannot call back."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from coven.agent import operations


class Between:
    """A keeper that has committed, and whose forwarder does not take it up."""

    ended: list[bool] = []

    def __init__(self, directory: Path): ...

    def call(self, op: str, timeout: float, **arguments: Any) -> dict[str, Any]:
        return {"upgrading": True, "package": "/old"} if op == "ping" else {}

    def pid(self) -> int:
        return 1

    def end(self, ask: bool) -> None:
        self.ended.append(ask)


def test_a_keeper_between_two_versions_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "Keeper", Between)
    monkeypatch.setattr(operations, "COMMIT_SECONDS", 0.0)
    row = {"instantiation_state": "NOT_INSTANTIATED", "package": "p:1"}
    agent: Any = SimpleNamespace(directory=Path, vnf=lambda name: row, store=SimpleNamespace(
        package=lambda identity: {"folder": "/new"}))  # fmt: skip
    operation = {"vnf": "v", "request": {"package": "p:2"}}
    assert operations.Operations._not_upgraded(agent, operation)
    assert Between.ended == [False]
