"""Schemas of VNF Fault Management, in our own writing after the data types of SOL002 7.5."""

from __future__ import annotations

from coven.agent.alarms.faults import KINDS, Resource, Severity
from coven.rest.schema import FLAG, TEXT, TIME, Schema, record, ref, several
from coven.rest.sol.schemas import CALLBACK, ID, LINK

#: what subscribers are told (SOL002 7.5.2.5 to 7.5.2.7); nothing is ever rebuilt
ALARM, CLEARED, REBUILT = "AlarmNotification", "AlarmClearedNotification", "AlarmListRebuiltNotification"

_SEVERITY: Schema = {"enum": [*map(str, Severity), "INDETERMINATE"]}
_EVENT: Schema = {"enum": [
    "COMMUNICATIONS_ALARM", "PROCESSING_ERROR_ALARM", "ENVIRONMENTAL_ALARM", "QOS_ALARM", "EQUIPMENT_ALARM",
]}  # fmt: skip
_RESOURCE: Schema = {"enum": [*map(str, Resource), "STORAGE"]}
_ACKNOWLEDGED: Schema = {"enum": ["UNACKNOWLEDGED", "ACKNOWLEDGED"]}

SCHEMAS: Schema = {
    "Alarm": record({
        "id": ID, "managedObjectId": ID, "vnfcInstanceIds": several(ID),
        "rootCauseFaultyResource": record({
            "faultyResource": record({"resourceId": ID}), "faultyResourceType": _RESOURCE,
        }),
        "alarmRaisedTime": TIME, "alarmChangedTime": TIME, "alarmClearedTime": TIME, "alarmAcknowledgedTime": TIME,
        "ackState": _ACKNOWLEDGED, "perceivedSeverity": _SEVERITY, "eventTime": TIME, "eventType": _EVENT,
        "faultType": {"enum": [str(each) for each in KINDS]}, "probableCause": TEXT, "isRootCause": FLAG,
        "faultDetails": several(TEXT), "_links": record({"self": LINK, "objectInstance": LINK}),
    }, ("id", "managedObjectId", "alarmRaisedTime", "ackState", "perceivedSeverity", "eventTime", "eventType",
        "probableCause", "isRootCause", "_links")),
    "Alarms": several(ref("Alarm")),
    "AlarmModifications": record({"ackState": _ACKNOWLEDGED}, closed=True),
    "FmNotificationsFilter": record({
        "vnfInstanceSubscriptionFilter": ref("VnfInstanceSubscriptionFilter"),
        "notificationTypes": several({"enum": [ALARM, CLEARED, REBUILT]}), "faultyResourceTypes": several(_RESOURCE),
        "perceivedSeverities": several(_SEVERITY), "eventTypes": several(_EVENT), "probableCauses": several(TEXT),
    }, (), closed=True),
    "FmSubscriptionRequest": record({
        "filter": ref("FmNotificationsFilter"), "callbackUri": CALLBACK,
        "authentication": ref("SubscriptionAuthentication"),
    }, ("callbackUri",), closed=True),
    "FmSubscription": record({
        "id": ID, "filter": ref("FmNotificationsFilter"), "callbackUri": CALLBACK, "_links": record({"self": LINK}),
    }, ("id", "callbackUri", "_links")),
    "FmSubscriptions": several(ref("FmSubscription")),
}  # fmt: skip
