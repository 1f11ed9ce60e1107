"""The agent reads statistics objects by the keepers' folders, without keepers."""

from __future__ import annotations

import os
from pathlib import Path

from coven.agent.figures import Readers
from coven.keeper.client import STATISTICS
from itf.statistics import Statistics
from tests.rigs.statistics import filled


def link(run: Path, name: str, made: Statistics) -> None:
    (run / name).mkdir(exist_ok=True)
    (run / name / STATISTICS).unlink(missing_ok=True)
    (run / name / STATISTICS).symlink_to(f"/proc/{os.getpid()}/fd/{made.fd}")


def test_each_is_found_and_one_that_is_not_there_hides_no_other(tmp_path: Path) -> None:
    one, two = filled(), filled()
    link(tmp_path, "one", one)
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / STATISTICS).write_bytes(b"no object")
    readers = Readers(tmp_path)
    with readers.of(["one", "none", "missing"]) as found:
        first = found["one"]
        assert first is not None and first.vnf == "fw"
        assert found["none"] is found["missing"] is None
    with readers.of(["one"]) as found:
        assert found["one"] is first, "it stays open"
    link(tmp_path, "one", two)  # another keeper came after
    with readers.of(["one"]) as found:
        assert found["one"] is not first and found["one"] is not None
    with readers.of([], forget=True) as found:
        assert found == {}
    with readers.of(["one"]) as found:
        (tmp_path / "one" / STATISTICS).unlink()
        assert found["one"] is not None
    with readers.of(["one"]) as found:
        assert found["one"] is None, "it went away with its VNF"
    readers.close()
    for each in one, two:
        each.close()
