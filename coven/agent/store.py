"""The agent's memory: packages, VNFs and operations in SQLite, write-ahead logged.

Only the agent's process uses it. Kernel objects are not its affair: those are in the keepers' journals.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from coven.agent.states import UNFINISHED, State, reachable
from coven.base import durable
from coven.base.seconds import moment as told
from itf.mistakes import Kind, Mistake, Refused

Row = dict[str, Any]

VERSION = 7
KEPT_OPERATIONS = 1000

_FIFTH = """
CREATE TABLE tokens (
    name TEXT PRIMARY KEY,
    digest TEXT,                      -- SHA-256 of the token; null: a client certificate of that name
    scopes JSON NOT NULL, created TEXT NOT NULL,
    expires TEXT                      -- null: never
    );
CREATE TABLE subscriptions (
    id TEXT PRIMARY KEY, interface TEXT NOT NULL, callback TEXT NOT NULL,
    filter JSON NOT NULL, authentication JSON NOT NULL,
    root TEXT NOT NULL,               -- the apiRoot by which the subscriber reached us
    created TEXT NOT NULL, lost INTEGER NOT NULL);
CREATE TABLE outbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    subscription TEXT NOT NULL REFERENCES subscriptions(id) ON DELETE CASCADE,
    notification JSON NOT NULL);
CREATE INDEX outbox_by_subscription ON outbox(subscription, number);
CREATE TABLE coordinations (
    id TEXT PRIMARY KEY, vnf TEXT NOT NULL, request JSON NOT NULL, args JSON NOT NULL,
    state TEXT NOT NULL, value JSON NOT NULL,
    due REAL NOT NULL,                -- to be asked again, in seconds since 1970
    begun REAL NOT NULL);
CREATE TABLE indicators (             -- as subscribers were last told; the row without an id says that they were
    vnf TEXT NOT NULL, id TEXT NOT NULL, value JSON NOT NULL, PRIMARY KEY (vnf, id));
"""
_SIXTH = """
CREATE TABLE alarms (
    id TEXT PRIMARY KEY, instance TEXT NOT NULL, vnf TEXT NOT NULL,
    fault TEXT NOT NULL,              -- of which kind
    place TEXT NOT NULL,              -- the VNFC, the port, or the like; '': the VNF
    severity TEXT NOT NULL, details JSON NOT NULL,
    began TEXT NOT NULL, raised TEXT NOT NULL, changed TEXT,
    cleared TEXT,                     -- null: it stands
    acknowledged TEXT);
ALTER TABLE subscriptions ADD COLUMN verbosity TEXT;
CREATE UNIQUE INDEX one_alarm_a_fault ON alarms(instance, fault, place) WHERE cleared IS NULL;
"""
_SEVENTH = """
CREATE TABLE pm_jobs (
    id TEXT PRIMARY KEY REFERENCES subscriptions(id) ON DELETE CASCADE, -- by which it is told
    kind TEXT NOT NULL, objects JSON NOT NULL, parts JSON NOT NULL, criteria JSON NOT NULL,
    began REAL NOT NULL               -- in seconds since 1970
    );
CREATE TABLE pm_values (              -- of which no report was made yet
    job TEXT NOT NULL REFERENCES pm_jobs(id) ON DELETE CASCADE, entries JSON NOT NULL);
CREATE TABLE pm_reports (
    id TEXT PRIMARY KEY, job TEXT NOT NULL REFERENCES pm_jobs(id) ON DELETE CASCADE,
    ready TEXT NOT NULL, size INTEGER NOT NULL, entries JSON NOT NULL);
CREATE TABLE thresholds (
    id TEXT PRIMARY KEY REFERENCES subscriptions(id) ON DELETE CASCADE,
    kind TEXT NOT NULL, objects JSON NOT NULL, parts JSON NOT NULL, criteria JSON NOT NULL,
    crossed JSON NOT NULL             -- in which direction at last, by part
    );
"""
_SCHEMA = """
CREATE TABLE packages (
    id TEXT PRIMARY KEY,              -- NAME:VERSION
    name TEXT NOT NULL, version TEXT NOT NULL, provider TEXT NOT NULL, description TEXT NOT NULL,
    vnfd_id TEXT NOT NULL, sha256 TEXT NOT NULL, size INTEGER NOT NULL, folder TEXT NOT NULL,
    created TEXT NOT NULL,
    csar JSON NOT NULL DEFAULT 'null' -- what reading it as a CSAR found out; null: it came as a plain zip
    );
