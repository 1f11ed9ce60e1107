"""Alarms: one for each fault that stands, from the third second of its condition to the tenth without it, whichever
agent is there.

A condition that comes back within these ten seconds goes on: what falls and rises all the time is a fault, too.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from coven.agent.alarms.faults import Condition, Fault, conditions, expiring, unreachable
from coven.agent.keepers.talk import KeeperTalk
from coven.agent.rounds import Rounds
from coven.agent.store import Row, missing, moment, now, resting
from itf.mistakes import Mistake, Refused, suggest

log = logging.getLogger("coven.agent")

LOOK_SECONDS = 1.0
RAISE_SECONDS, CLEAR_SECONDS = 3.0, 10.0
KEPT = 1000  #: alarms that are cleared

Key = tuple[str, str, str]  #: the VNF's instance, the fault, its place


class Observer(Protocol):
    """Told within the transaction of what is so then."""

    def alarm_changed(self, alarm: Row) -> None:
        """It was raised, or is of another severity."""

    def alarm_cleared(self, alarm: Row) -> None: ...


@dataclass
class Seen:
    """A condition, as long as it is not forgotten."""

    began: float  #: in seconds since 1970
    last: float  #: CLOCK_MONOTONIC, when it was there last
    seconds: float = 0.0  #: that it has been there


def _known_for(condition: Condition) -> float:
    """Seconds that it has been so at least: documents round what they say down to whole ones."""
    return 0.0 if condition.since is None else time.time() - condition.since - 1.0


class Alarms:
    def __init__(self, agent: KeeperTalk):
        self.agent = agent
        self.observers: list[Observer] = []
        self._seen: dict[Key, Seen] = {}
        self._looked: dict[str, float] = {}  #: by instance, when it was looked at last, and told
        self._rounds = Rounds("alarms", LOOK_SECONDS, self.look)

    def start(self) -> None:
        self._rounds.start()

    def close(self) -> None:
        self._rounds.close()

    # what there is

    def all(self) -> list[Row]:
        return self.agent.store.rows("SELECT * FROM alarms ORDER BY raised, id")

    def find(self, identity: str) -> Row:
        """Raises Refused with 404."""
        rows = {row["id"]: row for row in self.all()}
        if identity not in rows:
            raise missing(f"alarm {identity}", suggest(identity, rows))
        return rows[identity]

    def acknowledge(self, identity: str, acknowledged: bool) -> Row:
        """Somebody knows of it, or takes that back. Raises Refused with 404."""
        with self.agent.store.transaction() as db:
            self.find(identity)
            at = now() if acknowledged else None
            db.execute("UPDATE alarms SET acknowledged = ? WHERE id = ?", (at, identity))
            return self.find(identity)

    # looking

    def look(self) -> None:
        """One round."""
        vnfs = {vnf["instance"]: vnf for vnf in self.agent.store.vnfs()}
        for instance, vnf in vnfs.items():
            self._look_at(instance, vnf)
        for instance, name in {row["instance"]: row["vnf"] for row in self._standing()}.items():
            if instance not in vnfs:
                self._settle(instance, name, [], over=True)
        self._looked = {instance: at for instance, at in self._looked.items() if instance in vnfs}
        self._seen = {key: seen for key, seen in self._seen.items() if key[0] in vnfs}

    def _standing(self) -> list[Row]:
        return self.agent.store.rows("SELECT * FROM alarms WHERE cleared IS NULL")

    def _look_at(self, instance: str, vnf: Row) -> None:
        name = vnf["name"]
        if any(not resting(row) for row in self.agent.store.unfinished(name)):
            self._looked.pop(instance, None)
            self._hold(instance)  # what is so meanwhile says nothing
            return
        expires = self._expiring()
        if vnf["instantiation_state"] != "INSTANTIATED":
            last = self.agent.store.newest(name)
            lost = [unreachable(f"it could not be healed: {Mistake.from_dict(vnf['errors'][0])}")] if (
                last is not None and last["operation"] == "HEAL" and vnf["errors"]) else []  # fmt: skip
            self._settle(instance, name, [*lost, *expires], over=True)
            return
        try:
            found = list(conditions(self.agent.ask(name, "status")))
        except Refused as refused:
            found = [unreachable(str(refused))]
            self._hold(instance)  # nobody can tell about the rest
        self._settle(instance, name, [*found, *expires])

    def _hold(self, instance: str) -> None:
        """What is known is neither seen nor missed now, but whether the VNF is there at all."""
        for key, seen in self._seen.items():
            if key[0] == instance and key[1] != Fault.VNF_DOWN:
                seen.last = time.monotonic()

    def _expiring(self) -> list[Condition]:
        found = self.agent.certificate()
        return [] if found is None else list(expiring(*found))

    def _settle(self, instance: str, name: str, found: Iterable[Condition], over: bool = False) -> None:
        """Raise and clear what is due. `over`: what is not found has ended for good."""
        at = time.monotonic()
        passed = at - self._looked.get(instance, at)
        self._looked[instance] = at
        there = {(instance, str(each.fault), each.place): each for each in found}
        standing = {(row["instance"], row["fault"], row["place"]): row for row in self._standing()
                    if row["instance"] == instance}  # fmt: skip
        for key, condition in there.items():
            seen = self._seen.setdefault(key, Seen(condition.since or time.time(), at))
            if at - seen.last <= passed:  # it was there at the last look, too
                seen.seconds += at - seen.last
            seen.last = at
            if key in standing:
                self._changed(standing[key], condition)
            elif max(seen.seconds, _known_for(condition)) >= RAISE_SECONDS:
                self._raise(key, name, condition, seen.began)
        for key in {*standing, *(key for key in self._seen if key[0] == instance)} - there.keys():
            seen = self._seen.setdefault(key, Seen(time.time(), at))
            if over or at - seen.last >= CLEAR_SECONDS:
                del self._seen[key]
                if key in standing:
                    self._clear(standing[key])

    def _raise(self, key: Key, name: str, condition: Condition, began: float) -> None:
        instance, fault, place = key
        row: Row = {
            "id": str(uuid.uuid4()), "instance": instance, "vnf": name, "fault": fault, "place": place,
            "severity": condition.how_bad, "details": [condition.why], "began": moment(began), "raised": now(),
            "changed": None, "cleared": None, "acknowledged": None,
        }  # fmt: skip
        with self.agent.store.transaction():
            self.agent.store.insert("alarms", row)
            for observer in self.observers:
                observer.alarm_changed(row)
        log.warning("alarm: %s of %s %s: %s", fault, name, place, condition.why)

    def _changed(self, row: Row, condition: Condition) -> None:
        if row["severity"] == condition.how_bad:
            return
        with self.agent.store.transaction() as db:
            db.execute("UPDATE alarms SET severity = ?, changed = ? WHERE id = ?",
                       (condition.how_bad, now(), row["id"]))  # fmt: skip
            for observer in self.observers:
                observer.alarm_changed(self.find(row["id"]))

    def _clear(self, row: Row) -> None:
        with self.agent.store.transaction() as db:
            db.execute("UPDATE alarms SET cleared = ? WHERE id = ?", (now(), row["id"]))
            cleared = self.find(row["id"])
            for observer in self.observers:
                observer.alarm_cleared(cleared)
            db.execute("DELETE FROM alarms WHERE id IN (SELECT id FROM alarms WHERE cleared IS NOT NULL"
                       " ORDER BY cleared DESC LIMIT -1 OFFSET ?)", (KEPT,))  # fmt: skip
        log.info("alarm over: %s of %s %s", row["fault"], row["vnf"], row["place"])
