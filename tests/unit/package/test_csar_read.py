"""Packages of others, as they are seen: releases from 2.4.1 to 4.x, VNFs, PNFs, untidy ones. All made here."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest

from coven.base.signatures import Policy
from coven.package.archive import take_in, unpack_package
from coven.package.csar.manifest import read as read_manifest
from coven.package.csar.read import Csar
from coven.package.csar.rules import Findings
from itf.mistakes import Refused
from tests.rigs.csar_rig import digest, zipped

VNFD = """tosca_definitions_version: tosca_simple_yaml_1_2
imports:
  - acme_types.yaml
topology_template:
  node_templates:
    VNF:
      type: acme.router.VNF
      properties: {descriptor_id: 1d3aad0e-0000-4000-8000-000000000001, flavour_id: simple}
"""
TYPES = """tosca_definitions_version: tosca_simple_yaml_1_2
node_types:
  acme.base.VNF: &base
    derived_from: tosca.nodes.nfv.VNF
    properties:
      provider: {type: string, default: Acme}
      product_name: {type: string, default: Router}
      software_version: {type: string, default: 1.10}
  acme.router.VNF:
    <<: *base
    derived_from: acme.base.VNF
    metadata: {since: 2019-01-31}
"""
PNFD = VNFD.replace("acme.router.VNF", "acme.pnf").replace("flavour_id: simple", "provider: Acme")
PNF_TYPES = """tosca_definitions_version: tosca_simple_yaml_1_2
node_types: {acme.pnf: {derived_from: tosca.nodes.nfv.PNF}}
"""


def package(
    metadata: str, *, prefix: str = "ETSI-Entry-", vnfd: str = VNFD, types: str = TYPES, more: str = "",
    eol: str = "\n", entry: str = "Source: {name}\nAlgorithm: SHA-256\nHash: {digest}\n\n",
) -> dict[str, bytes]:  # fmt: skip
    files = {
        "TOSCA-Metadata/TOSCA.meta": (
            "TOSCA-Meta-File-Version: 1.0\nCSAR-Version: 1.1\nCreated-By: Acme\n"
            f"Entry-Definitions: Definitions/router.yaml\n{prefix}Manifest: router.mf\n"
            f"{prefix}Change-Log: ChangeLog.txt\n{prefix}Licenses: Licenses\n"
        ).encode(),
        "Definitions/router.yaml": vnfd.encode(),
        "Definitions/acme_types.yaml": types.encode(),
        "ChangeLog.txt": b"first\n",
        "Licenses/license.txt": b"ask\n",
        "Files/image.txt": b"an image\n",
    }
    body = "".join(entry.format(name=name, digest=digest(data)) for name, data in files.items())
    text = f"metadata:\n{metadata}\n{body}{more}"
    return {**files, "router.mf": text.replace("\n", eol).encode()}


FOUR = """  vnf_product_name: Router
  vnf_provider_id: Acme
  vnf_package_version: 1.0
  vnf_release_date_time: 2019-01-31T12:00:00+01:00
"""
EIGHT = (
    FOUR
    + """  vnfd_id: 1d3aad0e-0000-4000-8000-000000000001
  vnf_software_version: 1.10
  vnfm_info: etsivnfm:v3.3.1
  compatible_specification_versions: {release}
"""
)
PNF = """  pnfd_name: Antenna
  pnfd_provider: Acme
  pnfd_archive_version: 1.0
  pnfd_release_date_time: 2019-01-31T12:00:00Z
