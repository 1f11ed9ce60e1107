"""VNF instances and what may be done with them (SOL002 5.4.2 to 5.4.11): the lifecycle in the words of a VNFM."""

from __future__ import annotations

import re
import uuid
from copy import deepcopy

from coven.agent.operations import Terms
from coven.agent.store import Row, conflict, missing
from coven.base.problem import joined
from coven.base.reading import RESERVED_NAMES
from coven.package.csar.vnfd import FLAVOUR, LEVEL
from coven.package.model import Descriptor
from coven.rest import web
from coven.rest.masks import Masks
from coven.rest.routes import JSON, LISTING, MERGE_PATCH, route
from coven.rest.schema import NAME
from coven.rest.sol.exchange import Interface, demand, root
from coven.rest.sol.merge_patch import merged
from coven.rest.sol.vnfconfig import vnfc_instance
from coven.rest.sol.vnflcm import connections, shown
from itf.mistakes import Mistake, Refused, suggest

_PATH = f"{shown.INSTANCES}/{{vnfInstanceId}}"
#: of what begins an operation, which its Location names
_BEGIN: Row = {"status": 202, "errors": (409, 507)}
_ABOUT = ("vnfInstanceDescription", "metadata", "extensions")


class VnfInstances(Interface):
    @route("GET", shown.INSTANCES, "The VNF instances", reply="VnfInstances", query=LISTING)
    def list_instances(self) -> list[Row]:
        return [shown.instance(self.agent, vnf, root()) for vnf in self.agent.store.vnfs()]

    @route("POST", shown.INSTANCES, "Create a VNF instance of a package, by its VNFD's id", status=201,
           reply="VnfInstance", body="CreateVnfRequest", errors=(409, 507))  # fmt: skip
    def create_instance(self, body: Row) -> Row:
        package = self._package(body["vnfdId"])
        wanted = body.get("vnfInstanceName")
        about = {key: body[key] for key in _ABOUT if key in body}
        with self.agent.store.transaction():
            name = self._free_name(wanted, package["name"])
            title = wanted if wanted != name else None
            vnf = self.agent.store.add_vnf(name, package["id"], title=title, about=about)
        made = shown.instance(self.agent, vnf, root())
        web.located(made["_links"]["self"]["href"])
        return made

    @route("GET", _PATH, "One VNF instance", reply="VnfInstance")
    def read_instance(self, vnfInstanceId: str) -> Row:
        return shown.instance(self.agent, self._vnf(vnfInstanceId), root())

    @route("PATCH", _PATH, "Change what is known of it, and its configuration", body="VnfInfoModificationRequest",
           media=(MERGE_PATCH, JSON), status=202, errors=(409, 412, 507))  # fmt: skip
    def modify_instance(self, vnfInstanceId: str, body: Row) -> None:
        vnf = self._vnf(vnfInstanceId)
        descriptor = self.agent.descriptor(vnf["package"])

        def change(present: Row) -> Row:
            demand(shown.instance(self.agent, present, root()))
            return _modified(present, descriptor, body)

        params = _masked(vnf, body, descriptor)
        self._began(self.agent.modify(vnf["name"], change, Terms(rests=True, params=params)))

    @route("DELETE", _PATH, "Delete an instance that is NOT_INSTANTIATED", status=204, errors=(409, 412, 507))
    def delete_instance(self, vnfInstanceId: str) -> None:
        vnf = self._vnf(vnfInstanceId)
        demand(shown.instance(self.agent, vnf, root()))
        self.agent.delete(vnf["name"])

    @route("POST", f"{_PATH}/instantiate", "Build it, bind its ports, start its VNFCs", body="InstantiateVnfRequest",
           **_BEGIN)  # fmt: skip
    def instantiate_instance(self, vnfInstanceId: str, body: Row) -> None:
        vnf = self._vnf(vnfInstanceId)
        descriptor = self.agent.descriptor(vnf["package"])
        more = body.get("additionalParams", {})
        links = body.get("extVirtualLinks", [])
        asked = connections.read(links, descriptor.ports)
        mistakes = list(asked.mistakes)
        for key, known in (("flavourId", FLAVOUR), ("instantiationLevelId", LEVEL)):
            if body.get(key, known) != known:
                mistakes.append(Mistake(field=key, found=body[key][:60], expected=known))
        config = merged(more.get("config", {}), body.get("vnfConfigurableProperties", {}))
        request = {
            "ports": asked.ports, "config": {name: each for name, each in config.items() if each is not None},
            "start": more.get("start", True), "latency": more.get("latency", "normal"), "links": links,
        }  # fmt: skip
        terms = Terms(rests=True, params=_masked(vnf, body, descriptor))
        try:
            operation = self.agent.instantiate(vnf["name"], request, mistakes, terms)
        except Refused as refused:
            raise _said(refused, asked) from None
        self._began(operation)

    @route("POST", f"{_PATH}/operate", "Start or stop it", body="OperateVnfRequest", **_BEGIN)
    def operate_instance(self, vnfInstanceId: str, body: Row) -> None:
        kind = {"STARTED": "start", "STOPPED": "stop"}[body["changeStateTo"]]
        self._began(self.agent.operate(self._vnf(vnfInstanceId)["name"], kind, Terms(rests=True, params=body)))

    @route("POST", f"{_PATH}/heal", "Make anew all that runs of it", body="HealVnfRequest", **_BEGIN)
    def heal_instance(self, vnfInstanceId: str, body: Row) -> None:
        vnf = self._vnf(vnfInstanceId)
        known = [vnfc_instance(vnf, name) for name in self.agent.descriptor(vnf["package"]).vnfcs]
        wrong = [
            Mistake(field=f"vnfcInstanceId.{number}", found=each[:60], expected="a vnfcInstanceId of this VNF",
                    remedy=suggest(each, known))
            for number, each in enumerate(body.get("vnfcInstanceId", ())) if each not in known
        ]  # fmt: skip
        if wrong:
            raise Refused(wrong, title="healing refused")
        self._began(self.agent.replace_keeper(vnf["name"], Terms(rests=True, params=body)))

    @route("POST", f"{_PATH}/terminate", "End it and give its interfaces back", body="TerminateVnfRequest", **_BEGIN)
    def terminate_instance(self, vnfInstanceId: str, body: Row) -> None:
        name = self._vnf(vnfInstanceId)["name"]
        self._began(self.agent.operate(name, "terminate", Terms(rests=True, params=body)))

    @route("POST", f"{_PATH}/change_ext_conn", "Bind ports to other interfaces",
           body="ChangeExtVnfConnectivityRequest", **_BEGIN)  # fmt: skip
    def connect_instance(self, vnfInstanceId: str, body: Row) -> None:
        vnf = self._vnf(vnfInstanceId)
        asked = connections.read(body["extVirtualLinks"], self.agent.descriptor(vnf["package"]).ports)
        if asked.mistakes:
            raise Refused(asked.mistakes, title="other connections refused")
        request = {"ports": asked.ports, "links": connections.replaced(vnf["links"], body["extVirtualLinks"])}
        try:
            operation = self.agent.connect(vnf["name"], request, Terms(rests=True, params=body))
        except Refused as refused:
            raise _said(refused, asked) from None
        self._began(operation)

    @route("POST", f"{_PATH}/change_vnfpkg", "Put another version of its package in its place, while packets flow",
           body="ChangeCurrentVnfPkgRequest", **_BEGIN)  # fmt: skip
    def upgrade_instance(self, vnfInstanceId: str, body: Row) -> None:
        vnf, package = self._vnf(vnfInstanceId), self._package(body["vnfdId"])
        if vnf["instantiation_state"] != "INSTANTIATED" and not self.agent.store.unfinished(vnf["name"]):
            raise conflict(f"{vnf['name']} is NOT_INSTANTIATED")
        descriptor = self.agent.descriptor(package["id"])
        asked = connections.read(body.get("extVirtualLinks", []), descriptor.ports)
        if asked.mistakes:
            raise Refused(asked.mistakes, title="upgrade refused")
        config = {name: each for name, each in body.get("vnfConfigurableProperties", {}).items() if each is not None}
        request = {"package": package["id"], "ports": asked.ports, "config": config}
        terms = Terms(rests=True, params=_masked(vnf, body, descriptor))
        try:
            operation = self.agent.upgrade(vnf["name"], request, (), terms)
        except Refused as refused:
            raise _said(refused, asked) from None
        self._began(operation)

    # what they go by

    def _vnf(self, instance: str) -> Row:
        """Raises Refused with 404."""
        vnfs = {vnf["instance"]: vnf for vnf in self.agent.store.vnfs()}
        if instance not in vnfs:
            raise missing(f"VNF instance {instance}", suggest(instance, vnfs))
        return vnfs[instance]

    def _package(self, vnfd: str) -> Row:
        """The package that a VNFD's id names, the newest of them. Raises Refused with 422."""
        packages = {row["vnfd_id"]: row for row in self.agent.store.packages()}
        if vnfd not in packages:
            raise Refused(Mistake(field="vnfdId", found=vnfd[:60], expected="the vnfd_id of a package that is here",
                                  remedy=suggest(vnfd, packages) or "GET /v1/packages lists them"))  # fmt: skip
        return packages[vnfd]

    def _free_name(self, wanted: str | None, package: str) -> str:
        """What the VNF is called under /v1: as it is wanted, if such a name can be and is free."""
        known = [*RESERVED_NAMES, *(vnf["name"] for vnf in self.agent.store.vnfs())]
        if wanted is not None and re.fullmatch(NAME["pattern"], wanted) and wanted not in known:
            return wanted
        stem = re.sub("[^a-z0-9_-]", "-", package.lower())[:23]
        stem = stem if stem[:1].isalpha() else f"vnf-{stem}"[:23]
        return f"{stem}-{uuid.uuid4().hex[:8]}"

    @staticmethod
    def _began(operation: Row) -> None:
        web.located(root() + shown.occurrence_path(operation))


