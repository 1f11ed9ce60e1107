"""The VNFD (ETSI GS NFV-SOL 001 V2.7.1) that a descriptor stands for. Authors never write TOSCA.

One deployment flavour, one virtual machine: the appliance. Each port is a VduCp on it, an internal virtual link and a
VnfExtCp; so is the management interface, by which the agent is reached. Nothing of the package is executed: indicators
are those that the descriptor names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from coven.package.csar import properties
from coven.package.csar.manifest import RELEASE
from coven.package.model import Descriptor

TYPES = Path(__file__).with_name("types")
TYPE_FILES = ("etsi_nfv_sol001_common_types.yaml", "etsi_nfv_sol001_vnfd_types.yaml")
FOLDER = "Definitions"
SCRIPT = "Scripts/configure.py"
FLAVOUR, FLAVOUR_DESCRIPTION = "default", "one appliance"
LEVEL = "one"
VDU = "appliance"
MANAGEMENT = "management"
AGENT_PORT = 8443  #: where `coven serve` listens beyond loopback in docs/operations.md
VNFM = f"etsivnfm:v{RELEASE}"
MOST_BITS = 100_000_000_000  #: bits per second that a virtual link is asked to allow at most

Tree = dict[str, Any]


@dataclass(frozen=True)
class Image:
    """The appliance's software image; it is described, not contained."""

    name: str
    version: str
    algorithm: str  #: as ChecksumData spells it
    digest: str
    size: int  #: bytes
    disk_format: str  #: qcow2 | raw
    min_disk: int  #: bytes


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def dump(tree: Tree) -> bytes:
    text = yaml.dump(tree, Dumper=_Dumper, sort_keys=False, default_flow_style=False, width=110, allow_unicode=True)
    return text.encode()


def node_type(descriptor: Descriptor) -> str:
    """provider.product.software_version.descriptor_version, as SOL001 6.8.1 names node types."""
    parts = (descriptor.provider, descriptor.product, descriptor.version, descriptor.version)
    return ".".join(re.sub(r"[^A-Za-z0-9_-]", "_", part) for part in parts)


def links(descriptor: Descriptor) -> list[str]:
    """The connection points' stems: one a port, in order, then the management interface."""
    # a port may be called so
    management = MANAGEMENT
    while management in descriptor.ports:
        management += "_"
    return [*descriptor.ports, management]


def generate(descriptor: Descriptor, *, image: Image | None = None, agent_port: int = AGENT_PORT) -> Tree:
    """The service template."""
    kind = node_type(descriptor)
    stems = links(descriptor)
    data_types, configurable = properties.data_types(descriptor, kind)
    return {
        "tosca_definitions_version": "tosca_simple_yaml_1_3",
        "description": descriptor.description or f"{descriptor.product} {descriptor.version}",
        "metadata": {
            "template_name": descriptor.name,
            "template_author": descriptor.provider,
            "template_version": descriptor.version,
        },
        "imports": list(TYPE_FILES),
        **({"data_types": data_types} if data_types else {}),
        **_interface_types(descriptor, kind),
        "node_types": {kind: _node_type(descriptor, kind, stems, configurable)},
        "topology_template": {
            "substitution_mappings": {
                "node_type": kind,
                "properties": {"flavour_id": FLAVOUR},
                "requirements": {f"virtual_link_{stem}": [f"{stem}_ext", "external_virtual_link"] for stem in stems},
            },
            "node_templates": _templates(descriptor, kind, stems, image),
            "policies": _policies(f"{stems[-1]}_ext", bool(descriptor.indicators), agent_port),
        },
    }


def _interface_types(descriptor: Descriptor, kind: str) -> Tree:
    if not descriptor.indicators:
        return {}
    notifications = {name: {"description": f"agent request {name}"} for name in descriptor.indicators}
    return {
        "interface_types": {
            f"{kind}.VnfIndicator": {
                "derived_from": "tosca.interfaces.nfv.VnfIndicator",
                "notifications": notifications,
            }
        }
    }


def _fixed(value: str) -> Tree:
    return {"type": "string", "constraints": [{"valid_values": [value]}], "default": value}


def _node_type(descriptor: Descriptor, kind: str, stems: list[str], configurable: str | None) -> Tree:
    stated: Tree = {
        "descriptor_id": _fixed(descriptor.vnfd_id),
        "descriptor_version": _fixed(descriptor.version),
        "provider": _fixed(descriptor.provider),
        "product_name": _fixed(descriptor.product),
        "software_version": _fixed(descriptor.version),
        "product_info_name": {"type": "string", "default": descriptor.product},
        **(
            {"product_info_description": {"type": "string", "default": descriptor.description}}
            if descriptor.description
            else {}
        ),
        "vnfm_info": {
            "type": "list",
            "entry_schema": {"type": "string", "constraints": [{"valid_values": [VNFM]}]},
            "default": [VNFM],
        },
        "flavour_id": _fixed(FLAVOUR),
        "flavour_description": {"type": "string", "default": FLAVOUR_DESCRIPTION},
    }
    if configurable is not None:
        stated["configurable_properties"] = {"type": configurable, "required": False}
    made: Tree = {"derived_from": "tosca.nodes.nfv.VNF", "properties": stated}
    if descriptor.indicators:
        made["attributes"] = {name: {"type": "string"} for name in descriptor.indicators}
    made["requirements"] = [
        {
            f"virtual_link_{stem}": {
                "capability": "tosca.capabilities.nfv.VirtualLinkable",
                "relationship": "tosca.relationships.nfv.VirtualLinksTo",
                "occurrences": [0, 1],
            }
        }
        for stem in stems
    ]
    interfaces: Tree = {"Vnflcm": {"type": "tosca.interfaces.nfv.Vnflcm"}}
    if descriptor.indicators:
        interfaces["VnfIndicator"] = {
            "type": f"{kind}.VnfIndicator",
            "notifications": {name: {"outputs": {name: ["SELF", name]}} for name in descriptor.indicators},
        }
    made["interfaces"] = interfaces
    return made


