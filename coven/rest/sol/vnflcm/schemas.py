"""Schemas of VNF Lifecycle Management, in our own writing after the data types of SOL002 5.5."""

from __future__ import annotations

from coven.agent.states import CancelMode, State
from coven.rest.schema import COUNT, FLAG, TEXT, TIME, Schema, mapping, record, ref, several
from coven.rest.sol.schemas import CALLBACK, ID, LINK, OPERATIONS, PAIRS
from coven.rest.sol.selectors import EXCLUDED

#: what subscribers are told (SOL002 5.5.2.16 to 5.5.2.18)
OCCURRENCE, CREATION, DELETION = (
    "VnfLcmOperationOccurrenceNotification", "VnfIdentifierCreationNotification", "VnfIdentifierDeletionNotification",
)  # fmt: skip

_STATES: Schema = {"enum": [str(each) for each in State]}
_STATE: Schema = {"enum": ["STARTED", "STOPPED"]}
_CONFIGURED: Schema = {**mapping({"type": ["object", "null"]}), "description": "a map from VNFC to its configuration"}
_NULL_TEXT: Schema = {"type": ["string", "null"]}
_NULL_PAIRS: Schema = {"type": ["object", "null"], "description": "a map from key to value"}
_MAC: Schema = {
    "type": "string", "pattern": "^[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}$", "description": "six bytes in hex",
}  # fmt: skip
_LINKS: Schema = several(ref("ExtVirtualLinkData"))
_HANDLE: Schema = record({
    "vimConnectionId": ID, "resourceProviderId": ID, "vimLevelResourceType": TEXT,
    "resourceId": {**ID, "description": "the name of an interface, or its MAC address"},
}, ("resourceId",))  # fmt: skip
_RESOURCE: Schema = record({"resourceId": ID})
_VNFCS: Schema = several(record({
    "id": ID, "vduId": ID, "changeType": {"enum": ["ADDED", "REMOVED", "MODIFIED", "TEMPORARY"]},
    "computeResource": _RESOURCE, "metadata": PAIRS,
}))  # fmt: skip
_TYPE: Schema = {"enum": ["FORCEFUL", "GRACEFUL"]}
_FREELY: Schema = {**PAIRS, "description": "a map; it is kept, and means nothing here"}