CREATE TABLE vnfs (
    name TEXT PRIMARY KEY, instance TEXT NOT NULL UNIQUE,
    package TEXT NOT NULL REFERENCES packages(id) ON DELETE RESTRICT,
    instantiation_state TEXT NOT NULL DEFAULT 'NOT_INSTANTIATED',
    operational_state TEXT,           -- STARTED or STOPPED while instantiated
    ports JSON NOT NULL DEFAULT '{}', -- what is bound, claimed before anything is opened
    config JSON NOT NULL DEFAULT '{}',
    paths JSON NOT NULL DEFAULT 'null', -- service paths as an operator changed them; null: the descriptor's
    latency TEXT NOT NULL DEFAULT 'normal',
    errors JSON NOT NULL DEFAULT '[]',
    created TEXT NOT NULL,
    title TEXT,                       -- what a VNFM calls it; null: its name
    about JSON NOT NULL DEFAULT '{}', -- what a VNFM keeps with it: description, metadata, extensions
    links JSON NOT NULL DEFAULT '[]'  -- the external virtual links that it was connected by, as they were stated
    );
CREATE TABLE operations (
    id TEXT PRIMARY KEY, vnf TEXT NOT NULL, instance TEXT NOT NULL,
    operation TEXT NOT NULL, target TEXT, state TEXT NOT NULL,
    request JSON NOT NULL, progress TEXT NOT NULL DEFAULT '', errors JSON NOT NULL DEFAULT '[]',
    started TEXT NOT NULL, changed TEXT NOT NULL,
    entered TEXT NOT NULL DEFAULT '', -- its state
    rests INTEGER NOT NULL DEFAULT 0, -- whether it rests in FAILED_TEMP until somebody decides
    automatic INTEGER NOT NULL DEFAULT 0, -- whether nobody asked for it
    params JSON NOT NULL DEFAULT 'null' -- the request as a VNFM stated it
    );
CREATE UNIQUE INDEX one_operation_a_vnf ON operations(vnf)
    WHERE state IN ('STARTING', 'PROCESSING', 'FAILED_TEMP', 'ROLLING_BACK');
""" + _FIFTH + _SIXTH + _SEVENTH
_JSON = {
    "ports", "config", "paths", "errors", "request", "csar", "scopes", "filter", "authentication", "notification",
    "value", "args", "about", "links", "params", "details", "objects", "parts", "criteria", "entries", "crossed",
}  # fmt: skip
#: from version N to the next one
_STEPS = {
    1: "ALTER TABLE vnfs ADD COLUMN paths JSON NOT NULL DEFAULT 'null'",
    2: "ALTER TABLE vnfs ADD COLUMN latency TEXT NOT NULL DEFAULT 'normal'",
    3: "ALTER TABLE packages ADD COLUMN csar JSON NOT NULL DEFAULT 'null'",
    4: _FIFTH,
    5: """
ALTER TABLE vnfs ADD COLUMN title TEXT;
ALTER TABLE vnfs ADD COLUMN about JSON NOT NULL DEFAULT '{}';
ALTER TABLE vnfs ADD COLUMN links JSON NOT NULL DEFAULT '[]';
ALTER TABLE operations ADD COLUMN entered TEXT NOT NULL DEFAULT '';
ALTER TABLE operations ADD COLUMN rests INTEGER NOT NULL DEFAULT 0;
ALTER TABLE operations ADD COLUMN automatic INTEGER NOT NULL DEFAULT 0;
ALTER TABLE operations ADD COLUMN params JSON NOT NULL DEFAULT 'null';
UPDATE operations SET entered = changed;
""" + _SIXTH,
    6: _SEVENTH,
}


def moment(seconds: float) -> str:
    """A moment in seconds since 1970, as text."""
    return told(seconds, "milliseconds")


def now() -> str:
    return moment(time.time())


def conflict(found: str, remedy: str | None = None, title: str = "not now", field: str | None = None) -> Refused:
    return Refused(Mistake(field=field, found=found, remedy=remedy), title=title, kind=Kind.CONFLICT)


def busy(operation: Row) -> Refused:
    """Why nothing else may be begun while an operation is not over."""
    remedy = "wait until it is over"
    if resting(operation):
        remedy = f"decide: retry, rollback or fail, POST /vnflcm/v2/vnf_lcm_op_occs/{operation['id']}/rollback"
    return conflict(f"{operation['vnf']} has an operation going on: {operation['operation']} {operation['id']}", remedy)


def missing(what: str, remedy: str | None = None) -> Refused:
    return Refused(
        Mistake(found=f"no {what}", remedy=remedy),
        title="not found",
        kind=Kind.ABSENT,
    )


def _row(row: sqlite3.Row) -> Row:
    return {key: json.loads(row[key]) if key in _JSON else row[key] for key in row.keys()}  # noqa: SIM118 - a Row iterates over its values


def _coded(row: Row) -> list[Any]:
    """The values of a row's columns, as they are kept."""
    return [json.dumps(value) if key in _JSON else value for key, value in row.items()]


