"""The agent's memory, when another version wrote it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from coven.agent.store import VERSION, Store, foreign
from itf.mistakes import Refused

#: Each version's schema as that version wrote it. What a version has written once never changes: only add to this.
VERSION_1 = """
CREATE TABLE packages (
    id TEXT PRIMARY KEY,              -- NAME:VERSION
    name TEXT NOT NULL, version TEXT NOT NULL, provider TEXT NOT NULL, description TEXT NOT NULL,
    vnfd_id TEXT NOT NULL, sha256 TEXT NOT NULL, size INTEGER NOT NULL, folder TEXT NOT NULL,
    created TEXT NOT NULL);
CREATE TABLE vnfs (
    name TEXT PRIMARY KEY, instance TEXT NOT NULL UNIQUE,
    package TEXT NOT NULL REFERENCES packages(id) ON DELETE RESTRICT,
    instantiation_state TEXT NOT NULL DEFAULT 'NOT_INSTANTIATED',
    operational_state TEXT,           -- STARTED or STOPPED while instantiated
    ports JSON NOT NULL DEFAULT '{}', -- what is bound, claimed before anything is opened
    config JSON NOT NULL DEFAULT '{}',
    errors JSON NOT NULL DEFAULT '[]',
    created TEXT NOT NULL);
CREATE TABLE operations (
    id TEXT PRIMARY KEY, vnf TEXT NOT NULL, instance TEXT NOT NULL,
    operation TEXT NOT NULL, target TEXT, state TEXT NOT NULL,
    request JSON NOT NULL, progress TEXT NOT NULL DEFAULT '', errors JSON NOT NULL DEFAULT '[]',
    started TEXT NOT NULL, changed TEXT NOT NULL);
CREATE UNIQUE INDEX one_operation_a_vnf ON operations(vnf)
    WHERE state IN ('STARTING', 'PROCESSING', 'FAILED_TEMP', 'ROLLING_BACK');
"""
_CONFIG = "    config JSON NOT NULL DEFAULT '{}',\n"
_PATHS = "    paths JSON NOT NULL DEFAULT 'null', -- null: the descriptor's\n"
_LATENCY = "    latency TEXT NOT NULL DEFAULT 'normal',\n"
VERSION_2 = VERSION_1.replace(_CONFIG, _CONFIG + _PATHS)
VERSION_3 = VERSION_2.replace(_PATHS, _PATHS + _LATENCY)
_CREATED = "    created TEXT NOT NULL);\nCREATE TABLE vnfs"
_CSAR = "    created TEXT NOT NULL,\n    csar JSON NOT NULL DEFAULT 'null');\nCREATE TABLE vnfs"
VERSION_4 = VERSION_3.replace(_CREATED, _CSAR)
VERSION_5 = (
    VERSION_4
    + """
CREATE TABLE tokens (
    name TEXT PRIMARY KEY, digest TEXT, scopes JSON NOT NULL, created TEXT NOT NULL, expires TEXT);
CREATE TABLE subscriptions (
    id TEXT PRIMARY KEY, interface TEXT NOT NULL, callback TEXT NOT NULL,
    filter JSON NOT NULL, authentication JSON NOT NULL,
    root TEXT NOT NULL, created TEXT NOT NULL, lost INTEGER NOT NULL);
CREATE TABLE outbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    subscription TEXT NOT NULL REFERENCES subscriptions(id) ON DELETE CASCADE,
    notification JSON NOT NULL);
CREATE INDEX outbox_by_subscription ON outbox(subscription, number);
CREATE TABLE coordinations (
    id TEXT PRIMARY KEY, vnf TEXT NOT NULL, request JSON NOT NULL, args JSON NOT NULL,
    state TEXT NOT NULL, value JSON NOT NULL, due REAL NOT NULL, begun REAL NOT NULL);
CREATE TABLE indicators (
    vnf TEXT NOT NULL, id TEXT NOT NULL, value JSON NOT NULL, PRIMARY KEY (vnf, id));
"""
)
VERSION_6 = (
    VERSION_5
    + """
ALTER TABLE vnfs ADD COLUMN title TEXT;
ALTER TABLE vnfs ADD COLUMN about JSON NOT NULL DEFAULT '{}';
ALTER TABLE vnfs ADD COLUMN links JSON NOT NULL DEFAULT '[]';
ALTER TABLE operations ADD COLUMN entered TEXT NOT NULL DEFAULT '';
ALTER TABLE operations ADD COLUMN rests INTEGER NOT NULL DEFAULT 0;
ALTER TABLE operations ADD COLUMN automatic INTEGER NOT NULL DEFAULT 0;
ALTER TABLE operations ADD COLUMN params JSON NOT NULL DEFAULT 'null';
CREATE TABLE alarms (
    id TEXT PRIMARY KEY, instance TEXT NOT NULL, vnf TEXT NOT NULL, fault TEXT NOT NULL, place TEXT NOT NULL,
    severity TEXT NOT NULL, details JSON NOT NULL, began TEXT NOT NULL, raised TEXT NOT NULL, changed TEXT,
    cleared TEXT, acknowledged TEXT);
