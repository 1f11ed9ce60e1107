"""VNF Performance Management (SOL002 6): PM jobs with their reports, and thresholds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from coven.agent.notifying.targets import Notified
from coven.agent.store import Row
from coven.base.problem import joined
from coven.base.reading import is_time
from coven.rest import web
from coven.rest.routes import JSON, LISTING, MERGE_PATCH, route
from coven.rest.sol.exchange import Interface, demand, link, root, tag
from coven.rest.sol.vnflcm.shown import instance_path
from coven.rest.sol.vnfpm.collecting import Collecting, parts_of, path, report_path, wanted
from coven.rest.sol.vnfpm.measurements import GROUPS, MEASUREMENTS, ObjectType, measurement
from coven.rest.sol.vnfpm.memory import JOBS, THRESHOLDS, Memory
from itf.mistakes import Mistake, Refused, suggest

_JOBS, _THRESHOLDS = "/vnfpm/v2/pm_jobs", "/vnfpm/v2/thresholds"
_JOB, _THRESHOLD = f"{_JOBS}/{{pmJobId}}", f"{_THRESHOLDS}/{{thresholdId}}"
MOST_COLLECTIONS = 1000  #: in one report
MOST_VALUES = 20_000  #: in one report, of all that is measured


class PerformanceManagement(Interface):
    def __init__(self, *rest: Any):
        super().__init__(*rest)
        self._memory = Memory(self.deliveries.outbox)
        self._collecting = Collecting(self.agent, self.deliveries)

    def start(self) -> None:
        self._collecting.start()

    def close(self) -> None:
        self._collecting.close()

    # jobs

    @route("GET", _JOBS, "The PM jobs", reply="PmJobs", query=LISTING)
    def list_pm_jobs(self) -> list[Row]:
        return [self._job(row) for row in self._memory.all(JOBS)]

    @route("POST", _JOBS, "Have VNFs measured; the endpoint is tested", status=201, reply="PmJob",
           body="CreatePmJobRequest", judged=True, errors=(409, 507))  # fmt: skip
    def create_pm_job(self, body: Row, mistakes: list[Mistake]) -> Row:
        criteria = body.get("criteria", {})
        metrics, groups = criteria.get("performanceMetric", []), criteria.get("performanceMetricGroup", [])
        found = self._wrong(body, body.get("objectInstanceIds", []), metrics)
        found += _wrong_criteria(body, metrics, groups)
        if not mistakes and not found:
            found += self._too_much(body)
        self._judge(joined(mistakes, found), body)
        return self._created(JOBS, self._memory.add(JOBS, body, body["objectInstanceIds"], root()))

    @route("GET", _JOB, "A PM job, with its reports", reply="PmJob")
    def read_pm_job(self, pmJobId: str) -> Row:
        return self._job(self._memory.find(JOBS, pmJobId))

    @route("PATCH", _JOB, "Tell of its reports elsewhere; the endpoint is tested", reply="CallbackModified",
           body="PmModifications", media=(MERGE_PATCH, JSON), errors=(409, 412, 507))  # fmt: skip
    def change_pm_job(self, pmJobId: str, body: Row) -> Row:
        return self._changed(JOBS, pmJobId, body)

    @route("DELETE", _JOB, "End a PM job; its reports go with it", status=204, errors=(412, 507))
    def delete_pm_job(self, pmJobId: str) -> None:
        self._deleted(JOBS, pmJobId)

    @route("GET", f"{_JOB}/reports/{{reportId}}", "A report", reply="PerformanceReport")
    def read_report(self, pmJobId: str, reportId: str) -> Row:
        self._memory.find(JOBS, pmJobId)
        return {"entries": self._memory.find_report(pmJobId, reportId)["entries"]}

    # thresholds

    @route("GET", _THRESHOLDS, "The thresholds", reply="Thresholds", query=LISTING)
    def list_thresholds(self) -> list[Row]:
        return [self._threshold(row) for row in self._memory.all(THRESHOLDS)]

    @route("POST", _THRESHOLDS, "Have somebody told when a measurement crosses a value; the endpoint is tested",
           status=201, reply="Threshold", body="CreateThresholdRequest", judged=True, errors=(409, 507))  # fmt: skip
    def create_threshold(self, body: Row, mistakes: list[Mistake]) -> Row:
        objects = [body["objectInstanceId"]] if "objectInstanceId" in body else []
        metric = body.get("criteria", {}).get("performanceMetric")
        found = self._wrong(body, objects, [] if metric is None else [metric])
        self._judge(joined(mistakes, found), body)
        return self._created(THRESHOLDS, self._memory.add(THRESHOLDS, body, objects, root()))

    @route("GET", _THRESHOLD, "A threshold", reply="Threshold")
    def read_threshold(self, thresholdId: str) -> Row:
        return self._threshold(self._memory.find(THRESHOLDS, thresholdId))

    @route("PATCH", _THRESHOLD, "Tell of crossings elsewhere; the endpoint is tested", reply="CallbackModified",
           body="PmModifications", media=(MERGE_PATCH, JSON), errors=(409, 412, 507))  # fmt: skip
    def change_threshold(self, thresholdId: str, body: Row) -> Row:
        return self._changed(THRESHOLDS, thresholdId, body)

    @route("DELETE", _THRESHOLD, "End a threshold", status=204, errors=(412, 507))
    def delete_threshold(self, thresholdId: str) -> None:
        self._deleted(THRESHOLDS, thresholdId)

    # both

    def _judge(self, mistakes: list[Mistake], body: Row) -> None:
        if mistakes:
            raise Refused(mistakes, title="request refused")
        self.deliveries.targets.check(body["callbackUri"], "callbackUri")
        Notified(self.deliveries.targets, body["callbackUri"], body.get("authentication", {})).test()

    def _created(self, table: str, row: Row) -> Row:
        self.deliveries.begin(row["subscription"])
        web.located(root() + path(table, row["id"]))
        return self._shown(table, row)

    def _changed(self, table: str, identity: str, body: Row) -> Row:
        before = self._memory.find(table, identity)
        subscription = before["subscription"]
        callback = body.get("callbackUri", subscription["callback"])
        self._judge([], {"callbackUri": callback,
                         "authentication": body.get("authentication", subscription["authentication"])})  # fmt: skip
        row = self._memory.change(table, identity, body, lambda row: demand(self._shown(table, row)))
        self.deliveries.redirected(row["subscription"])
        tag(self._shown(table, row))
        return {"callbackUri": callback}

    def _deleted(self, table: str, identity: str) -> None:
        self._memory.remove(table, identity, lambda row: demand(self._shown(table, row)))
        self.deliveries.end(identity)

    def _shown(self, table: str, row: Row) -> Row:
        return self._job(row) if table == JOBS else self._threshold(row)

    def _job(self, row: Row) -> Row:
        reports = [{"href": root() + report_path(row["id"], each["id"]), "readyTime": each["ready"],
                    "fileSize": each["size"]} for each in self._memory.reports(row["id"])]  # fmt: skip
        links = {"self": link(path(JOBS, row["id"])), "objects": [link(instance_path(each)) for each in row["objects"]]}
        return {
            "id": row["id"], "objectType": row["kind"], "objectInstanceIds": row["objects"], **_parts(row),
            "criteria": row["criteria"], "callbackUri": row["subscription"]["callback"],
            **({"reports": reports} if reports else {}), "_links": links,
        }  # fmt: skip

    def _threshold(self, row: Row) -> Row:
        [instance] = row["objects"]
        return {
            "id": row["id"], "objectType": row["kind"], "objectInstanceId": instance, **_parts(row),
            "criteria": row["criteria"], "callbackUri": row["subscription"]["callback"],
            "_links": {"self": link(path(THRESHOLDS, row["id"])), "object": link(instance_path(instance))},
        }  # fmt: skip

    def _too_much(self, body: Row) -> list[Mistake]:
        """Whether a report would have more values than it may, of the parts that there are now."""
        kind, criteria = ObjectType(body["objectType"]), body["criteria"]
        vnfs = {vnf["instance"]: vnf for vnf in self.agent.store.vnfs()}
        values = 0
        for instance in body["objectInstanceIds"]:
            parts = body.get("subObjectInstanceIds") or (
                parts_of(self.agent, kind, vnfs[instance]) if kind != ObjectType.VNF else (instance,)
            )
            values += len(parts) * len(wanted(kind, criteria, instance))
        values *= criteria["reportingPeriod"] // criteria["collectionPeriod"]
        if values <= MOST_VALUES:
            return []
        return [Mistake(field="criteria", found=f"{values} values in a report", expected=f"at most {MOST_VALUES}",
                        remedy="collect less often, or report more often")]  # fmt: skip

    def _wrong(self, body: Row, objects: list[Any], metrics: list[Any]) -> list[Mistake]:
        """What of objects, their parts and measurements cannot be, as far as a body says them."""
        kind = body.get("objectType")
        if kind not in list(ObjectType):
            return []
        mistakes: list[Mistake] = []
        vnfs = {vnf["instance"]: vnf for vnf in self.agent.store.vnfs()}
        plural = "objectInstanceIds" in body
        for number, instance in enumerate(objects):
            if isinstance(instance, str) and instance not in vnfs:
                field = f"objectInstanceIds.{number}" if plural else "objectInstanceId"
                mistakes.append(Mistake(field=field, found=instance[:60], expected="the id of a VNF instance",
                                        remedy=suggest(instance, vnfs)))  # fmt: skip
        stated = body.get("subObjectInstanceIds", [])
        if stated and len(objects) > 1:
            mistakes.append(Mistake(field="subObjectInstanceIds", found=f"parts of {len(objects)} VNFs",
                                    expected="parts of one"))  # fmt: skip
        elif stated and objects and objects[0] in vnfs:
            known = parts_of(self.agent, ObjectType(kind), vnfs[objects[0]])
            for number, part in enumerate(stated):
                if isinstance(part, str) and part not in known:
                    mistakes.append(Mistake(field=f"subObjectInstanceIds.{number}", found=part[:60],
                                            expected=f"a {kind} of that VNF", remedy=suggest(part, known)))  # fmt: skip
        known_metrics = MEASUREMENTS[ObjectType(kind)]
        for number, metric in enumerate(metrics):
            if not isinstance(metric, str):
                continue
            name, instance_of = measurement(metric)
            if name not in known_metrics or instance_of not in (None, *objects):
                field = f"criteria.performanceMetric{f'.{number}' if plural else ''}"
                mistakes.append(Mistake(field=field, found=metric[:60], expected=f"a measurement of a {kind}",
                                        remedy=suggest(name, known_metrics)))  # fmt: skip
        return mistakes


def _parts(row: Row) -> Row:
    return {"subObjectInstanceIds": row["parts"]} if row["parts"] else {}


def _wrong_criteria(body: Row, metrics: list[str], groups: list[str]) -> list[Mistake]:
    """What of a job's criteria cannot be, by their own."""
    mistakes: list[Mistake] = []
    criteria, kind = body.get("criteria", {}), body.get("objectType")
    group = GROUPS.get(kind)

    def wrong(name: str, found: str, expected: str) -> None:
        mistakes.append(Mistake(field=f"criteria.{name}", found=found, expected=expected))

    if not metrics and not groups:
        wrong("performanceMetric", "nothing", "a measurement, or a group of them")
    for number, each in enumerate(groups if kind is not None else ()):
        if each != group:
            wrong(f"performanceMetricGroup.{number}", each[:60], group or f"none: a {kind} has none")
    collection, reporting = (criteria.get(name) for name in ("collectionPeriod", "reportingPeriod"))
    if collection is None or reporting is None:
        pass
    elif reporting < collection:
        wrong("reportingPeriod", f"{reporting} s", f"at least the collectionPeriod, {collection} s")
    elif reporting > MOST_COLLECTIONS * collection:
        wrong("reportingPeriod", f"{reporting} s", f"at most {MOST_COLLECTIONS} collections: {collection} s each")
    boundary = criteria.get("reportingBoundary")
    if boundary is not None and not is_time(boundary):
        wrong("reportingBoundary", boundary[:60], "a time of RFC 3339")
    elif boundary is not None and datetime.fromisoformat(boundary.upper()) <= datetime.now(UTC):
        wrong("reportingBoundary", boundary[:60], "a time to come")
    return mistakes
