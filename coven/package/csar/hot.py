"""`BaseHOT/`: a Heat template beside the VNFD, for VNFMs that drive OpenStack by one.

It is parametrized as Tacker fills it in: `nfv` holds flavours, images and networks by the VNFD's names. The networks
are the external ones: an internal link of one machine needs no network of its own.
"""

from __future__ import annotations

from typing import Any

from coven.package.csar.vnfd import FLAVOUR, VDU, links
from coven.package.model import Descriptor


def file(descriptor: Descriptor) -> str:
    return f"BaseHOT/{FLAVOUR}/{descriptor.name}.yaml"


def _given(*path: str) -> dict[str, Any]:
    return {"get_param": ["nfv", *path]}


def generate(descriptor: Descriptor, image: bool) -> dict[str, Any]:
    stems = links(descriptor)
    server: dict[str, Any] = {
        "flavor": _given("VDU", VDU, "computeFlavourId"),
        "networks": [{"port": {"get_resource": f"{stem}_cp"}} for stem in stems],
    }
    if image:
        server["image"] = _given("VDU", VDU, "vcImageId")
    return {
        "heat_template_version": "2013-05-23",
        "description": f"{descriptor.product} {descriptor.version}",
        "parameters": {"nfv": {"type": "json"}},
        "resources": {
            VDU: {"type": "OS::Nova::Server", "properties": {"name": VDU, **server}},
            **{
                f"{stem}_cp": {
                    "type": "OS::Neutron::Port",
                    "properties": {"network": _given("CP", f"{stem}_cp", "network")},
                }
                for stem in stems
            },
        },
        "outputs": {},
    }
