"""VNF Fault Management (SOL002 7): the alarms of all VNFs, and who knows of them."""

from __future__ import annotations

import uuid
from typing import Any

from coven.agent.alarms.faults import KINDS, Fault, Severity
from coven.agent.alarms.standing import Alarms
from coven.agent.notifying.outbox import notification
from coven.agent.store import Row, conflict
from coven.rest.routes import JSON, LISTING, MERGE_PATCH, route
from coven.rest.sol.changes import wants
from coven.rest.sol.exchange import demand, root, tag
from coven.rest.sol.subscriptions import Subscriptions
from coven.rest.sol.vnfconfig import vnfc_instance
from coven.rest.sol.vnffm.schemas import ALARM, CLEARED
from coven.rest.sol.vnflcm.shown import described, instance_path

ALARMS = "/vnffm/v1/alarms"
_ONE = f"{ALARMS}/{{alarmId}}"
_SUBSCRIPTIONS = "/vnffm/v1/subscriptions"
_SUBSCRIPTION = f"{_SUBSCRIPTIONS}/{{subscriptionId}}"
_OF_VNFCS = (Fault.VNFC_DOWN, Fault.VNFC_STUCK, Fault.VNFC_OVERLOADED)


class VnfFaults(Subscriptions):
    def __init__(self, *rest: Any):
        super().__init__(*rest)
        self.alarms = Alarms(self.agent)
        self.alarms.observers.append(self)

    def start(self) -> None:
        self.alarms.start()

    def close(self) -> None:
        self.alarms.close()

    @route("GET", ALARMS, "The alarms: those that stand, and the last ones that are cleared", reply="Alarms",
           query=LISTING)  # fmt: skip
    def list_alarms(self) -> list[Row]:
        return [shown(row, root()) for row in self.alarms.all()]

    @route("GET", _ONE, "One alarm", reply="Alarm")
    def read_alarm(self, alarmId: str) -> Row:
        return shown(self.alarms.find(alarmId), root())

    @route("PATCH", _ONE, "Acknowledge it, or take that back", reply="AlarmModifications", body="AlarmModifications",
           media=(MERGE_PATCH, JSON), errors=(409, 412, 507))  # fmt: skip
    def acknowledge_alarm(self, alarmId: str, body: Row) -> Row:
        with self.agent.store.transaction():
            before = shown(self.alarms.find(alarmId), root())
            demand(before)
            if body["ackState"] == before["ackState"]:
                raise conflict(f"it is {before['ackState']} already")
            tag(shown(self.alarms.acknowledge(alarmId, body["ackState"] == "ACKNOWLEDGED"), root()))
        return body

    @route("GET", _SUBSCRIPTIONS, "The subscriptions to alarms", reply="FmSubscriptions", query=LISTING)
    def list_alarm_subscriptions(self) -> list[Row]:
        return self.listed("vnffm")

    @route("POST", _SUBSCRIPTIONS, "Subscribe to alarms; the endpoint is tested", status=201, reply="FmSubscription",
           body="FmSubscriptionRequest", errors=(409, 507))  # fmt: skip
    def subscribe_to_alarms(self, body: Row) -> Row:
        return self.created("vnffm", body)

    @route("GET", _SUBSCRIPTION, "A subscription", reply="FmSubscription")
    def read_alarm_subscription(self, subscriptionId: str) -> Row:
        return self.one("vnffm", subscriptionId)

    @route("DELETE", _SUBSCRIPTION, "End a subscription", status=204, errors=(412, 507))
    def unsubscribe_from_alarms(self, subscriptionId: str) -> None:
        self.removed("vnffm", subscriptionId)

    # telling (SOL002 7.5.2.5, 7.5.2.6)

    def alarm_changed(self, alarm: Row) -> None:
        self._tell(ALARM, alarm, lambda row: {"alarm": shown(alarm, row["root"])}, {})

    def alarm_cleared(self, alarm: Row) -> None:
        self._tell(CLEARED, alarm, lambda row: {"alarmId": alarm["id"], "alarmClearedTime": alarm["cleared"]},
                   {"alarm": f"{ALARMS}/{alarm['id']}"})  # fmt: skip

    def _tell(self, kind: str, alarm: Row, told: Any, links: dict[str, str]) -> None:
        identity, made = str(uuid.uuid4()), []
        for row in self.deliveries.outbox.subscriptions("vnffm"):
            if self._wanted(row, kind, alarm):
                path = {**links, "subscription": f"{_SUBSCRIPTIONS}/{row['id']}"}
                hrefs = {name: {"href": row["root"] + where} for name, where in path.items()}
                made.append((row, notification(kind, row, identity, **told(row), _links=hrefs)))
        if made:
            self.deliveries.outbox.post(made)
            self.deliveries.ring({row["id"] for row, _ in made})  # they wait for the end of this transaction

    def _wanted(self, row: Row, kind: str, alarm: Row) -> bool:
        of = KINDS[Fault(alarm["fault"])]
        facts = {
            "notificationTypes": kind, "faultyResourceTypes": of.resource, "perceivedSeverities": alarm["severity"],
            "eventTypes": of.event, "probableCauses": of.cause,
        }  # fmt: skip
        filter: Row = row["filter"]
        if any(filter.get(part) and fact not in filter[part] for part, fact in facts.items()):
            return False
        about = filter.get("vnfInstanceSubscriptionFilter")
        if not about:
            return True
        vnf = self.agent.store.vnf(alarm["vnf"])
        if vnf is None or vnf["instance"] != alarm["instance"]:  # it is gone: by what is left of it
            return alarm["instance"] in about.get("vnfInstanceIds", ())
        descriptor = described(self.agent, vnf)
        return descriptor is not None and wants(row, vnf, descriptor)


def shown(alarm: Row, root: str) -> Row:
    """Alarm (SOL002 7.5.2.4). `root`: the apiRoot of its links."""
    of = KINDS[Fault(alarm["fault"])]
    found: Row = {"id": alarm["id"], "managedObjectId": alarm["instance"]}
    if alarm["fault"] in _OF_VNFCS:
        found["vnfcInstanceIds"] = [vnfc_instance(alarm, alarm["place"])]
    times = {"alarmChangedTime": "changed", "alarmClearedTime": "cleared", "alarmAcknowledgedTime": "acknowledged"}
    return {
        **found,
        "rootCauseFaultyResource": {
            "faultyResource": {"resourceId": "/".join(filter(None, (alarm["vnf"], alarm["place"])))},
            "faultyResourceType": of.resource,
        },
        "alarmRaisedTime": alarm["raised"],
        **{name: alarm[column] for name, column in times.items() if alarm[column] is not None},
        "ackState": "UNACKNOWLEDGED" if alarm["acknowledged"] is None else "ACKNOWLEDGED",
        "perceivedSeverity": alarm["severity"] if alarm["cleared"] is None else Severity.CLEARED,
        "eventTime": alarm["began"], "eventType": of.event, "faultType": alarm["fault"], "probableCause": of.cause,
        "isRootCause": True, "faultDetails": alarm["details"],
        "_links": {"self": {"href": f"{root}{ALARMS}/{alarm['id']}"},
                   "objectInstance": {"href": root + instance_path(alarm["instance"])}},
    }  # fmt: skip
