"""What `coven pack` writes: a CSAR that SOL004 and TOSCA's parser are content with, the same bytes every time."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from toscaparser.common.exception import TOSCAException
from toscaparser.tosca_template import ToscaTemplate

from coven.base.signatures import Policy
from coven.package.archive import is_descriptor, opened, pack, pack_csar, take_in
from coven.package.csar.pack import Options
from coven.package.csar.vnfd import TYPE_FILES, TYPES
from itf.mistakes import Refused
from tests.rigs.csar_rig import DESCRIPTOR, author, members

ROOT = Path(__file__).resolve().parents[3]
DESCRIPTORS = sorted(path for path in (ROOT / "packages").glob("*/*.yaml") if is_descriptor(path))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return author(tmp_path / "package")


def tree(csar: bytes, name: str = "fw") -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(members(csar)[f"Definitions/{name}.yaml"])
    return loaded


def test_there_are_packages() -> None:
    assert len(DESCRIPTORS) == 21
    assert {path.parent.name for path in DESCRIPTORS} == {path.name for path in (ROOT / "packages").iterdir()}


@pytest.mark.parametrize("descriptor", DESCRIPTORS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_example_is_a_package_for_anyone(descriptor: Path, tmp_path: Path) -> None:
    csar = pack_csar(descriptor)
    file = tmp_path / "x.csar"
    file.write_bytes(csar)
    taken = take_in(io.BytesIO(csar), tmp_path, "x.csar", Policy(strict=True))
    assert taken.csar is not None and taken.csar.reading == "strict"
    assert [warning.field for warning in taken.csar.warnings] == ["unsigned"]
    with opened(file) as source, opened(descriptor) as folder:
        ours, theirs = source.load(), folder.load()
        assert (ours.vnfd_id, ours.chains.keys(), ours.vnfcs.keys()) == (
            theirs.vnfd_id, theirs.chains.keys(), theirs.vnfcs.keys())  # fmt: skip
    parsed = ToscaTemplate(str(file))
    kinds = [node.type for node in parsed.nodetemplates]
    ends = len(theirs.ports) + 1
    for kind in ("VduCp", "VnfExtCp", "VnfVirtualLink"):
        assert kinds.count(f"tosca.nodes.nfv.{kind}") == ends
    assert kinds.count("tosca.nodes.nfv.Vdu.Compute") == 1 and len(kinds) == 2 + 3 * ends
    assert parsed.topology_template.substitution_mappings.properties == {"flavour_id": "default"}


def test_same_input_same_bytes(folder: Path) -> None:
    first = pack_csar(folder)
    assert pack_csar(folder) == first
    os.utime(folder / "filter.py", (1000, 1000))  # not the newest
    os.utime(folder / "vnf.yaml", (2000, 2000))
    for path in folder.rglob("*"):
        if path.is_file() and path.name not in ("filter.py", "vnf.yaml"):
            os.utime(path, (1500, 1500))
    again = members(pack_csar(folder))
    assert b"vnf_release_date_time: 1970-01-01T00:33:20Z" in again["fw.mf"]
    changed = {name for name, data in members(first).items() if again[name] != data}
    assert changed == {"fw.mf", "ChangeLog.txt"}


def test_release_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def when() -> bytes:
        [found] = re.findall(rb"vnf_release_date_time: (.*)", members(pack_csar(folder))["fw.mf"])
        return bytes(found)

    (folder / "vnf.yaml").write_text(DESCRIPTOR + 'released: "2026-01-31T12:00:00+01:00"\n')
    assert when() == b"2026-01-31T12:00:00+01:00"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert when() == b"2023-11-14T22:13:20Z"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(Refused, match="SOURCE_DATE_EPOCH"):
        when()
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    (folder / "vnf.yaml").write_text(DESCRIPTOR + 'released: "2026-02-31T12:00:00Z"\n')
    with pytest.raises(Refused, match="RFC 3339"):
        when()


def test_everything_has_its_digest(folder: Path) -> None:
    inside = members(pack_csar(folder))
    text = inside["fw.mf"].decode()
    listed = dict(re.findall(r"^Source: (.*)\nAlgorithm: SHA-256\nHash: ([0-9a-f]{64})$", text, re.MULTILINE))
    assert listed == {
        name: hashlib.sha256(data).hexdigest() for name, data in inside.items() if name != "fw.mf"
    }
    private = text.partition("non_mano_artifact_sets:\n  prv.coven.package:\n")[2].split()
    assert private[1::2] == sorted(name for name in inside if name.startswith("Artifacts/coven/"))
    assert "\r" not in text and text.endswith("\n\n")


def test_layout(folder: Path) -> None:
    (folder / "LICENSE").write_text("as you like\n")
    (folder / "CHANGELOG.md").write_text("1.0: all of it\n")
    inside = members(pack_csar(folder))
    assert set(inside) == {
        "TOSCA-Metadata/TOSCA.meta", "fw.mf", "ChangeLog.txt", "Definitions/fw.yaml",
        *(f"Definitions/{name}" for name in TYPE_FILES), "Scripts/configure.py",
        "Licenses/license.txt", "Licenses/LICENSE",
        *(f"Artifacts/coven/{name}" for name in (
            "vnf.yaml", "filter.py", "filter.schema.json", "LICENSE", "CHANGELOG.md", "tests/one/in.py",
            "tests/one/expect.yaml")),
    }  # fmt: skip
    assert next(iter(inside)) == "TOSCA-Metadata/TOSCA.meta"
    assert inside["Licenses/license.txt"] == b"SPDX-License-Identifier: MIT\n"
    assert inside["ChangeLog.txt"] == b"1.0: all of it\n"
    assert inside["TOSCA-Metadata/TOSCA.meta"].decode().splitlines() == [
        "TOSCA-Meta-File-Version: 1.0", "CSAR-Version: 1.1", "Created-By: Acme",
        "Entry-Definitions: Definitions/fw.yaml",
        "ETSI-Entry-Manifest: fw.mf", "ETSI-Entry-Change-Log: ChangeLog.txt",
        "ETSI-Entry-Tests: Artifacts/coven/tests", "ETSI-Entry-Licenses: Licenses",
    ]  # fmt: skip


def test_archives_are_packed_too(folder: Path, tmp_path: Path) -> None:
    plain, made = tmp_path / "fw.zip", tmp_path / "fw.csar"
    plain.write_bytes(pack(folder))
    os.utime(plain, (1000, 1000))
    made.write_bytes(pack_csar(plain))
    assert b"1970-01-01T00:16:40Z" in members(made.read_bytes())["fw.mf"]
    os.utime(made, (1000, 1000))
    assert pack_csar(made) == made.read_bytes()
    assert pack(made) == made.read_bytes() and pack(plain) == plain.read_bytes()


def test_what_packing_needs(folder: Path) -> None:
    (folder / "vnf.yaml").write_text(re.sub(r"(provider|license):.*\n", "", DESCRIPTOR))
    with pytest.raises(Refused) as caught:
        pack_csar(folder)
    assert [mistake.field for mistake in caught.value.mistakes] == ["provider", "license"]
    assert all(mistake.remedy for mistake in caught.value.mistakes)
    pack(folder)


def test_names_that_a_manifest_cannot_list(folder: Path) -> None:
    (folder / "trailing ").touch()
    with pytest.raises(Refused, match="blank"):
        pack_csar(folder)


def test_vnfd(folder: Path) -> None:
    vnfd = tree(pack_csar(folder, Options(agent_port=9443)))
    kind = "Acme.fire_wall.1_0.1_0"
    stated = vnfd["node_types"][kind]["properties"]
    assert {key: stated[key]["default"] for key in (
        "descriptor_id", "provider", "product_name", "software_version", "descriptor_version", "vnfm_info",
    )} == {
        "descriptor_id": "24022763-0290-532e-bbd9-1b1178cff351", "provider": "Acme", "product_name": "fire wall",
        "software_version": "1.0", "descriptor_version": "1.0", "vnfm_info": ["etsivnfm:v2.7.1"],
    }  # fmt: skip
    topology = vnfd["topology_template"]
    assert topology["substitution_mappings"]["requirements"] == {
        "virtual_link_in": ["in_ext", "external_virtual_link"],
        "virtual_link_out": ["out_ext", "external_virtual_link"],
        "virtual_link_management": ["management_ext", "external_virtual_link"],
    }
    compute = topology["node_templates"]["appliance"]["capabilities"]["virtual_compute"]["properties"]
    assert compute["virtual_cpu"] == {"num_virtual_cpu": 2}
    assert compute["virtual_memory"] == {"virtual_mem_size": "768 MiB", "numa_enabled": False}
    assert "sw_image_data" not in topology["node_templates"]["appliance"]["properties"]
    policies = {name: each for policy in topology["policies"] for name, each in policy.items()}
    interfaces = {
        each["properties"]["interface_name"]: (
            each["properties"]["details"]["uri_components"]["authority"]["port"], each["targets"])
        for each in policies.values() if each["type"] == "tosca.policies.nfv.SupportedVnfInterface"
    }  # fmt: skip
    assert interfaces == dict.fromkeys(
        ("vnf_indicator", "vnf_configuration", "vnf_lcm_coordination"), ("9443", ["management_ext"])
    )
    assert policies["instantiation_levels"]["properties"]["default_level"] == "one"
    assert policies["appliance_instantiation_levels"]["properties"]["levels"] == {"one": {"number_of_instances": 1}}
    assert vnfd["interface_types"][f"{kind}.VnfIndicator"]["notifications"].keys() == {"filter.hits"}
    assert vnfd["node_types"][kind]["attributes"].keys() == {"filter.hits"}


def test_configurable_properties(folder: Path) -> None:
    vnfd = tree(pack_csar(folder))
    types = vnfd["data_types"]
    kind = "Acme.fire_wall.1_0.1_0"
    assert vnfd["node_types"][kind]["properties"]["configurable_properties"]["type"] == (
        f"{kind}.VnfConfigurableProperties"
    )
    of_filter = types[f"{kind}.filter"]["properties"]
    writable = {"is_writable_anytime": "true"}
    assert of_filter == {
        "block": {"type": "list", "default": [23], "required": False, "metadata": writable,
                  "description": "ports that do not pass",
                  "entry_schema": {"type": "integer", "constraints": [{"in_range": [1, 65535]}]},
                  "constraints": [{"max_length": 100}]},
        "observe": {"type": "boolean", "default": False, "required": False, "metadata": writable},
        "rate": {"type": "float", "default": 1, "required": False, "metadata": writable,
                 "constraints": [{"greater_than": 0}]},
        "mode": {"type": "string", "default": "fast", "required": False,
                 "metadata": {"is_writable_anytime": "false"}, "constraints": [{"valid_values": ["fast", "slow"]}]},
        "key": {"type": "string", "required": False, "metadata": writable,
                "constraints": [{"pattern": ".*([0-9a-f]+).*"}]},
        "names": {"type": "map", "default": {"a": "b"}, "required": False, "metadata": writable,
                  "description": "by name", "entry_schema": {"type": "string"}},
        "rules": {"type": "string", "default": '[{"port": 1}]', "required": False, "metadata": writable,
                  "description": "(JSON)"},
        "nothing": {"type": "integer", "required": False, "metadata": writable},
    }  # fmt: skip


def test_image_and_hot(folder: Path, tmp_path: Path) -> None:
    image = tmp_path / "appliance-12.qcow2"
    image.write_bytes(b"QFI\xfb" + (3).to_bytes(4, "big") + bytes(16) + (5 << 30).to_bytes(8, "big") + bytes(100))
    csar = pack_csar(folder, Options(image=image, hot=True))
    stated = tree(csar)["topology_template"]["node_templates"]["appliance"]["properties"]["sw_image_data"]
    assert stated == {
        "name": "appliance-12", "version": "1.0", "container_format": "bare", "disk_format": "qcow2",
        "checksum": {"algorithm": "sha-256", "hash": hashlib.sha256(image.read_bytes()).hexdigest()},
        "min_disk": f"{5 << 30} B", "min_ram": "768 MiB", "size": f"{image.stat().st_size} B",
    }  # fmt: skip
    template = yaml.safe_load(members(csar)["BaseHOT/default/fw.yaml"])
    assert template["resources"]["appliance"]["properties"]["networks"] == [
        {"port": {"get_resource": f"{name}_cp"}} for name in ("in", "out", "management")
    ]
    assert template["resources"]["in_cp"]["properties"]["network"] == {"get_param": ["nfv", "CP", "in_cp", "network"]}
    (tmp_path / "x.csar").write_bytes(csar)
    ToscaTemplate(str(tmp_path / "x.csar"))
    raw = tmp_path / "disk.img"
    raw.write_bytes(bytes(1000))
    made = tree(pack_csar(folder, Options(image=raw)))["topology_template"]["node_templates"]["appliance"]
    assert made["properties"]["sw_image_data"]["disk_format"] == "raw"
    assert made["properties"]["sw_image_data"]["min_disk"] == "1000 B"
    with pytest.raises(Refused, match="--image"):
        pack_csar(folder, Options(image=tmp_path / "none"))


def test_a_port_called_management(folder: Path) -> None:
    text = DESCRIPTOR.replace("chain: in -> filter -> out", "ports: {management: {}}\nchain: management -> filter -> "
                                                            "management")  # fmt: skip
    (folder / "vnf.yaml").write_text(text)
    templates = tree(pack_csar(folder))["topology_template"]["node_templates"]
    assert {"management_cp", "management__cp"} <= templates.keys()


def test_parser_refuses_what_the_types_forbid(folder: Path, tmp_path: Path) -> None:
    """The types bite: what they constrain is really looked at."""
    inside = members(pack_csar(folder))
    text = inside["Definitions/fw.yaml"].decode()
    for right, wrong in (
        ("num_virtual_cpu: 2", "num_virtual_cpu: 0"),
        ("interface_name: vnf_indicator", "interface_name: vnf_fault"),
        ("type: tosca.nodes.nfv.VduCp", "type: tosca.nodes.nfv.Vdu"),
        ("- virtual_binding: appliance", "- binding: appliance"),
        ("flow_pattern: line", "flow_pattern: ring"),
    ):
        assert right in text
        file = tmp_path / "bad.csar"
        with zipfile.ZipFile(file, "w") as archive:
            for name, data in {**inside, "Definitions/fw.yaml": text.replace(right, wrong).encode()}.items():
                archive.writestr(name, data)
        with pytest.raises(TOSCAException):
            ToscaTemplate(str(file))


def test_types_name_what_the_standard_names() -> None:
    """Every type that ours refer to is there; none is defined twice."""
    defined: list[str] = []
    used: set[str] = set()
    for name in TYPE_FILES:
        text = (TYPES / name).read_text()
        loaded = yaml.safe_load(text)
        for section in (key for key in loaded if key.endswith("_types")):
            defined += loaded[section]
        used |= set(re.findall(r"tosca\.[a-z]+(?:\.Implementation)?\.nfv\.[A-Za-z0-9.]+", text))
    assert len(defined) == len(set(defined))
    assert used - set(defined) == set()
    assert json.dumps(defined)
