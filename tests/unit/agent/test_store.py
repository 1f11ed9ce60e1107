"""The agent's memory, when another version wrote it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from coven.agent.store import VERSION, Store
from itf.mistakes import Refused


def written_by(file: Path, version: int, *changes: str) -> None:
    store = Store(file)
    with store.transaction() as db:
        columns = "id, name, version, provider, description, vnfd_id, sha256, size, folder, created"
        db.execute(f"INSERT INTO packages ({columns}) VALUES ('p:1', 'p', '1', '', '', '', '', 0, '', '')")
    store.add_vnf("fw", "p:1")
    store.close()
    with sqlite3.connect(file) as db:
        for change in changes:
            db.execute(change)
        db.execute(f"PRAGMA user_version={version}")
    db.close()


def test_an_older_version_is_brought_up(tmp_path: Path) -> None:
    file = tmp_path / "agent.db"
    written_by(file, 1, "ALTER TABLE vnfs DROP COLUMN paths", "ALTER TABLE vnfs DROP COLUMN latency",
               "ALTER TABLE packages DROP COLUMN csar")
    for _ in range(2):
        store = Store(file)
        row = store.vnf("fw")
        assert row is not None and row["paths"] is None and row["latency"] == "normal"
        assert (package := store.package("p:1")) and package["csar"] is None
        store.close()
    store = Store(file)
    store.set_vnf("fw", paths=[{"spi": 1, "chain": "main"}])
    assert (row := store.vnf("fw")) and row["paths"] == [{"spi": 1, "chain": "main"}]
    store.close()


def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "agent.db"
    written_by(file, VERSION + 1)
    with pytest.raises(Refused, match=f"version {VERSION + 1}"):
        Store(file)
