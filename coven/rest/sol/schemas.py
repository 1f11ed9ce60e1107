"""Schemas of what the ETSI interfaces say, in our own writing after the data types of SOL002 4.5.1 and SOL013."""

from __future__ import annotations

from coven.rest.schema import ANY, FLAG, TEXT, TIME, Schema, mapping, record, ref, several

#: an interface's own identifiers; of a VNF and its VNFCs they are UUIDs
_ID: Schema = {"type": "string", "minLength": 1}
_PAIRS: Schema = {**mapping(ANY), "description": "a map from key to value"}
_LINK = ref("Link")
_SPECIFIC: Schema = {**mapping({"type": ["object", "null"]}), "description": "a map from VNFC to its configuration"}
_CPS: Schema = several(ref("CpConfiguration"))
_CP_CONFIGURATION: Schema = record({
    "cpId": _ID, "cpdId": _ID,
    "addresses": {**several(record({
        "address": record({"macAddress": TEXT, "ipAddress": TEXT}, (), closed=True),
        "useDynamicAddress": FLAG, "port": {"type": "integer"},
    }, (), closed=True)), "minItems": 1},
}, closed=True)  # fmt: skip

SCHEMAS: Schema = {
    "Link": record({"href": {"type": "string", "format": "uri-reference"}}),
    "ApiVersionInformation": record({
        "uriPrefix": TEXT,
        "apiVersions": several(record({"version": TEXT, "isDeprecated": FLAG, "retirementDate": TIME}, ("version",))),
    }),
    # vnfconfig: SOL002 9.5
    "CpConfiguration": _CP_CONFIGURATION,
    "VnfConfiguration": record({
        "vnfConfigurationData": record({"extCpConfig": _CPS, "vnfSpecificData": _PAIRS}),
        "vnfcConfigurationData": several(record({"vnfcInstanceId": _ID, "vnfcSpecificData": _PAIRS})),
    }),
    "VnfConfigModifications": {
        **record({
            "vnfConfigurationData": record({
                # to 2.6.1 one object, later a list of them
                "extCpConfig": {"anyOf": [_CPS, ref("CpConfiguration")], "description": "a list of CpConfiguration"},
                "vnfSpecificData": _SPECIFIC,
            }, (), closed=True),
            "vnfcConfigurationData": several(record({
                "vnfcInstanceId": _ID, "vnfcSpecificData": _SPECIFIC, "intCpConfig": {**_CPS, "maxItems": 0},
            }, ("vnfcInstanceId",), closed=True)),
            "vnfcConfigurationDataDeleteIds": several(_ID),
        }, (), closed=True),
        "minProperties": 1, "description": "an object that says what to change",
    },
    # vnfind: SOL002 8.5
    "VnfIndicator": record({
        "id": _ID, "name": TEXT, "value": record({"value": ANY, "unit": TEXT}), "vnfInstanceId": _ID,
        "_links": record({"self": _LINK, "vnfInstance": _LINK}),
    }),
    "VnfIndicators": several(ref("VnfIndicator")),
}  # fmt: skip
