"""PM jobs and thresholds in the agent's store. Each is told to somebody by a subscription of its own, whose id it has:
what ends that ends it."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from typing import Any

from coven.agent.notifying.outbox import Outbox
from coven.agent.store import Row, missing, now
from itf.mistakes import suggest

INTERFACE = "vnfpm"
JOBS, THRESHOLDS = "pm_jobs", "thresholds"
MOST_REPORTS, MOST_BYTES = 100, 16 << 20  #: of one job: of more, the oldest are lost


class Memory:
    def __init__(self, outbox: Outbox):
        self.outbox, self.store = outbox, outbox.store

    def add(self, table: str, body: Row, objects: list[str], root: str) -> Row:
        """A new one, and its subscription. Raises Refused with 409 when there are too many."""
        with self.store.transaction():
            subscription = self.outbox.subscribe(
                INTERFACE, body["callbackUri"], {}, body.get("authentication", {}), root
            )
            row: Row = {
                "id": subscription["id"], "kind": body["objectType"], "objects": objects,
                "parts": body.get("subObjectInstanceIds", []), "criteria": body["criteria"],
            }  # fmt: skip
            self.store.insert(table, {**row, "began": time.time()} if table == JOBS else {**row, "crossed": {}})
            return self.find(table, row["id"])

    def all(self, table: str) -> list[Row]:
        """Each with its subscription."""
        subscriptions = {row["id"]: row for row in self.outbox.subscriptions(INTERFACE)}
        rows = self.store.rows(f"SELECT * FROM {table} ORDER BY rowid") if subscriptions else []
        return [{**row, "subscription": subscriptions[row["id"]]} for row in rows if row["id"] in subscriptions]

    def find(self, table: str, identity: str) -> Row:
        """Raises Refused with 404."""
        rows = self.all(table)
        for row in rows:
            if row["id"] == identity:
                return row
        raise missing(f"{table} {identity}", suggest(identity, [row["id"] for row in rows]))

    def change(self, table: str, identity: str, body: Row, check: Callable[[Row], None]) -> Row:
        """Whom it is told to, and how. `check` may refuse. Raises Refused with 404."""
        with self.store.transaction():
            check(self.find(table, identity))
            self.outbox.redirect(identity, body.get("callbackUri"), body.get("authentication"))
            return self.find(table, identity)

    def remove(self, table: str, identity: str, check: Callable[[Row], None]) -> None:
        with self.store.transaction():
            check(self.find(table, identity))
            self.outbox.unsubscribe(INTERFACE, identity, lambda row: None)

    # values and reports of jobs

    def keep(self, job: str, values: list[Any]) -> None:
        """What was measured at one moment: [when, instance, part, metric, value] each."""
        self.store.insert("pm_values", {"job": job, "entries": values})

    def kept(self, job: str) -> list[list[Any]]:
        rows = self.store.rows("SELECT * FROM pm_values WHERE job = ? ORDER BY rowid", job)
        return [entry for row in rows for entry in row["entries"]]

    def report(self, job: Row) -> Row | None:
        """Make a report of what was kept; None when nothing was. To be called within a transaction."""
        made: dict[tuple[str, str | None, str], list[Row]] = {}
        for when, instance, part, metric, value in self.kept(job["id"]):
            values = made.setdefault((instance, part, metric), [])
            if value is not None:
                values.append({"timeStamp": when, "value": value})
        if not made:
            return None
        entries = [
            {"objectType": job["kind"], "objectInstanceId": instance,
             **({"subObjectInstanceId": part} if part is not None else {}),
             "performanceMetric": metric, "performanceValues": values}
            for (instance, part, metric), values in made.items()
        ]  # fmt: skip
        row = {"id": str(uuid.uuid4()), "job": job["id"], "ready": now(), "entries": entries,
               "size": len(json.dumps({"entries": entries}))}  # fmt: skip
        with self.store.transaction() as db:
            db.execute("DELETE FROM pm_values WHERE job = ?", (job["id"],))
            self.store.insert("pm_reports", row)
            kept, taken = 0, 0
            for known in reversed(self.reports(job["id"])):
                kept, taken = kept + 1, taken + known["size"]
                if kept > MOST_REPORTS or (kept > 1 and taken > MOST_BYTES):
                    db.execute("DELETE FROM pm_reports WHERE id = ?", (known["id"],))
        return row

    def reports(self, job: str) -> list[Row]:
        """Without what they say."""
        return self.store.rows("SELECT id, ready, size FROM pm_reports WHERE job = ? ORDER BY rowid", job)

    def find_report(self, job: str, identity: str) -> Row:
        """Raises Refused with 404."""
        rows = self.store.rows("SELECT * FROM pm_reports WHERE job = ? AND id = ?", job, identity)
        if not rows:
            raise missing(f"report {identity}", suggest(identity, [row["id"] for row in self.reports(job)]))
        return rows[0]

    def crossed(self, threshold: str, directions: Row) -> None:
        with self.store.transaction() as db:
            db.execute("UPDATE thresholds SET crossed = ? WHERE id = ?", (json.dumps(directions), threshold))