def _modified(vnf: Row, descriptor: Descriptor, body: Row) -> Row:
    """What is to be written down and configured when a body has changed a VNF. Raises Refused with all mistakes."""
    mistakes: list[Mistake] = []
    if "vnfdId" in body and body["vnfdId"] != descriptor.vnfd_id:
        mistakes.append(Mistake(field="vnfdId", found=body["vnfdId"][:60], expected=descriptor.vnfd_id,
                                remedy="change_vnfpkg makes it another version"))  # fmt: skip
    request: Row = {"about": merged(vnf["about"], {key: body[key] for key in _ABOUT if key in body})}
    if "vnfInstanceName" in body:
        request["title"] = body["vnfInstanceName"]
    names = {vnfc_instance(vnf, name): name for name in descriptor.vnfcs}
    wanted: Row = body.get("vnfConfigurableProperties", {})
    for number, each in enumerate(body.get("vnfcInfoModifications", ())):
        if each["id"] not in names:
            mistakes.append(Mistake(
                field=f"vnfcInfoModifications.{number}.id", found=each["id"][:60],
                expected="a vnfcInstanceId of this VNF", remedy=suggest(each["id"], names),
            ))  # fmt: skip
            continue
        wanted = merged(wanted, {names[each["id"]]: each["vnfcConfigurableProperties"]})
    before = vnf["config"] or descriptor.config
    if wanted:
        try:
            meant = Masks(descriptor).taken_off(merged(before, wanted), before)
            request["config"] = descriptor.configured(meant, where="vnfConfigurableProperties")
        except Refused as refused:
            mistakes = joined(mistakes, refused.mistakes)
    if mistakes:
        raise Refused(mistakes, title="modification refused")
    return request


def _said(refused: Refused, asked: connections.Connections) -> Refused:
    """A refusal of the lifecycle in the words of the request."""
    refused.mistakes = asked.placed(refused.mistakes)
    return refused


def _masked(vnf: Row, body: Row, descriptor: Descriptor) -> Row:
    """A request as it may be kept and shown: without secrets."""
    masks, found = Masks(descriptor), deepcopy(body)
    for part, key in ((found, "vnfConfigurableProperties"), (found.get("additionalParams", {}), "config")):
        if key in part:
            part[key] = masks.over(part[key])
    names = {vnfc_instance(vnf, name): name for name in descriptor.vnfcs}
    for each in found.get("vnfcInfoModifications", ()):
        if (name := names.get(each["id"])) is not None:
            each["vnfcConfigurableProperties"] = masks.over({name: each["vnfcConfigurableProperties"]})[name]
    return found