SCHEMAS: Schema = {
    # requests
    "CreateVnfRequest": record({
        "vnfdId": ID, "vnfInstanceName": TEXT, "vnfInstanceDescription": TEXT, "metadata": PAIRS,
    }, ("vnfdId",), closed=True),
    "ExtVirtualLinkData": record({
        "id": ID, "vimConnectionId": ID, "resourceProviderId": ID,
        "resourceId": {**ID, "description": "of a network; or an interface, for a port that is alone on it"},
        "extCps": {**several(record({
            "cpdId": {**ID, "description": "PORT_ext, or the port's name"},
            "cpConfig": {**mapping(record({
                "linkPortId": ID, "parentCpConfigId": ID, "createExtLinkPort": FLAG,
                "cpProtocolData": several(record({
                    "layerProtocol": {"enum": ["IP_OVER_ETHERNET"]},
                    "ipOverEthernet": record({
                        "macAddress": _MAC, "segmentationId": TEXT, "segmentationType": TEXT,
                        "ipAddresses": several(PAIRS),
                    }, (), closed=True),
                }, ("layerProtocol",), closed=True)),
            }, (), closed=True)), "maxProperties": 1, "description": "a map with one configuration"},
        }, ("cpdId",), closed=True)), "minItems": 1},
        "extLinkPorts": several(record({"id": ID, "resourceHandle": _HANDLE, "trunkResourceId": ID},
                                       ("id", "resourceHandle"), closed=True)),
    }, ("id", "resourceId", "extCps"), closed=True),
    "InstantiateVnfRequest": record({
        "flavourId": TEXT, "instantiationLevelId": TEXT, "extVirtualLinks": _LINKS,
        "extManagedVirtualLinks": {**several(PAIRS), "maxItems": 0}, "localizationLanguage": TEXT,
        "vimConnectionInfo": _FREELY, "extensions": PAIRS, "vnfConfigurableProperties": _CONFIGURED,
        "additionalParams": record({
            "config": _CONFIGURED, "latency": {"enum": ["low", "normal"]},
            "start": {**FLAG, "description": "whether packets pass from then on; true unless stated"},
        }, (), closed=True),
    }, ("flavourId",), closed=True),
    "OperateVnfRequest": record({
        "vnfcInstanceId": {**several(ID), "maxItems": 0, "description": "nothing: the VNF starts and stops as a whole"},
        "changeStateTo": _STATE, "stopType": _TYPE, "gracefulStopTimeout": COUNT, "additionalParams": _FREELY,
    }, ("changeStateTo",), closed=True),
    "HealVnfRequest": record({
        "vnfcInstanceId": several(ID), "cause": TEXT, "additionalParams": _FREELY, "healScript": TEXT,
    }, (), closed=True),
    "TerminateVnfRequest": record({
        "terminationType": _TYPE, "gracefulTerminationTimeout": COUNT, "additionalParams": _FREELY,
    }, ("terminationType",), closed=True),
    "ChangeExtVnfConnectivityRequest": record({
        "extVirtualLinks": {**_LINKS, "minItems": 1}, "vimConnectionInfo": _FREELY, "additionalParams": _FREELY,
    }, ("extVirtualLinks",), closed=True),
    "ChangeCurrentVnfPkgRequest": record({
        "vnfdId": ID, "extVirtualLinks": _LINKS, "vnfConfigurableProperties": _CONFIGURED, "extensions": PAIRS,
        "vimConnectionInfo": _FREELY, "additionalParams": _FREELY,
    }, ("vnfdId",), closed=True),
    "VnfInfoModificationRequest": {
        **record({
            "vnfInstanceName": _NULL_TEXT, "vnfInstanceDescription": _NULL_TEXT, "vnfdId": ID,
            "vnfConfigurableProperties": _CONFIGURED, "metadata": _NULL_PAIRS, "extensions": _NULL_PAIRS,
            "vnfcInfoModifications": several(record({"id": ID, "vnfcConfigurableProperties": PAIRS}, closed=True)),
        }, (), closed=True),
        "minProperties": 1, "description": "an object that says what to change",
    },
    "CancelMode": record({"cancelMode": {"enum": [str(each) for each in CancelMode]}}, closed=True),
    # what there is
    "VnfInstance": {
        **record({
            "id": ID, "vnfInstanceName": TEXT, "vnfInstanceDescription": TEXT, "vnfdId": ID, "vnfProvider": TEXT,
            "vnfProductName": TEXT, "vnfSoftwareVersion": TEXT, "vnfdVersion": TEXT,
            "vnfConfigurableProperties": PAIRS, "instantiationState": {"enum": ["NOT_INSTANTIATED", "INSTANTIATED"]},
            "instantiatedVnfInfo": record({
                "flavourId": TEXT, "vnfState": _STATE,
                "extCpInfo": several(record({
                    "id": ID, "cpdId": ID, "cpConfigId": ID, "extLinkPortId": ID, "metadata": PAIRS,
                    "cpProtocolInfo": several(record({
                        "layerProtocol": {"enum": ["IP_OVER_ETHERNET"]},
                        "ipOverEthernet": record({"macAddress": TEXT}, ()),
                    })),
                }, ("id", "cpdId", "cpConfigId", "cpProtocolInfo"))),
                "extVirtualLinkInfo": several(record({
                    "id": ID, "resourceHandle": _RESOURCE,
                    "extLinkPorts": several(record({
                        "id": ID, "resourceHandle": _RESOURCE, "cpInstanceId": ID,
                    }, ("id", "resourceHandle"))),
                    "currentVnfExtCpData": several(PAIRS),
                }, ("id", "resourceHandle", "currentVnfExtCpData"))),
                "vnfcResourceInfo": several(record({
                    "id": ID, "vduId": ID, "computeResource": _RESOURCE, "metadata": PAIRS})),
                "vnfcInfo": several(record({"id": ID, "vduId": ID, "vnfcResourceInfoId": ID, "vnfcState": TEXT})),
            }),
            "metadata": PAIRS, "extensions": PAIRS, "_links": mapping(LINK),
        }, ("id", "vnfInstanceName", "vnfdId", "vnfProvider", "vnfProductName", "vnfSoftwareVersion", "vnfdVersion",
            "instantiationState", "_links")),
        EXCLUDED: ["vnfConfigurableProperties", "instantiatedVnfInfo", "metadata", "extensions"],
    },
    "VnfInstances": several(ref("VnfInstance")),
    "VnfLcmOpOcc": {
        **record({
            "id": ID, "operationState": _STATES, "stateEnteredTime": TIME, "startTime": TIME, "vnfInstanceId": ID,
            "operation": OPERATIONS, "isAutomaticInvocation": FLAG, "operationParams": PAIRS, "isCancelPending": FLAG,
            "cancelMode": {"enum": [str(each) for each in CancelMode]}, "error": ref("Problem"),
            "resourceChanges": record({"affectedVnfcs": _VNFCS}), "changedInfo": PAIRS,
            "changedExtConnectivity": several(PAIRS), "warnings": several(TEXT), "_links": mapping(LINK),
        }, ("id", "operationState", "stateEnteredTime", "startTime", "vnfInstanceId", "operation",
            "isAutomaticInvocation", "isCancelPending", "_links")),
        EXCLUDED: ["operationParams", "error", "resourceChanges", "changedInfo", "changedExtConnectivity"],
    },
    "VnfLcmOpOccs": several(ref("VnfLcmOpOcc")),
    # subscriptions
    "LifecycleChangeNotificationsFilter": record({
        "vnfInstanceSubscriptionFilter": ref("VnfInstanceSubscriptionFilter"),
        "notificationTypes": several({"enum": [OCCURRENCE, CREATION, DELETION]}),
        "operationTypes": several(OPERATIONS), "operationStates": several(_STATES),
    }, (), closed=True),
    "LccnSubscriptionRequest": record({
        "filter": ref("LifecycleChangeNotificationsFilter"), "callbackUri": CALLBACK,
        "authentication": ref("SubscriptionAuthentication"), "verbosity": {"enum": ["FULL", "SHORT"]},
    }, ("callbackUri",), closed=True),
    "LccnSubscription": record({
        "id": ID, "filter": ref("LifecycleChangeNotificationsFilter"), "callbackUri": CALLBACK,
        "verbosity": {"enum": ["FULL", "SHORT"]}, "_links": record({"self": LINK}),
    }, ("id", "callbackUri", "verbosity", "_links")),
    "LccnSubscriptions": several(ref("LccnSubscription")),
}  # fmt: skip
