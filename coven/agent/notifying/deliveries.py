"""Telling subscribers: one thread each, so that who does not listen delays nobody; in order, until it is taken."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass, field

from coven.agent.notifying.outbox import Outbox
from coven.agent.notifying.targets import Notified, Targets, Undelivered
from coven.agent.store import Row, now
from itf.mistakes import Refused

log = logging.getLogger("coven.agent")

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0  #: seconds between tries, doubling
STORE_SECONDS = 2.0  #: between tries to write to a full disk


@dataclass
class _Worker:
    subscription: Row
    bell: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    failing_since: str | None = None
    error: str | None = None
    tries: int = 0  #: that failed, in a row


class Deliveries:
    def __init__(self, outbox: Outbox, targets: Targets):
        self.outbox, self.targets = outbox, targets
        self._lock = threading.Lock()
        self._workers: dict[str, _Worker] = {}

    def start(self) -> None:
        """Go on telling what was not told when the last agent ended."""
        for row in self.outbox.subscriptions():
            self.begin(row)

    def begin(self, subscription: Row) -> None:
        worker = _Worker(subscription)
        with self._lock:
            self._workers[subscription["id"]] = worker
        threading.Thread(target=self._work, args=(worker,), name=f"notify {subscription['id']}", daemon=True).start()

    def redirected(self, subscription: Row) -> None:
        """What waits goes to another endpoint from now on."""
        self.end(subscription["id"])
        self.begin(subscription)

    def end(self, subscription: str) -> None:
        with self._lock:
            worker = self._workers.pop(subscription, None)
        if worker is not None:
            worker.ended.set()
            worker.bell.set()

    def close(self) -> None:
        """What has not been told is told by the next agent. Nobody is waited for."""
        for identity in list(self._workers):
            self.end(identity)

    def ring(self, subscriptions: set[str]) -> None:
        """There is something new for them."""
        with self._lock:
            workers = [worker for identity, worker in self._workers.items() if identity in subscriptions]
        for worker in workers:
            worker.bell.set()

    def shown(self) -> list[Row]:
        """How it goes with each subscription."""
        waiting = self.outbox.waiting()
        found = []
        for row in self.outbox.subscriptions():
            worker = self._workers.get(row["id"])
            found.append({
                "id": row["id"], "interface": row["interface"], "callback": row["callback"], "created": row["created"],
                "waiting": waiting.get(row["id"], 0), "lost": row["lost"],
                "failing_since": worker.failing_since if worker else None, "error": worker.error if worker else None,
            })  # fmt: skip
        return found

    def _work(self, worker: _Worker) -> None:
        row = worker.subscription
        subscriber = Notified(self.targets, row["callback"], row["authentication"])
        while not worker.ended.is_set():
            try:
                worker.bell.clear()
                first = self.outbox.first(row["id"])
                if first is None:
                    worker.bell.wait()
                    continue
                subscriber.tell("POST", first["notification"])
                self._taken(worker, first["number"])
                worker.failing_since, worker.error, worker.tries = None, None, 0
            except (Undelivered, Refused) as error:
                worker.failing_since, worker.error = worker.failing_since or now(), str(error)
                worker.ended.wait(min(FIRST_WAIT * 2**worker.tries, LONGEST_WAIT))
                worker.tries = min(worker.tries + 1, 16)
            except Exception:
                log.exception("subscription %s", row["id"])
                worker.ended.wait(LONGEST_WAIT)

    def _taken(self, worker: _Worker, number: int) -> None:
        """It is told once, however long the disk is full."""
        while not worker.ended.is_set():
            try:
                self.outbox.taken(number)
                return
            except Refused:
                worker.ended.wait(STORE_SECONDS)
