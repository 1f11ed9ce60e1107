"""Agents: one with keepers that are played, one with real keepers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rigs.agent import Agent
from tests.rigs.appliance import Appliance


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    agent = Agent(tmp_path / "state").start()
    try:
        yield agent
    finally:
        agent.clean()


@pytest.fixture
def appliance(tmp_path: Path) -> Iterator[Appliance]:
    appliance = Appliance(tmp_path / "state")
    try:
        appliance.serve()
        yield appliance
    finally:
        appliance.clean()
