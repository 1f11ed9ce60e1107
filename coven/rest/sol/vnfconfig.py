"""VNF Configuration (SOL002 9): the configuration of one VNF, read and changed while packets pass."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

from coven.agent.store import Row
from coven.base.problem import joined
from coven.package.model import Descriptor
from coven.rest.masks import Masks
from coven.rest.routes import JSON, MERGE_PATCH, route
from coven.rest.sol.exchange import Interface, demand, tag
from coven.rest.sol.merge_patch import merged
from itf.mistakes import Mistake, Refused, suggest
from vns.named import first_name

_VNF, _VNFC, _GONE = "vnfConfigurationData", "vnfcConfigurationData", "vnfcConfigurationDataDeleteIds"
_ADDRESSES = Path("/sys/class/net")


def vnfc_instance(vnf: Row, vnfc: str) -> str:
    """The vnfcInstanceId of a VNFC: the same as long as the VNF exists."""
    return str(uuid.uuid5(uuid.UUID(vnf["instance"]), vnfc))


class VnfConfig(Interface):
    @route("GET", "/vnfconfig/v1/configuration", "The configuration of the VNF and its VNFCs", reply="VnfConfiguration",
           errors=(409,))  # fmt: skip
    def read_configuration(self) -> Row:
        vnf = self.subject()
        descriptor = self.agent.descriptor(vnf["package"])
        config = vnf["config"] or descriptor.config
        tag(_shown(vnf, config))
        return _shown(vnf, Masks(descriptor).over(config))

    @route("PATCH", "/vnfconfig/v1/configuration", "Change it, all or nothing: VNFCs that run take it up at once",
           reply="VnfConfigModifications", body="VnfConfigModifications", media=(MERGE_PATCH, JSON), judged=True,
           errors=(409, 412, 507))  # fmt: skip
    def change_configuration(self, body: Row, mistakes: list[Mistake]) -> Row:
        vnf = self.subject()
        descriptor = self.agent.descriptor(vnf["package"])
        masks = Masks(descriptor)

        def change(before: dict[str, Row]) -> dict[str, Row]:
            demand(_shown(vnf, before))
            wanted, wrong = _wanted(vnf, descriptor, before, body)
            found = joined(mistakes, wrong)
            try:
                after = descriptor.configured(masks.taken_off(wanted, before), where=f"{_VNF}.vnfSpecificData")
            except Refused as refused:
                found = joined(found, refused.mistakes)
            if found:
                raise Refused(found, title="configuration refused")
            return after

        after = self.agent.reconfigure(vnf["name"], change)
        tag(_shown(vnf, after))
        return _masked(body, masks)


def _shown(vnf: Row, config: dict[str, Row]) -> Row:
    return {
        _VNF: {"extCpConfig": list(_connection_points(vnf)), "vnfSpecificData": config},
        _VNFC: [
            {"vnfcInstanceId": vnfc_instance(vnf, name), "vnfcSpecificData": {name: each}}
            for name, each in config.items()
        ],
    }


def _connection_points(vnf: Row) -> Iterator[Row]:
    """The ports that are bound, each with the address of its interface if that is there."""
    for name, binding in vnf["ports"].items():
        if (mac := address(binding["interface"])) is not None:
            yield {"cpId": name, "cpdId": f"{name}_ext", "addresses": [{"address": {"macAddress": mac}}]}


def address(interface: str) -> str | None:
    """The MAC address of an interface, if that is there."""
    try:
        return (_ADDRESSES / first_name(interface) / "address").read_text().strip() or None
    except OSError:
        return None


def _wanted(
    vnf: Row, descriptor: Descriptor, before: dict[str, Row], body: Row
) -> tuple[dict[str, Row], list[Mistake]]:
    """The configuration that a body asks for, complete; and what of it cannot be, other than by the descriptor.

    A key that is taken away has its default."""
    mistakes: list[Mistake] = []
    names = {vnfc_instance(vnf, name): name for name in descriptor.vnfcs}
    wanted: dict[str, Any] = dict(before)

    def known(identity: str, field: str) -> str | None:
        if identity not in names:
            mistakes.append(Mistake(field=field, found=identity[:60], expected="a vnfcInstanceId of this VNF",
                                    remedy=suggest(identity, names)))  # fmt: skip
        return names.get(identity)

    for number, identity in enumerate(body.get(_GONE, ())):
        if (gone := known(identity, f"{_GONE}.{number}")) is not None:
            wanted.pop(gone, None)
    whole: Row = body.get(_VNF, {})
    wanted = merged(wanted, whole.get("vnfSpecificData", {}))
    for number, entry in enumerate(body.get(_VNFC, ())):
        place = f"{_VNFC}.{number}"
        vnfc = known(entry["vnfcInstanceId"], f"{place}.vnfcInstanceId") if "vnfcInstanceId" in entry else None
        for name, patch in entry.get("vnfcSpecificData", {}).items() if vnfc is not None else ():
            if name != vnfc:
                mistakes.append(Mistake(field=f"{place}.vnfcSpecificData.{name}", found=name, expected=vnfc))
                continue
            wanted = merged(wanted, {name: patch})
    if "extCpConfig" in whole:
        points = whole["extCpConfig"]
        present = list(_connection_points(vnf))
        for point in points if isinstance(points, list) else [points]:
            if point not in present:
                mistakes.append(Mistake(
                    field=f"{_VNF}.extCpConfig", found=f"another configuration of {point.get('cpId')}",
                    expected="the present one", remedy="a port has the addresses of its interface: change them there",
                ))  # fmt: skip
    return wanted, mistakes


def _masked(body: Row, masks: Masks) -> Row:
    """The modifications as they were asked for, without secrets."""
    shown = deepcopy(body)
    for part in (shown.get(_VNF, {}), *shown.get(_VNFC, ())):
        for key in part.keys() & {"vnfSpecificData", "vnfcSpecificData"}:
            part[key] = masks.over(part[key])
    return shown
