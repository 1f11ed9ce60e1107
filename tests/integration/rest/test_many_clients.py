"""64 clients read, start and stop beside traffic: no operation is lost or done twice, one at a time of each VNF."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from coven.agent.states import UNFINISHED
from tests.rigs.keeper import wait_for
from tests.rigs.many_clients import CHANGED, load, served

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes a network namespace: needs root")

SECONDS, SECONDS_LONG = 4.0, 60.0
READS, CHANGES = 100, 5  #: at least
LISTED = 900  #: of the operations that an agent remembers; the oldest are forgotten


def test_nothing_is_lost_or_doubled(tmp_path: Path, long_run: bool) -> None:
    with served(tmp_path / "state") as appliance:
        seen = load(appliance, SECONDS_LONG if long_run else SECONDS, READS, CHANGES)

        def operations() -> list[dict[str, Any]]:
            rows: list[dict[str, Any]] = appliance.get("/v1/operations")["operations"]
            return rows if all(row["state"] not in UNFINISHED for row in rows) else []

        rows = wait_for(operations)
        assert not seen.faults
        # refused: it is so already, or one is going on (409); too many ask that keeper at once (503)
        assert set(seen.changes) <= {202, 409, 503} and set(seen.reads) <= {200, 503}
        assert seen.changes[202] >= CHANGES and seen.reads[200] >= READS
        for name in CHANGED:
            done = [row for row in reversed(rows) if row["vnf"] == name and row["operation"] == "OPERATE"]
            assert {row["state"] for row in done} == {"COMPLETED"}
            # each that was begun was carried out, and no other
            if len(rows) < LISTED:
                assert sorted(row["id"] for row in done) == sorted(seen.begun[name])
                assert done[0]["target"] == "STOPPED"  # `coven deploy` starts
            else:
                assert {row["id"] for row in done} <= set(seen.begun[name])
            # none does what is so already, and none begins before the one before is over
            assert all(a["target"] != b["target"] for a, b in pairwise(done))
            assert all(a["changed"] <= b["started"] for a, b in pairwise(done))
            assert appliance.get(f"/v1/vnfs/{name}")["operational_state"] == done[-1]["target"]
            assert appliance.get(f"/v1/vnfs/{name}/stats")["state"] == done[-1]["target"]
        stats = appliance.get("/v1/vnfs/fw/stats")
        assert stats["unaccounted"] == 0 and stats["forwarded"] > 0 and stats["state"] == "STARTED"