"""


def read(files: dict[str, bytes], folder: Path, strict: bool = False) -> Csar:
    taken = take_in(io.BytesIO(zipped(files)), folder, "router.csar", Policy(strict=strict))
    assert taken.csar is not None and taken.csar.payload is None
    return taken.csar


@pytest.mark.parametrize(
    "files",
    [
        package(FOUR.replace("date_time", "data_time"), prefix="Entry-"),
        package(FOUR, prefix="Entry-"),
        package(FOUR),
        *(package(EIGHT.format(release=release)) for release in ("2.7.1", "2.8.1, 3.3.1", "3.6.1", "4.3.1")),
        package(EIGHT.format(release="4.4.1"), entry="Source: {name}\nAlgorithm: SHA-256\nHash: {digest}\n\n"),
    ],
    ids=["2.4.1", "2.5.1", "2.6.1", "2.7.1", "2.8.1", "3.6.1", "4.3.1", "4.4.1"],
)
def test_every_release(files: dict[str, bytes], tmp_path: Path) -> None:
    csar = read(files, tmp_path, strict=True)
    assert (csar.kind, csar.reading) == ("VNF", "strict")
    assert (csar.name, csar.version, csar.provider) == ("Router", "1.0", "Acme")
    assert [warning.field for warning in csar.warnings] == ["unsigned"]


def test_a_pnf(tmp_path: Path) -> None:
    csar = read(package(PNF, vnfd=PNFD, types=PNF_TYPES), tmp_path, strict=True)
    assert (csar.kind, csar.name, csar.version, csar.provider) == ("PNF", "Antenna", "1.0", "Acme")


def test_sets_of_others(tmp_path: Path) -> None:
    files = "  onap_others:\n    Source: Files/image.txt\n  prv.acme.com:\n    Source: ChangeLog.txt\n"
    more = f"non_mano_artifact_sets:\n{files}"
    assert read(package(FOUR, more=more), tmp_path, strict=True).reading == "strict"


def test_all_that_lenient_reading_takes_at_once(tmp_path: Path) -> None:
    untidy = package(
        EIGHT.format(release="2.7.1").replace("vnfd_id: ", "vnfd_id:"), eol="\r\n",
        entry="  source: {name}\n  Hash: {digest}\n  Algorithm: SHA-256\n",
        more="  source: router.mf\n  Hash: 00\n  Algorithm: SHA-256\n",
    )  # fmt: skip
    csar = read(untidy, tmp_path)
    assert csar.reading == "lenient"
    assert {warning.field for warning in csar.warnings} == {
        "unsigned", "crlf", "indented", "key-case", "order", "blank-line", "space", "listed-itself"}  # fmt: skip
    with pytest.raises(Refused) as caught:
        read(untidy, tmp_path, strict=True)
    assert {mistake.field for mistake in caught.value.mistakes} == {
        "crlf", "indented", "key-case", "order", "blank-line", "space", "listed-itself"}  # fmt: skip


def test_what_the_manifest_leaves_out_the_template_says(tmp_path: Path) -> None:
    csar = read(package("  vnf_package_version: 1.0\n  vnf_provider_id:\n"), tmp_path)
    assert (csar.name, csar.version, csar.provider) == ("Router", "1.0", "Acme")
    assert csar.identity == "1d3aad0e-0000-4000-8000-000000000001"


def test_who_wants_to_run_a_foreign_package_is_told(tmp_path: Path) -> None:
    for files, what in (
        (package(FOUR), "the VNF Router 1.0 of Acme"),
        (package(PNF, vnfd=PNFD, types=PNF_TYPES), "the PNF Antenna 1.0 of Acme"),
    ):
        with pytest.raises(Refused, match=what):
            unpack_package(io.BytesIO(zipped(files)), tmp_path, "router.csar")
        assert not any(tmp_path.iterdir())


def test_nothing_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no(*_: object, **__: object) -> None:
        raise AssertionError("the network was asked")

    import socket

    monkeypatch.setattr(socket, "socket", no)
    monkeypatch.setattr(socket, "getaddrinfo", no)
    entry = "Source: http://192.0.2.1/image\nAlgorithm: SHA-256\nHash: 00\n\nSource: https://192.0.2.1/other\n\n"
    csar = read(package(FOUR, more=entry), tmp_path, strict=True)
    assert [warning.field for warning in csar.warnings] == ["remote", "unsigned"]


def test_anchors_that_multiply(tmp_path: Path) -> None:
    """Aliases of aliases stand for more nodes than there are atoms; they are never written out."""
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 60)]
    assert read(package(FOUR, vnfd=VNFD + "\n".join(lines) + "\n"), tmp_path, strict=True).reading == "strict"


def test_a_template_that_is_too_large(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="at most 1048576"):
        read(package(FOUR, vnfd=VNFD + "# " + random.Random(1).randbytes(1 << 19).hex()), tmp_path)


def test_imports_that_go_round(tmp_path: Path) -> None:
    assert read(package(FOUR, types=TYPES + "imports: [router.yaml, acme_types.yaml]\n"), tmp_path).reading == "strict"


def test_lines_are_counted_in_the_file() -> None:
    findings = Findings("x", strict=True)
    read_manifest(b"metadata:\r\n  vnf_product_name: a\r\n\r\nwhat\r\n", "x.mf", findings)
    assert [(mistake.field, mistake.line) for mistake in findings.mistakes if mistake.field == "line"] == [("line", 4)]