def _templates(descriptor: Descriptor, kind: str, stems: list[str], image: Image | None) -> Tree:
    templates: Tree = {
        "VNF": {
            "type": kind,
            # the type has them as defaults; some VNFMs look for them here
            "properties": {
                "descriptor_id": descriptor.vnfd_id,
                "descriptor_version": descriptor.version,
                "provider": descriptor.provider,
                "product_name": descriptor.product,
                "software_version": descriptor.version,
                "vnfm_info": [VNFM],
                "flavour_id": FLAVOUR,
                "flavour_description": FLAVOUR_DESCRIPTION,
            },
            "interfaces": {"Vnflcm": {"instantiate_end": {"implementation": "configure"}}},
            "artifacts": {
                "configure": {
                    "description": "PATCHes the VNF's configuration once it is there",
                    "type": "tosca.artifacts.Implementation.Python",
                    "file": f"../{SCRIPT}",
                }
            },
        },
        VDU: _compute(descriptor, image),
    }
    for order, stem in enumerate(stems):
        managing = order == len(stems) - 1
        what = "management: the agent is reached here" if managing else f"port {stem}"
        protocols = ["ipv4"] if managing else ["ethernet"]
        templates[f"{stem}_cp"] = {
            "type": "tosca.nodes.nfv.VduCp",
            "properties": {"layer_protocols": protocols, "description": what, "order": order},
            "requirements": [{"virtual_binding": VDU}, {"virtual_link": f"{stem}_vl"}],
        }
        templates[f"{stem}_vl"] = {
            "type": "tosca.nodes.nfv.VnfVirtualLink",
            "properties": {
                "connectivity_type": {"layer_protocols": protocols, "flow_pattern": "line"},
                "description": f"from {stem}_cp to {stem}_ext",
                "vl_profile": {
                    "max_bitrate_requirements": {"root": MOST_BITS},
                    "min_bitrate_requirements": {"root": 0},
                },
            },
        }
        templates[f"{stem}_ext"] = {
            "type": "tosca.nodes.nfv.VnfExtCp",
            "properties": {"layer_protocols": protocols, "description": what},
            "requirements": [{"internal_virtual_link": f"{stem}_vl"}],
        }
    return templates


def _compute(descriptor: Descriptor, image: Image | None) -> Tree:
    stated: Tree = {
        "name": VDU,
        "description": "the virtual machine that Coven makes the VNF of",
        "vdu_profile": {"min_number_of_instances": 1, "max_number_of_instances": 1},
    }
    if image is not None:
        stated["sw_image_data"] = {
            "name": image.name,
            "version": image.version,
            "checksum": {"algorithm": image.algorithm, "hash": image.digest},
            "container_format": "bare",
            "disk_format": image.disk_format,
            "min_disk": f"{image.min_disk} B",
            "min_ram": f"{descriptor.memory_mb} MiB",
            "size": f"{image.size} B",
        }
    return {
        "type": "tosca.nodes.nfv.Vdu.Compute",
        "properties": stated,
        "capabilities": {
            "virtual_compute": {
                "properties": {
                    "virtual_cpu": {"num_virtual_cpu": descriptor.cpus},
                    "virtual_memory": {
                        "virtual_mem_size": f"{descriptor.memory_mb} MiB",
                        "numa_enabled": False,
                    },
                }
            }
        },
    }


def _policies(management: str, indicators: bool, agent_port: int) -> list[Tree]:
    offered = {"vnf_configuration": "vnfconfig", "vnf_lcm_coordination": "lcmcoord"}
    if indicators:
        offered = {"vnf_indicator": "vnfind", **offered}
    policies: list[Tree] = [
        {
            "instantiation_levels": {
                "type": "tosca.policies.nfv.InstantiationLevels",
                "properties": {"levels": {LEVEL: {"description": "one appliance"}}, "default_level": LEVEL},
            }
        },
        {
            "appliance_instantiation_levels": {
                "type": "tosca.policies.nfv.VduInstantiationLevels",
                "properties": {"levels": {LEVEL: {"number_of_instances": 1}}},
                "targets": [VDU],
            }
        },
    ]
    for name, path in offered.items():
        details: Mapping[str, Any] = {
            "uri_components": {"scheme": "https", "authority": {"port": str(agent_port)}, "path": f"/{path}/v1"}
        }
        policies.append(
            {
                f"interface_{name}": {
                    "type": "tosca.policies.nfv.SupportedVnfInterface",
                    "properties": {"interface_name": name, "details": details},
                    "targets": [management],
                }
            }
        )
    return policies
