"""Measuring while somebody wants it: values for PM jobs, their reports, and crossings of thresholds (SOL002 6.5.2).

Statistics are read once a second, without a question to any keeper. What was found out is written down in the
transaction in which it is told.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from coven.agent.figures import Readers
from coven.agent.lifecycle import Lifecycle
from coven.agent.notifying.deliveries import Deliveries
from coven.agent.rounds import Rounds
from coven.agent.store import Row, now
from coven.rest.sol.vnfconfig import vnfc_instance
from coven.rest.sol.vnflcm.shown import instance_path
from coven.rest.sol.vnfpm.measurements import (
    GROUPS,
    MEASUREMENTS,
    WHOLE,
    ObjectType,
    Reading,
    Window,
    measurement,
)
from coven.rest.sol.vnfpm.memory import INTERFACE, JOBS, THRESHOLDS, Memory
from itf.mistakes import Refused

log = logging.getLogger("coven.agent")

LOOK_SECONDS = 1.0
THRESHOLD_SECONDS = 5.0  #: of the window that a threshold is held against
AVAILABLE, CROSSED = "PerformanceInformationAvailableNotification", "ThresholdCrossedNotification"
UP, DOWN = "UP", "DOWN"


@dataclass
class _Due:
    """Of a job or a threshold: what it measures just now, and when it is over. CLOCK_MONOTONIC."""

    collect: float
    report: float
    windows: dict[str, Window] = field(default_factory=dict)  #: by VNF instance


class Collecting:
    def __init__(self, agent: Lifecycle, deliveries: Deliveries):
        self._agent, self._deliveries = agent, deliveries
        self._memory = Memory(deliveries.outbox)
        self._readers = Readers(agent.places.run)
        self._due: dict[str, _Due] = {}
        self._rounds = Rounds("performance", LOOK_SECONDS, self._look)

    def start(self) -> None:
        self._rounds.start()

    def close(self) -> None:
        self._rounds.close()
        self._readers.close()

    def _look(self) -> None:
        jobs = [job for job in self._memory.all(JOBS) if not self._over(job)]
        thresholds = self._memory.all(THRESHOLDS)
        wanted = {row["id"] for row in (*jobs, *thresholds)}
        self._due = {identity: due for identity, due in self._due.items() if identity in wanted}
        if not wanted:
            return
        vnfs = {vnf["instance"]: vnf for vnf in self._agent.store.vnfs()}
        objects = {instance for row in (*jobs, *thresholds) for instance in row["objects"]}
        at = time.monotonic()
        readings = self._read([vnf for instance, vnf in vnfs.items() if instance in objects], at)
        for row in (*jobs, *thresholds):
            due = self._due.get(row["id"]) or self._begun(row, at)
            for instance in row["objects"]:
                due.windows.setdefault(instance, Window()).add(readings.get(instance))
        for row in jobs:
            with suppress(Refused):  # it was deleted meanwhile, or the disk is full
                self._collect(row, self._due[row["id"]], at, vnfs)
        for row in thresholds:
            with suppress(Refused):
                self._compare(row, self._due[row["id"]], at, vnfs)

    def _begun(self, row: Row, at: float) -> _Due:
        """The rest of the period that is going on: they count from a job's creation, whoever was killed meanwhile."""
        if "began" not in row:
            due = _Due(at + THRESHOLD_SECONDS, 0.0)
        else:
            age, criteria = max(0.0, time.time() - row["began"]), row["criteria"]
            due = _Due(*(at + period - age % period for period in
                         (criteria["collectionPeriod"], criteria["reportingPeriod"])))  # fmt: skip
        self._due[row["id"]] = due
        return due

    def _over(self, job: Row) -> bool:
        """Whether all of it was reported, up to its boundary."""
        return _beyond(job) and not self._memory.kept(job["id"])

    def _read(self, vnfs: Iterable[Row], at: float) -> dict[str, Reading]:
        names = {vnf["name"]: vnf["instance"] for vnf in vnfs if vnf["instantiation_state"] == "INSTANTIATED"}
        found = {}
        with self._readers.of(list(names), forget=True) as readers:
            for name, reader in readers.items():
                if reader is not None:
                    with suppress(TimeoutError):
                        found[names[name]] = Reading.of(reader, at)
        return found

    # jobs

    def _collect(self, job: Row, due: _Due, at: float, vnfs: dict[str, Row]) -> None:
        beyond = _beyond(job)
        collect = at >= due.collect and not beyond
        report = beyond or (at >= due.report - LOOK_SECONDS / 2 and (collect or at >= due.report))
        if not collect and not report:
            return
        with self._agent.store.transaction():
            self._memory.find(JOBS, job["id"])  # refuses if it is gone
            if collect:
                self._memory.keep(job["id"], list(self._values(job, due, vnfs)))
            if report and (made := self._memory.report(job)) is not None:
                told = [(job["subscription"], self._available(job, instance, made)) for instance in job["objects"]]
                self._deliveries.outbox.post(told)
        if collect:
            due.windows = {instance: window.following() for instance, window in due.windows.items()}
            due.collect = _next(due.collect, job["criteria"]["collectionPeriod"], at)
        if report:
            due.report = _next(due.report, job["criteria"]["reportingPeriod"], at)
            self._deliveries.ring({job["id"]})

    def _values(self, job: Row, due: _Due, vnfs: dict[str, Row]) -> Iterable[list[Any]]:
        kind, when = ObjectType(job["kind"]), now()
        for instance in job["objects"]:
            window = due.windows.get(instance, Window())
            for part, name in self._parts(kind, vnfs.get(instance), job["parts"]).items():
                for metric in wanted(kind, job["criteria"], instance):
                    value = MEASUREMENTS[kind][measurement(metric)[0]](window, name)
                    yield [when, instance, part or None, metric, value]

    def _parts(self, kind: ObjectType, vnf: Row | None, stated: list[str]) -> dict[str, str]:
        """The parts that are measured, by id, each with its name in the statistics."""
        if kind == ObjectType.VNF:
            return {WHOLE: WHOLE}
        known = parts_of(self._agent, kind, vnf) if vnf is not None else {}
        return {part: known.get(part, "") for part in stated} if stated else known

    def _available(self, job: Row, instance: str, report: Row) -> Row:
        root, parts = job["subscription"]["root"], job["parts"]
        links = {
            "objectInstance": {"href": root + instance_path(instance)},
            "pmJob": {"href": root + path(JOBS, job["id"])},
            "performanceReport": {"href": root + report_path(job["id"], report["id"])},
        }  # fmt: skip
        return {
            "id": str(uuid.uuid4()), "notificationType": AVAILABLE, "timeStamp": now(), "pmJobId": job["id"],
            "objectType": job["kind"], "objectInstanceId": instance,
            **({"subObjectInstanceIds": parts} if parts else {}), "_links": links,
        }  # fmt: skip

    # thresholds

    def _compare(self, threshold: Row, due: _Due, at: float, vnfs: dict[str, Row]) -> None:
        if at < due.collect:
            return
        kind, [instance] = ObjectType(threshold["kind"]), threshold["objects"]
        metric = threshold["criteria"]["performanceMetric"]
        before, after, told = threshold["crossed"], dict(threshold["crossed"]), []
        window = due.windows.get(instance, Window())
        for part, name in self._parts(kind, vnfs.get(instance), threshold["parts"]).items():
            value = MEASUREMENTS[kind][measurement(metric)[0]](window, name)
            direction = crossing(threshold["criteria"]["simpleThresholdDetails"], value, before.get(part))
            if direction is None:
                continue
            after[part] = direction
            if direction == UP or part in before:  # below is where it begins
                told.append((threshold["subscription"], self._crossed(threshold, part, direction, value)))
        if after != before:
            with self._agent.store.transaction():
                self._memory.find(THRESHOLDS, threshold["id"])
                self._memory.crossed(threshold["id"], after)
                self._deliveries.outbox.post(told)
            self._deliveries.ring({threshold["id"]})
        due.windows = {each: window.following() for each, window in due.windows.items()}
        due.collect = _next(due.collect, THRESHOLD_SECONDS, at)

    def _crossed(self, threshold: Row, part: str, direction: str, value: Any) -> Row:
        root, [instance] = threshold["subscription"]["root"], threshold["objects"]
        links = {
            "objectInstance": {"href": root + instance_path(instance)},
            "threshold": {"href": root + path(THRESHOLDS, threshold["id"])},
        }  # fmt: skip
        return {
            "id": str(uuid.uuid4()), "notificationType": CROSSED, "timeStamp": now(), "thresholdId": threshold["id"],
            "crossingDirection": direction, "objectType": threshold["kind"], "objectInstanceId": instance,
            **({"subObjectInstanceId": part} if part else {}),
            "performanceMetric": threshold["criteria"]["performanceMetric"], "performanceValue": value, "_links": links,
        }  # fmt: skip


