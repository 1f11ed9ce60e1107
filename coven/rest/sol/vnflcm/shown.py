"""VNF instances and operation occurrences as vnflcm shows them (SOL002 5.5.2.2, 5.5.2.13)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from coven.agent.lifecycle import Lifecycle
from coven.agent.states import DECISIONS, State
from coven.agent.store import Row, resting
from coven.base.problem import problem
from coven.package.csar.vnfd import FLAVOUR, VDU
from coven.package.model import Descriptor
from coven.rest.masks import Masks
from coven.rest.sol.vnfconfig import vnfc_instance
from coven.rest.sol.vnflcm import connections
from itf.mistakes import Mistake, Refused

INSTANCES, OCCURRENCES = "/vnflcm/v2/vnf_instances", "/vnflcm/v2/vnf_lcm_op_occs"

#: an operation as the standard calls it, where that is otherwise
NAMES = {"UPGRADE": "CHANGE_VNFPKG"}
#: what may be asked of an instance, by its state: the link's name, the resource
_TASKS = {
    "NOT_INSTANTIATED": {"instantiate": "instantiate"},
    "INSTANTIATED": {
        "terminate": "terminate", "heal": "heal", "operate": "operate", "changeExtConn": "change_ext_conn",
        "changeCurrentVnfPkg": "change_vnfpkg",
    },
}  # fmt: skip
#: how an operation that is done has changed the VNFCs
_CHANGES = {"INSTANTIATE": "ADDED", "TERMINATE": "REMOVED", "HEAL": "MODIFIED", "UPGRADE": "MODIFIED"}


def name_of(operation: Row) -> str:
    return NAMES.get(operation["operation"], str(operation["operation"]))


def described(agent: Lifecycle, vnf: Row) -> Descriptor | None:
    """None: it is of a foreign package, which cannot be instantiated."""
    try:
        return agent.descriptor(vnf["package"])
    except Refused:
        return None


def instance_path(instance: str) -> str:
    return f"{INSTANCES}/{instance}"


def occurrence_path(operation: Row) -> str:
    return f"{OCCURRENCES}/{operation['id']}"


def instance(agent: Lifecycle, vnf: Row, root: str) -> Row:
    """VnfInstance. `root`: the apiRoot of its links."""
    package, descriptor = agent.store.package(vnf["package"]), described(agent, vnf)
    assert package is not None  # a package in use cannot be deleted
    path, state = root + instance_path(vnf["instance"]), vnf["instantiation_state"]
    about: Row = vnf["about"]
    shown: Row = {
        "id": vnf["instance"], "vnfInstanceName": vnf["name"] if vnf["title"] is None else vnf["title"],
        **{key: about[key] for key in ("vnfInstanceDescription",) if key in about},
        "vnfdId": package["vnfd_id"], "vnfProvider": package["provider"],
        "vnfProductName": (descriptor.product if descriptor else "") or package["name"],
        "vnfSoftwareVersion": package["version"], "vnfdVersion": package["version"],
    }  # fmt: skip
    if descriptor is not None:
        shown["vnfConfigurableProperties"] = Masks(descriptor).over(vnf["config"] or descriptor.config)
    shown["instantiationState"] = state
    if state == "INSTANTIATED":
        shown["instantiatedVnfInfo"] = {
            "flavourId": FLAVOUR, "vnfState": vnf["operational_state"], "extCpInfo": connections.points(vnf),
            "extVirtualLinkInfo": connections.links(vnf), **_vnfcs(vnf, descriptor),
        }  # fmt: skip
    tasks = {} if agent.store.unfinished(vnf["name"]) else _TASKS[state]
    shown["_links"] = {
        "self": {"href": path}, "indicators": {"href": f"{root}/vnfind/v1/indicators/{vnf['instance']}"},
        **{link: {"href": f"{path}/{resource}"} for link, resource in tasks.items()},
    }  # fmt: skip
    return {**shown, **{key: about[key] for key in ("metadata", "extensions") if key in about}}


def _vnfcs(vnf: Row, descriptor: Descriptor | None) -> Row:
    names = list(descriptor.vnfcs) if descriptor else []
    ids = {name: vnfc_instance(vnf, name) for name in names}
    return {
        "vnfcResourceInfo": [_resource(vnf, name, ids[name]) for name in names],
        "vnfcInfo": [{"id": ids[name], "vduId": VDU, "vnfcResourceInfoId": ids[name],
                      "vnfcState": vnf["operational_state"]} for name in names],
    }  # fmt: skip


def _resource(vnf: Row, name: str, identity: str) -> Row:
    return {"id": identity, "vduId": VDU, "computeResource": {"resourceId": f"{vnf['name']}/{name}"},
            "metadata": {"name": name}}  # fmt: skip


def occurrence(agent: Lifecycle, operation: Row, root: str) -> Row:
    """VnfLcmOpOcc. `root`: the apiRoot of its links."""
    path = root + occurrence_path(operation)
    mode = agent.cancelling.get(operation["id"])
    shown: Row = {
        "id": operation["id"], "operationState": operation["state"], "stateEnteredTime": operation["entered"],
        "startTime": operation["started"], "vnfInstanceId": operation["instance"], "operation": name_of(operation),
        "isAutomaticInvocation": bool(operation["automatic"]),
        "operationParams": operation["params"] or _params(operation),
        "isCancelPending": mode is not None, **({"cancelMode": mode} if mode else {}), **outcome(agent, operation),
    }  # fmt: skip
    tasks = [decision for decision, further in DECISIONS.items() if State(operation["state"]) in further]
    if operation["state"] == State.FAILED_TEMP and not resting(operation):
        tasks = []
    shown["_links"] = {
        "self": {"href": path}, "vnfInstance": {"href": root + instance_path(operation["instance"])},
        **{str(task): {"href": f"{path}/{task}"} for task in tasks},
    }  # fmt: skip
    return shown


def _params(operation: Row) -> Row:
    """The request that would have begun what was begun otherwise."""
    match operation["operation"]:
        case "INSTANTIATE":
            return {"flavourId": FLAVOUR}
        case "OPERATE":
            return {"changeStateTo": operation["target"]}
        case "TERMINATE":
            return {"terminationType": "FORCEFUL"}
    return {}


def outcome(agent: Lifecycle, operation: Row) -> Row:
    """What an operation has come to: error, or what it changed."""
    kind, params = operation["operation"], operation["params"] or {}
    if operation["errors"] and operation["state"] not in (State.STARTING, State.PROCESSING, State.COMPLETED):
        mistakes = [Mistake.from_dict(each) for each in operation["errors"]]
        return {"error": problem(HTTPStatus.INTERNAL_SERVER_ERROR, f"{name_of(operation)} failed", mistakes)}
    if operation["state"] != State.COMPLETED:
        return {}
    found: Row = {}
    if kind in _CHANGES and (affected := _affected(agent, operation)):
        found["resourceChanges"] = {"affectedVnfcs": affected}
    if kind == "MODIFY_INFO":
        found["changedInfo"] = params
    if kind in ("INSTANTIATE", "CHANGE_EXT_CONN", "UPGRADE") and (changed := connections.connectivity(operation)):
        found["changedExtConnectivity"] = changed
    return found


def _affected(agent: Lifecycle, operation: Row) -> list[Row]:
    vnf = agent.store.vnf(operation["vnf"])
    if vnf is None or vnf["instance"] != operation["instance"]:
        return []
    descriptor = described(agent, vnf)
    names: list[Any] = list(descriptor.vnfcs) if descriptor else []
    change = {"changeType": _CHANGES[operation["operation"]]}
    return [{**_resource(vnf, name, vnfc_instance(vnf, name)), **change} for name in names]
