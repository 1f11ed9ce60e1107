"""Schemas of what the ETSI interfaces say, in our own writing after the data types of SOL002 4.5.1 and SOL013."""

from __future__ import annotations

from coven.rest.schema import ANY, FLAG, TEXT, TIME, Schema, mapping, record, ref, several

#: an interface's own identifiers; of a VNF and its VNFCs they are UUIDs
_ID: Schema = {"type": "string", "minLength": 1}
_OPERATIONS: Schema = {"enum": [
    "INSTANTIATE", "SCALE", "SCALE_TO_LEVEL", "CHANGE_FLAVOUR", "TERMINATE", "HEAL", "OPERATE", "CHANGE_EXT_CONN",
    "MODIFY_INFO", "CREATE_SNAPSHOT", "REVERT_TO_SNAPSHOT", "CHANGE_VNFPKG",
]}  # fmt: skip
_CALLBACK: Schema = {"type": "string", "maxLength": 2000, "description": "an http or https URI"}
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
    "VnfIndicatorSubscriptionRequest": record({
        "filter": ref("VnfIndicatorNotificationsFilter"), "callbackUri": _CALLBACK,
        "authentication": ref("SubscriptionAuthentication"),
    }, ("callbackUri",), closed=True),
    "VnfIndicatorNotificationsFilter": record({
        "vnfInstanceSubscriptionFilter": ref("VnfInstanceSubscriptionFilter"),
        "notificationTypes": several({"enum": ["VnfIndicatorValueChangeNotification",
                                               "SupportedIndicatorsChangeNotification"]}),
        "indicatorIds": several(_ID),
    }, (), closed=True),
    "VnfIndicatorSubscription": record({
        "id": _ID, "filter": ref("VnfIndicatorNotificationsFilter"), "callbackUri": _CALLBACK,
        "_links": record({"self": _LINK}),
    }, ("id", "callbackUri", "_links")),
    "VnfIndicatorSubscriptions": several(ref("VnfIndicatorSubscription")),
    # lcmcoord: SOL002 10.5
    "LcmCoordRequest": record({
        "vnfInstanceId": _ID, "vnfLcmOpOccId": _ID, "lcmOperationType": _OPERATIONS, "coordinationActionName": _ID,
        "inputParams": _PAIRS, "_links": mapping(_LINK),
    }, ("vnfInstanceId", "vnfLcmOpOccId", "lcmOperationType", "coordinationActionName"), closed=True),
    "LcmCoord": record({
        "id": _ID, "coordinationResult": {"enum": ["CONTINUE", "ABORT", "CANCELLED"]}, "vnfInstanceId": _ID,
        "vnfLcmOpOccId": _ID, "lcmOperationType": _OPERATIONS, "coordinationActionName": _ID, "outputParams": ANY,
        "warnings": TEXT, "error": ref("Problem"), "_links": mapping(_LINK),
    }, ("id", "coordinationResult", "vnfInstanceId", "vnfLcmOpOccId", "lcmOperationType", "coordinationActionName",
        "_links")),
    # of all interfaces: SOL013 8.3.4
    "VnfInstanceSubscriptionFilter": record({
        "vnfdIds": several(_ID), "vnfInstanceIds": several(_ID), "vnfInstanceNames": several(TEXT),
        "vnfProductsFromProviders": several(record({
            "vnfProvider": TEXT,
            "vnfProducts": several(record({
                "vnfProductName": TEXT,
                "versions": several(record({
                    "vnfSoftwareVersion": TEXT, "vnfdVersions": several(TEXT),
                }, ("vnfSoftwareVersion",), closed=True)),
            }, ("vnfProductName",), closed=True)),
        }, ("vnfProvider",), closed=True)),
    }, (), closed=True),
    "SubscriptionAuthentication": record({
        "authType": {**several({"enum": ["BASIC", "OAUTH2_CLIENT_CREDENTIALS", "TLS_CERT"]}), "minItems": 1},
        "paramsBasic": record({"userName": TEXT, "password": TEXT}, (), closed=True),
        "paramsOauth2ClientCredentials": record({
            "clientId": TEXT, "clientPassword": TEXT, "tokenEndpoint": _CALLBACK}, (), closed=True),
    }, ("authType",), closed=True),
}  # fmt: skip
