"""Schemas of what the ETSI interfaces say, in our own writing after the data types of SOL002 4.5.1 and SOL013."""

from __future__ import annotations

from coven.rest.schema import ANY, FLAG, TEXT, TIME, Schema, mapping, record, ref, several

#: an interface's own identifiers; of a VNF and its VNFCs they are UUIDs
ID: Schema = {"type": "string", "minLength": 1}
OPERATIONS: Schema = {"enum": [
    "INSTANTIATE", "SCALE", "SCALE_TO_LEVEL", "CHANGE_FLAVOUR", "TERMINATE", "HEAL", "OPERATE", "CHANGE_EXT_CONN",
    "MODIFY_INFO", "CREATE_SNAPSHOT", "REVERT_TO_SNAPSHOT", "CHANGE_VNFPKG", "SELECT_DEPL_MODS",
]}  # fmt: skip
CALLBACK: Schema = {"type": "string", "maxLength": 2000, "description": "an http or https URI"}
PAIRS: Schema = {**mapping(ANY), "description": "a map from key to value"}
LINK = ref("Link")
_SPECIFIC: Schema = {**mapping({"type": ["object", "null"]}), "description": "a map from VNFC to its configuration"}
_CPS: Schema = several(ref("CpConfiguration"))
_CP_CONFIGURATION: Schema = record({
    "cpId": ID, "cpdId": ID,
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
        "vnfConfigurationData": record({"extCpConfig": _CPS, "vnfSpecificData": PAIRS}),
        "vnfcConfigurationData": several(record({"vnfcInstanceId": ID, "vnfcSpecificData": PAIRS})),
    }),
    "VnfConfigModifications": {
        **record({
            "vnfConfigurationData": record({
                # to 2.6.1 one object, later a list of them
                "extCpConfig": {"anyOf": [_CPS, ref("CpConfiguration")], "description": "a list of CpConfiguration"},
                "vnfSpecificData": _SPECIFIC,
            }, (), closed=True),
            "vnfcConfigurationData": several(record({
                "vnfcInstanceId": ID, "vnfcSpecificData": _SPECIFIC, "intCpConfig": {**_CPS, "maxItems": 0},
            }, ("vnfcInstanceId",), closed=True)),
            "vnfcConfigurationDataDeleteIds": several(ID),
        }, (), closed=True),
        "minProperties": 1, "description": "an object that says what to change",
    },
    # vnfind: SOL002 8.5
    "VnfIndicator": record({
        "id": ID, "name": TEXT, "value": record({"value": ANY, "unit": TEXT}), "vnfInstanceId": ID,
        "_links": record({"self": LINK, "vnfInstance": LINK}),
    }),
    "VnfIndicators": several(ref("VnfIndicator")),
    "VnfIndicatorSubscriptionRequest": record({
        "filter": ref("VnfIndicatorNotificationsFilter"), "callbackUri": CALLBACK,
        "authentication": ref("SubscriptionAuthentication"),
    }, ("callbackUri",), closed=True),
    "VnfIndicatorNotificationsFilter": record({
        "vnfInstanceSubscriptionFilter": ref("VnfInstanceSubscriptionFilter"),
        "notificationTypes": several({"enum": ["VnfIndicatorValueChangeNotification",
                                               "SupportedIndicatorsChangeNotification"]}),
        "indicatorIds": several(ID),
    }, (), closed=True),
    "VnfIndicatorSubscription": record({
        "id": ID, "filter": ref("VnfIndicatorNotificationsFilter"), "callbackUri": CALLBACK,
        "_links": record({"self": LINK}),
    }, ("id", "callbackUri", "_links")),
    "VnfIndicatorSubscriptions": several(ref("VnfIndicatorSubscription")),
    # lcmcoord: SOL002 10.5
    "LcmCoordRequest": record({
        "vnfInstanceId": ID, "vnfLcmOpOccId": ID, "lcmOperationType": OPERATIONS, "coordinationActionName": ID,
        "inputParams": PAIRS, "_links": mapping(LINK),
    }, ("vnfInstanceId", "vnfLcmOpOccId", "lcmOperationType", "coordinationActionName"), closed=True),
    "LcmCoord": record({
        "id": ID, "coordinationResult": {"enum": ["CONTINUE", "ABORT", "CANCELLED"]}, "vnfInstanceId": ID,
        "vnfLcmOpOccId": ID, "lcmOperationType": OPERATIONS, "coordinationActionName": ID, "outputParams": ANY,
        "warnings": TEXT, "error": ref("Problem"), "_links": mapping(LINK),
    }, ("id", "coordinationResult", "vnfInstanceId", "vnfLcmOpOccId", "lcmOperationType", "coordinationActionName",
        "_links")),
    # of all interfaces: SOL013 8.3.4
    "VnfInstanceSubscriptionFilter": record({
        "vnfdIds": several(ID), "vnfInstanceIds": several(ID), "vnfInstanceNames": several(TEXT),
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
            "clientId": TEXT, "clientPassword": TEXT, "tokenEndpoint": CALLBACK}, (), closed=True),
    }, ("authType",), closed=True),
}  # fmt: skip