ALTER TABLE subscriptions ADD COLUMN verbosity TEXT;
CREATE UNIQUE INDEX one_alarm_a_fault ON alarms(instance, fault, place) WHERE cleared IS NULL;
"""
)
WRITTEN = {1: VERSION_1, 2: VERSION_2, 3: VERSION_3, 4: VERSION_4, 5: VERSION_5, 6: VERSION_6}

#: An agent's memory with a VNF that runs, one that could not, and an operation that its death interrupted.
_ROWS = """
INSERT INTO packages (id, name, version, provider, description, vnfd_id, sha256, size, folder, created)
    VALUES ('p:1', 'p', '1', 'tests', 'a package', 'id', 'ab', 7, '/packages/p', 'then');
INSERT INTO vnfs (name, instance, package, instantiation_state, operational_state, ports, config, created) VALUES
    ('fw', 'i-1', 'p:1', 'INSTANTIATED', 'STARTED', '{"in": {"interface": "eth1"}}', '{"a": {"k": [1]}}', 'then');
INSERT INTO vnfs (name, instance, package, errors, created) VALUES
    ('other', 'i-2', 'p:1', '[{"found": "no memory"}]', 'later');
INSERT INTO operations (id, vnf, instance, operation, target, state, request, started, changed) VALUES
    ('o-1', 'fw', 'i-1', 'OPERATE', 'STOPPED', 'PROCESSING', '{}', 'then', 'then');
"""

Columns = dict[str, set[tuple[str, str, int, str | None]]]


def written(file: Path, schema: str, version: int) -> Path:
    db = sqlite3.connect(file)
    db.executescript(f"PRAGMA journal_mode=WAL; {schema} {_ROWS} PRAGMA user_version={version};")
    db.close()
    return file


def columns(file: Path) -> Columns:
    """(name, type, whether it must be there, default) of every table, and the indices."""
    db = sqlite3.connect(file)
    tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    found = {name: {tuple(row[1:5]) for row in db.execute(f"PRAGMA table_info({name})")} for name in tables}
    indices = db.execute("SELECT sql FROM sqlite_master WHERE type = 'index'")
    found["indices"] = {("", sql, 0, None) for (sql,) in indices}
    db.close()
    return found


def test_every_older_version_is_known_here() -> None:
    assert set(range(1, VERSION)) <= set(WRITTEN)
    assert VERSION_1 != VERSION_2 != VERSION_3 != VERSION_4 != VERSION_5 != VERSION_6


@pytest.mark.parametrize("version", range(1, VERSION))
def test_an_older_version_is_brought_up(tmp_path: Path, version: int) -> None:
    file = written(tmp_path / "agent.db", WRITTEN[version], version)
    for _ in range(2):
        store = Store(file)
        vnf, other = store.vnf("fw"), store.vnf("other")
        assert vnf is not None and other is not None
        assert (vnf["instantiation_state"], vnf["operational_state"]) == ("INSTANTIATED", "STARTED")
        assert (vnf["ports"], vnf["config"]) == ({"in": {"interface": "eth1"}}, {"a": {"k": [1]}})
        assert (vnf["paths"], vnf["latency"]) == (None, "normal")
        assert (other["instantiation_state"], other["errors"]) == ("NOT_INSTANTIATED", [{"found": "no memory"}])
        package = store.package("p:1")
        assert package is not None and (package["size"], package["folder"]) == (7, "/packages/p")
        assert [(each["id"], each["target"]) for each in store.unfinished("fw")] == [("o-1", "STOPPED")]
        store.close()
    kept = sqlite3.connect(tmp_path / f"agent.db.{version}")
    assert kept.execute("PRAGMA user_version").fetchone() == (version,)
    assert kept.execute("SELECT name FROM vnfs ORDER BY name").fetchall() == [("fw",), ("other",)]
    kept.close()
    assert (tmp_path / f"agent.db.{version}").stat().st_mode & 0o777 == 0o600
    Store(tmp_path / "fresh.db").close()
    assert columns(file) == columns(tmp_path / "fresh.db"), "as if this version had made it"
    store = Store(file)
    store.set_vnf("fw", paths=[{"spi": 1, "chain": "main"}])
    assert (row := store.vnf("fw")) and row["paths"] == [{"spi": 1, "chain": "main"}]
    store.close()


def test_a_version_that_will_not_be_refused_is_not_called_foreign(tmp_path: Path) -> None:
    assert foreign(tmp_path / "none.db") is None and not (tmp_path / "none.db").exists()
    Store(tmp_path / "agent.db").close()
    assert foreign(tmp_path / "agent.db") is None
    (tmp_path / "torn.db").write_bytes(b"no database" * 100)
    assert foreign(tmp_path / "torn.db") is None


def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    Store(tmp_path / "agent.db").close()
    db = sqlite3.connect(tmp_path / "agent.db")
    db.execute(f"PRAGMA user_version={VERSION + 1}")
    db.close()
    with pytest.raises(Refused, match=f"version {VERSION + 1}") as refused:
        Store(tmp_path / "agent.db")
    assert [foreign(tmp_path / "agent.db")] == refused.value.mistakes