def crossing(details: Row, value: float | None, before: str | None) -> str | None:
    """The direction in which a value crosses a threshold that was crossed in another direction before; None: it does
    not (SOL003 6.5.3.4: by the hysteresis more, or less)."""
    limit, hysteresis = details["thresholdValue"], details.get("hysteresis", 0)
    if value is None:
        return None
    if value >= limit + hysteresis:
        found = UP
    elif value <= limit - hysteresis:
        found = DOWN
    else:
        return None
    return None if found == before else found


def wanted(kind: ObjectType, criteria: Row, instance: str) -> list[str]:
    """The measurements that a job's criteria ask for of a VNF instance, as they say them."""
    found = [metric for metric in criteria.get("performanceMetric", ())
             if measurement(metric)[1] in (None, instance)]  # fmt: skip
    if GROUPS.get(kind) in criteria.get("performanceMetricGroup", ()):
        found += [name for name in MEASUREMENTS[kind] if name not in found]
    return found


def parts_of(agent: Lifecycle, kind: ObjectType, vnf: Row) -> dict[str, str]:
    """The parts of a VNF that are of a type, by id, each with its name."""
    try:
        descriptor = agent.descriptor(vnf["package"])
    except Refused:
        return {}
    if kind == ObjectType.VNFC:
        return {vnfc_instance(vnf, name): name for name in descriptor.vnfcs}
    return {name: name for name in descriptor.ports} if kind == ObjectType.EXTERNAL else {}


def path(table: str, identity: str) -> str:
    return f"/{INTERFACE}/v2/{table}/{identity}"


def report_path(job: str, report: str) -> str:
    return f"{path(JOBS, job)}/reports/{report}"


def _beyond(job: Row) -> bool:
    """Whether its boundary has passed."""
    boundary = job["criteria"].get("reportingBoundary")
    return boundary is not None and datetime.fromisoformat(boundary.upper()).timestamp() <= time.time()


def _next(due: float, period: float, at: float) -> float:
    """After `at`: what was slept through is not made up for."""
    return due + period * max(1, int((at - due) // period) + 1)


