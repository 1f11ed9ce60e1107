"""Subscriptions, and what is to be told to them: in the agent's store, written in the transaction of what it tells.

A notification stays until its subscriber has taken it, over any end of the agent; its id stays the same.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from coven.agent.store import Row, Store, conflict, missing, now
from itf.mistakes import suggest

MOST_SUBSCRIPTIONS = 64  #: each has a thread
MOST_WAITING = 1000  #: notifications of one subscription: of more, the oldest are lost, and counted


class Outbox:
    def __init__(self, store: Store):
        self.store = store

    def subscribe(
        self, interface: str, callback: str, filter: Row, authentication: Row, root: str, verbosity: str | None = None
    ) -> Row:
        """`root`: the apiRoot of links; `verbosity`: of notifications, where there is such a thing.

        Raises Refused with 409 when there are too many."""
        row = {"id": str(uuid.uuid4()), "interface": interface, "callback": callback, "filter": filter,
               "authentication": authentication, "root": root, "created": now(), "lost": 0,
               "verbosity": verbosity}  # fmt: skip
        with self.store.transaction() as db:
            if db.execute("SELECT count(*) FROM subscriptions").fetchone()[0] >= MOST_SUBSCRIPTIONS:
                raise conflict(f"{MOST_SUBSCRIPTIONS} subscriptions", "delete one first", "too many subscriptions")
            self.store.insert("subscriptions", row)
        return row

    def subscriptions(self, interface: str | None = None) -> list[Row]:
        rows = self.store.rows("SELECT * FROM subscriptions ORDER BY id")
        return [row for row in rows if interface in (None, row["interface"])]

    def subscription(self, interface: str, identity: str) -> Row:
        """Raises Refused with 404."""
        rows = self.subscriptions(interface)
        for row in rows:
            if row["id"] == identity:
                return row
        raise missing(f"subscription {identity}", suggest(identity, [row["id"] for row in rows]))

    def unsubscribe(self, interface: str, identity: str, check: Callable[[Row], None]) -> None:
        """`check` may refuse. Raises Refused with 404."""
        with self.store.transaction() as db:
            check(self.subscription(interface, identity))
            db.execute("DELETE FROM subscriptions WHERE id = ?", (identity,))

    def redirect(self, identity: str, callback: str | None, authentication: Row | None) -> None:
        """Another endpoint, or other credentials there."""
        for column, value in (("callback", callback), ("authentication", authentication)):
            if value is not None:
                coded = value if column == "callback" else json.dumps(value)
                with self.store.transaction() as db:
                    db.execute(f"UPDATE subscriptions SET {column} = ? WHERE id = ?", (coded, identity))

    def post(self, told: Iterable[tuple[Row, Row]]) -> None:
        """Notifications for subscriptions, each (subscription, notification), in that order. To be called within the
        transaction of what is told."""
        told = list(told)
        with self.store.transaction() as db:
            for subscription, notification in told:
                self.store.insert("outbox", {"subscription": subscription["id"], "notification": notification})
            for identity in {subscription["id"] for subscription, _ in told}:
                lost = db.execute(
                    "DELETE FROM outbox WHERE number IN (SELECT number FROM outbox WHERE subscription = ?"
                    " ORDER BY number DESC LIMIT -1 OFFSET ?)",
                    (identity, MOST_WAITING),
                ).rowcount
                if lost:
                    db.execute("UPDATE subscriptions SET lost = lost + ? WHERE id = ?", (lost, identity))

    def first(self, subscription: str) -> Row | None:
        """What that subscriber is to be told next."""
        rows = self.store.rows("SELECT * FROM outbox WHERE subscription = ? ORDER BY number LIMIT 1", subscription)
        return rows[0] if rows else None

    def taken(self, number: int) -> None:
        with self.store.transaction() as db:
            db.execute("DELETE FROM outbox WHERE number = ?", (number,))

    def waiting(self) -> dict[str, int]:
        """How many notifications wait, by subscription."""
        rows = self.store.rows("SELECT subscription, count(*) AS waiting FROM outbox GROUP BY subscription")
        return {row["subscription"]: row["waiting"] for row in rows}


def notification(kind: str, subscription: Row, identity: str, **more: Any) -> Row:
    """What every notification has. `identity`: the same for all subscribers that are told."""
    return {"id": identity, "notificationType": kind, "subscriptionId": subscription["id"], "timeStamp": now(), **more}
