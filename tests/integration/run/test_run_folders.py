"""Folders of runs and keepers: nobody removes one in which somebody lives, from its very beginning."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from coven.agent.cleaning import sweep
from coven.base.folder_lock import Held, alone, hold
from coven.keeper.journal import Left
from coven.keeper.recovery import recover
from tests.rigs.keeper import ROOT

PROCESSES, ROUNDS = 8, 60
_BEGIN = f"""
import os
from coven.run.folder import make_folder, remove_folder
lost = 0
for _ in range({ROUNDS}):
    folder = make_folder()
    for _ in range(3):
        os.sched_yield()
        lost += not folder.is_dir()
    remove_folder(folder)
print(lost)
"""


def test_many_that_begin_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COVEN_STATE", str(tmp_path))
    command = [sys.executable, "-c", _BEGIN]
    begun = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)]
    while any(each.poll() is None for each in begun):
        sweep(tmp_path / "run", set(), recover)
    assert [each.communicate()[0].strip() for each in begun] == ["0"] * PROCESSES
    assert [each.returncode for each in begun] == [0] * PROCESSES
    assert not list((tmp_path / "run").iterdir())


def test_what_was_killed_at_its_beginning_is_removed(tmp_path: Path) -> None:
    (tmp_path / "run-1").mkdir()
    held = hold(tmp_path / "run-2")
    (tmp_path / "fw").mkdir()
    assert held >= 0
    assert sweep(tmp_path, set(), lambda folder: Left()) == ["run-1: removed"]
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["fw", "run-2"]


def test_a_folder_is_removed_by_who_holds_it_alone(tmp_path: Path) -> None:
    folder = tmp_path / "x"
    first, second = hold(folder), hold(folder)
    assert first != second
    with pytest.raises(Held), alone(folder):
        pass
    assert folder.is_dir()
