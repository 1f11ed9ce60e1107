"""Schemas of VNF Performance Management, in our own writing after the data types of SOL002 6.5."""

from __future__ import annotations

from coven.rest.schema import ANY, COUNT, TEXT, TIME, Schema, record, ref, several
from coven.rest.sol.schemas import CALLBACK, ID, LINK
from coven.rest.sol.selectors import EXCLUDED
from coven.rest.sol.vnfpm.measurements import ObjectType

LEAST_SECONDS, MOST_SECONDS = 1, 86_400  #: of a period
_TYPE: Schema = {"enum": [str(each) for each in ObjectType]}
_PERIOD: Schema = {
    "type": "integer", "minimum": LEAST_SECONDS, "maximum": MOST_SECONDS,
    "description": f"an integer from {LEAST_SECONDS} to {MOST_SECONDS} s",
}  # fmt: skip
_IDS: Schema = {**several(ID), "minItems": 1, "maxItems": 64}
_METRICS: Schema = {**several(ID), "maxItems": 64}
_CRITERIA: Schema = record({
    "performanceMetric": _METRICS, "performanceMetricGroup": _METRICS, "collectionPeriod": _PERIOD,
    "reportingPeriod": _PERIOD, "reportingBoundary": {**TIME, "description": "a time of RFC 3339"},
}, ("collectionPeriod", "reportingPeriod"), closed=True)  # fmt: skip
_NUMBER: Schema = {"type": "number", "description": "a number"}
_THRESHOLD: Schema = record({
    "performanceMetric": ID, "thresholdType": {"enum": ["SIMPLE"]},
    "simpleThresholdDetails": record({
        "thresholdValue": _NUMBER, "hysteresis": {**_NUMBER, "minimum": 0, "description": "a number of at least 0"},
    }, ("thresholdValue",), closed=True),
}, ("performanceMetric", "thresholdType", "simpleThresholdDetails"), closed=True)  # fmt: skip
_CALLED: Schema = {"callbackUri": CALLBACK, "authentication": ref("SubscriptionAuthentication")}

SCHEMAS: Schema = {
    "CreatePmJobRequest": record({
        "objectType": _TYPE, "objectInstanceIds": _IDS, "subObjectInstanceIds": _IDS, "criteria": _CRITERIA, **_CALLED,
    }, ("objectType", "objectInstanceIds", "criteria", "callbackUri"), closed=True),
    "PmJob": {
        **record({
            "id": ID, "objectType": _TYPE, "objectInstanceIds": _IDS, "subObjectInstanceIds": _IDS,
            "criteria": _CRITERIA, "callbackUri": CALLBACK,
            "reports": several(record({"href": {"type": "string", "format": "uri-reference"}, "readyTime": TIME,
                                       "fileSize": COUNT})),
            "_links": record({"self": LINK, "objects": several(LINK)}),
        }, ("id", "objectType", "objectInstanceIds", "criteria", "callbackUri", "_links")),
        EXCLUDED: ["reports"],
    },
    "PmJobs": several(ref("PmJob")),
    "PmModifications": {
        **record(_CALLED, (), closed=True), "minProperties": 1, "description": "an object that says what to change",
    },
    "PerformanceReport": record({
        "entries": {**several(record({
            "objectType": _TYPE, "objectInstanceId": ID, "subObjectInstanceId": ID, "performanceMetric": ID,
            "performanceValues": several(record({"timeStamp": TIME, "value": ANY})),
        }, ("objectType", "objectInstanceId", "performanceMetric"))), "minItems": 1},
    }),
    "CreateThresholdRequest": record({
        "objectType": _TYPE, "objectInstanceId": ID, "subObjectInstanceIds": _IDS, "criteria": _THRESHOLD, **_CALLED,
    }, ("objectType", "objectInstanceId", "criteria", "callbackUri"), closed=True),
    "Threshold": record({
        "id": ID, "objectType": _TYPE, "objectInstanceId": ID, "subObjectInstanceIds": _IDS, "criteria": _THRESHOLD,
        "callbackUri": CALLBACK, "_links": record({"self": LINK, "object": LINK}, ("self",)),
    }, ("id", "objectType", "objectInstanceId", "criteria", "callbackUri", "_links")),
    "Thresholds": several(ref("Threshold")),
    "CallbackModified": record({"callbackUri": TEXT}),
}  # fmt: skip