class Observer(Protocol):
    """Told within the transaction of what is so then, which a Refused of it undoes."""

    def operation_entered(self, operation: Row) -> None:
        """An operation is in another state, or new."""

    def vnf_created(self, vnf: Row) -> None: ...

    def vnf_deleted(self, vnf: Row) -> None: ...


def resting(operation: Row) -> bool:
    """Whether it waits for somebody's decision."""
    return bool(operation["rests"]) and operation["state"] == State.FAILED_TEMP


def _foreign(file: Path, version: int) -> Mistake:
    return Mistake(
        file=str(file), found=f"version {version}", expected=f"version {VERSION}",
        remedy="it was written by another Coven: use that, or another --state DIR",
    )  # fmt: skip


def foreign(file: Path) -> Mistake | None:
    """What a store will be refused for, looked at without changing it: a later version wrote it."""
    if not file.exists():
        return None
    try:
        with closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True)) as db:
            version = int(db.execute("PRAGMA user_version").fetchone()[0])
    except sqlite3.Error:
        return None  # which the store itself tells of, when it is opened
    return _foreign(file, version) if not 0 <= version <= VERSION else None


class Store:
    """One connection, one lock. Every method is one transaction; a failed one changes nothing."""

    def __init__(self, file: Path):
        self._lock = threading.RLock()
        self.changed = threading.Condition()  #: notified whenever an operation changes
        self.observers: list[Observer] = []
        self._released = False
        with self._told(writing=True):
            self._db = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
            self._db.row_factory = sqlite3.Row
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute("PRAGMA foreign_keys=ON")
        self._back_up(file)
        with self.transaction() as db:
            version = self._version()
            if not 0 <= version <= VERSION:
                raise Refused(_foreign(file, version), title="unknown state")
            steps = [_SCHEMA] if version == 0 else [_STEPS[step] for step in range(version, VERSION)]
            for step in steps:
                for statement in step.split(";\n"):
                    db.execute(statement)
            if steps:
                db.execute(f"PRAGMA user_version={VERSION}")

    def _version(self) -> int:
        """Of the schema that the file has; 0: none yet."""
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])

    def _back_up(self, file: Path) -> None:
        """Keep what an older version wrote, beside the file, before it is brought up."""
        with self._told(writing=True):
            if not 0 < (version := self._version()) < VERSION:
                return
            kept = file.with_name(f"{file.name}.{version}")
            kept.unlink(missing_ok=True)
            self._db.execute("VACUUM INTO ?", (str(kept),))
            kept.chmod(0o600)
            durable.settle(kept)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing. Raises Refused with 507 when the disk is full or cannot be written, with 409 when the rows do
        not go together, with 500 for any other error of the database."""
        with self._lock, self._told(writing=True):
            if self._db.in_transaction:  # inside another one of this thread
                yield self._db
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @staticmethod
    @contextmanager
    def _told(writing: bool) -> Iterator[None]:
        """SQLite's errors in our words."""
        try:
            yield
        except sqlite3.IntegrityError as error:
            raise conflict(str(error)) from None
        except sqlite3.Error as error:
            full = writing and isinstance(error, sqlite3.OperationalError)
            raise Refused(
                Mistake(file="agent.db", found=str(error),
                        expected="a state that can be written" if full else "a database that is whole",
                        remedy="free some disk space, or make the state folder writable" if full else
                        "end the agent, put the state folder back from a backup or choose another: --state DIR"),
                title="the state cannot be written" if full else "the state cannot be used",
                kind=Kind.NO_SPACE if full else Kind.FAULT,
            ) from None  # fmt: skip

    def rows(self, sql: str, *values: Any) -> list[Row]:
        """What a query finds. Raises Refused."""
        with self._lock, self._told(writing=False):
            return [_row(row) for row in self._db.execute(sql, values)]

    def insert(self, table: str, row: Row) -> None:
        """A new row, by its columns. Raises Refused."""
        columns, marks = ", ".join(row), ", ".join("?" * len(row))
        with self.transaction() as db:
            db.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", _coded(row))

    @property
    def changes(self) -> int:
        """Another number after whatever was written."""
        return int(self._db.total_changes)

    # packages

    def add_package(self, row: Row) -> None:
        self.insert("packages", row)

    def packages(self) -> list[Row]:
        return self.rows("SELECT * FROM packages ORDER BY name, created")

    def package(self, identity: str) -> Row | None:
        """By NAME:VERSION."""
        rows = self.rows("SELECT * FROM packages WHERE id = ?", identity)
        return rows[0] if rows else None

    def remove_package(self, identity: str) -> None:
        with self.transaction() as db:
            users = [r["name"] for r in db.execute("SELECT name FROM vnfs WHERE package = ?", (identity,))]
            users += [row["vnf"] for row in self.unfinished() if row["request"].get("package") == identity]
            if users:
                raise conflict(
                    f"{identity} is used by {', '.join(users)}", "delete these VNFs first", "package in use"
                )
            db.execute("DELETE FROM packages WHERE id = ?", (identity,))

    # VNFs

    def add_vnf(self, name: str, package: str, **more: Any) -> Row:
        """A new VNF. `more`: other columns. Raises Refused with 409 when the name is taken."""
        with self.transaction():
            if self.vnf(name):
                remedy = "choose another name, or delete it"
                raise conflict(f"a VNF called {name} exists", remedy, "name taken", "name")
            given = {"name": name, "instance": str(uuid.uuid4()), "package": package, "created": now(), **more}
            self.insert("vnfs", given)
            row = self.vnf(name)
            assert row is not None
            for observer in self.observers:
                observer.vnf_created(row)
            return row

    def vnfs(self) -> list[Row]:
        return self.rows("SELECT * FROM vnfs ORDER BY name")

    def vnf(self, name: str) -> Row | None:
        rows = self.rows("SELECT * FROM vnfs WHERE name = ?", name)
        return rows[0] if rows else None

    def set_vnf(self, name: str, **values: Any) -> None:
        assignments = ", ".join(f"{key} = ?" for key in values)
        with self.transaction() as db:
            db.execute(f"UPDATE vnfs SET {assignments} WHERE name = ?", (*_coded(values), name))

    def remove_vnf(self, name: str) -> None:
        with self.transaction() as db:
            if (row := self.vnf(name)) is None:
                return
            db.execute("DELETE FROM vnfs WHERE name = ?", (name,))
            for observer in self.observers:
                observer.vnf_deleted(row)

    # alarms

    def alarms(self, most: int) -> list[Row]:
        """So many: those that stand, then those that are over, of each the newest first."""
        return self.rows("SELECT * FROM alarms ORDER BY cleared IS NOT NULL, rowid DESC LIMIT ?", most)

    # tokens

    def tokens(self) -> list[Row]:
        return self.rows("SELECT * FROM tokens ORDER BY name")

    def add_token(self, row: Row) -> None:
        self.insert("tokens", row)

    def remove_token(self, name: str) -> None:
        with self.transaction() as db:
            db.execute("DELETE FROM tokens WHERE name = ?", (name,))

    # operations

    def begin(self, vnf: Row, operation: str, target: str | None, request: Row, **more: Any) -> Row:
        """A new operation, STARTING. `more`: other columns. Raises Refused with 409 while another one is not over."""
        with self.transaction():
            if running := self.unfinished(vnf["name"]):
                raise busy(running[0])
            begun = now()
            return self._add_operation(vnf, operation, target, State.STARTING, request, "", begun, begun, **more)

    def record(self, vnf: Row, operation: str, request: Row, progress: str, at: float) -> Row:
        """An operation that was carried out without us, COMPLETED, whatever else is going on. `at`: seconds since
        1970."""
        with self.transaction():
            row = self._add_operation(
                vnf, operation, None, State.COMPLETED, request, progress, moment(at), now(), automatic=1
            )
        with self.changed:
            self.changed.notify_all()
        return row

    def _add_operation(
        self, vnf: Row, operation: str, target: str | None, state: State, request: Row, progress: str,
        started: str, changed: str, **more: Any,
    ) -> Row:  # fmt: skip
        identity = str(uuid.uuid4())
        with self.transaction() as db:
            self.insert("operations", {
                "id": identity, "vnf": vnf["name"], "instance": vnf["instance"], "operation": operation,
                "target": target, "state": state, "request": request, "progress": progress, "started": started,
                "changed": changed, "entered": changed, **more,
            })  # fmt: skip
            db.execute(
                "DELETE FROM operations WHERE id IN (SELECT id FROM operations WHERE state NOT IN"
                " ('STARTING', 'PROCESSING', 'FAILED_TEMP', 'ROLLING_BACK')"
                " ORDER BY rowid DESC LIMIT -1 OFFSET ?)",
                (KEPT_OPERATIONS,),
            )
            row = self.operation(identity)
            assert row is not None
            self._entered(row)
            return row

    def _entered(self, row: Row) -> None:
        for observer in self.observers:
            observer.operation_entered(row)

    def set_operation(self, identity: str, **values: Any) -> None:
        """Raises Refused with 409 where its state cannot become that one."""
        values["changed"] = now()
        with self.transaction() as db:
            row = self.operation(identity)
            moves = row is not None and values.get("state", row["state"]) != row["state"]
            if row is not None and moves:
                if values["state"] not in reachable(State(row["state"])):
                    raise conflict(f"operation {identity} is {row['state']}", f"it cannot be {values['state']}")
                values["entered"] = values["changed"]
            assignments = ", ".join(f"{key} = ?" for key in values)
            db.execute(f"UPDATE operations SET {assignments} WHERE id = ?", (*_coded(values), identity))
            if row is not None and moves:
                self._entered({**row, **values})
        with self.changed:
            self.changed.notify_all()

    def operation(self, identity: str) -> Row | None:
        rows = self.rows("SELECT * FROM operations WHERE id = ?", identity)
        return rows[0] if rows else None

    def operations(self, vnf: str | None = None, most: int = KEPT_OPERATIONS) -> list[Row]:
        """The newest first; of all VNFs at most so many."""
        if vnf is None:
            return self.rows("SELECT * FROM operations ORDER BY rowid DESC LIMIT ?", most)
        return self.rows("SELECT * FROM operations WHERE vnf = ? ORDER BY rowid DESC", vnf)

    def newest(self, vnf: str) -> Row | None:
        """The operation of that VNF that began last."""
        rows = self.rows("SELECT * FROM operations WHERE vnf = ? ORDER BY rowid DESC LIMIT 1", vnf)
        return rows[0] if rows else None

    def unfinished(self, vnf: str | None = None) -> list[Row]:
        marks = ", ".join("?" * len(UNFINISHED))
        rows = self.rows(f"SELECT * FROM operations WHERE state IN ({marks}) ORDER BY rowid DESC", *UNFINISHED)
        return [row for row in rows if vnf is None or row["vnf"] == vnf]

    def release(self) -> None:
        """Let nobody wait any longer: the agent ends."""
        self._released = True
        with self.changed:
            self.changed.notify_all()

    @property
    def released(self) -> bool:
        """Whether the agent ends."""
        return self._released

    def await_end(self, identity: str, seconds: float, progress: str | None = None) -> Row | None:
        """The operation when it is over or rests, when its progress is another than `progress`, or after `seconds`."""

        def news() -> bool:
            if self._released:
                return True
            row = self.operation(identity)
            if row is None or row["state"] not in UNFINISHED or resting(row):
                return True
            return progress is not None and row["progress"] != progress

        with self.changed:
            self.changed.wait_for(news, timeout=seconds)
        return self.operation(identity)
