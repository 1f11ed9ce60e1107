"""An upgrade that is given up before it began, whatever it waits for, answers once."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from coven.keeper.life import hosting
from coven.keeper.life.turns import Turns
from coven.keeper.life.upgrade import Checked, Step, Upgrade
from coven.keeper.plan import Plan
from coven.package.descriptor import load
from coven.package.scaffold import new
from itf.mistakes import Mistake

ENDS = Mistake(found="the VNF ends")


class Waiting:
    """A loop whose timers and threads never get their turn."""

    def later(self, seconds: float, call: Any) -> Any:
        return SimpleNamespace(cancel=lambda: None)

    def work(self, call: Any, done: Any) -> None: ...


@pytest.mark.parametrize("refused", [True, False], ids=["the VNF ends", "it alone"])
def test_given_up_while_it_waits_for_its_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: bool) -> None:
    monkeypatch.setattr(hosting, "confine", lambda: None)
    new(tmp_path / "p", "python")
    plan = Plan(name="v", instance="i", package=tmp_path / "p", descriptor="vnf.yaml", build=tmp_path / "b", ports={})
    loop: Any = Waiting()
    turns, began, said = Turns(loop), [], []  # type: ignore[var-annotated]
    hosts = SimpleNamespace(changing=True)
    vnf: Any = SimpleNamespace(plan=plan, descriptor=load(plan.package / "vnf.yaml"), upgrading=None, capture=False,
                               loop=loop, turns=turns, hosts=hosts)  # fmt: skip
    turns.ask("start", began.append, lambda done: None, lambda mistakes: None)
    upgrade = Upgrade(vnf, plan, said.append)
    upgrade.begin()
    upgrade.descriptor = vnf.descriptor
    upgrade._checked(Checked({}, set(), {}), None)
    assert said == []
    if refused:
        turns.refuse_waiting(ENDS)
    upgrade.abandon()
    assert upgrade.step == Step.OVER and vnf.upgrading is None
    began[0]([])
    assert said == [[ENDS]]
