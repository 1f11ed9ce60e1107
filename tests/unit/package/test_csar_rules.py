"""Packages with one fault each: strict and lenient reading do with them what the table of rules says."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from coven.base.signatures import Policy
from coven.package.archive import pack_csar, take_in
from coven.package.csar.rules import REFUSED, RULES, WARNED
from itf.mistakes import Refused
from tests.rigs.csar_rig import author, digest, edited, members, relisted, rooted, zipped
from tests.unit.package.test_csar_sign import FAULTS as SIGNED_FAULTS

Files = dict[str, bytes]
META, MANIFEST, VNFD = "TOSCA-Metadata/TOSCA.meta", "fw.mf", "Definitions/fw.yaml"


def meta(before: str, after: str) -> Callable[[Files], Files]:
    return lambda files: relisted(edited(files, META, lambda text: re.sub(before, after, text)))


def vnfd(before: str, after: str) -> Callable[[Files], Files]:
    return lambda files: relisted(edited(files, VNFD, lambda text: text.replace(before, after, 1)))


def manifest(before: str, after: str) -> Callable[[Files], Files]:
    return lambda files: edited(files, MANIFEST, lambda text: re.sub(before, after, text, count=1))


def listing(source: str, algorithm: str = "SHA-256", value: str = "0" * 64) -> Callable[[Files], Files]:
    """One more block in the body."""
    block = f"Source: {source}\nAlgorithm: {algorithm}\nHash: {value}\n\n"
    return manifest("non_mano_artifact_sets:", block + "non_mano_artifact_sets:")


def called_otherwise(files: Files) -> Files:
    files = edited(files, META, lambda text: text.replace("fw.mf", "other.mf"))
    return relisted({name.replace("fw.mf", "other.mf"): data for name, data in files.items()}, "other.mf")


def weak(algorithm: str, name: str) -> Callable[[Files], Files]:
    """The true digest of a file, by an algorithm that is not worth much."""

    def change(files: Files) -> Files:
        value = hashlib.new(name, files["ChangeLog.txt"]).hexdigest()
        return manifest(r"(Source: ChangeLog.txt\n).*\n.*\n", rf"\1Algorithm: {algorithm}\nHash: {value}\n")(files)

    return change


def of_another(files: Files) -> Files:
    return manifest(digest(files["ChangeLog.txt"]), digest(files[VNFD]))(files)


def in_capitals(files: Files) -> Files:
    value = digest(files["ChangeLog.txt"])
    return manifest(value, value.upper())(files)


BLOCK = r"Source: ChangeLog.txt\nAlgorithm: .*\nHash: .*\n\n"
FAULTS: dict[str, list[Callable[[Files], Files]]] = {
    "meta-line": [meta("Created-By", "what is this\nCreated-By"), meta("(Created-By.*)", r"\1\n\1"),
                  lambda files: relisted({**files, META: files[META] + b"\xff: 1\n"})],
    "meta-version": [meta("Version: 1.0", "Version: 2.0"), meta("TOSCA-Meta.*\n", "")],
    "meta-csar-version": [meta("CSAR-Version: 1.1", "CSAR-Version: 3"), meta("CSAR-Version.*\n", "")],
    "meta-created-by": [meta("Created-By.*\n", ""), meta("Created-By.*\n", "Created-By:\n")],
    "meta-definitions": [meta("Entry-Definitions.*\n", "")],
    "meta-manifest": [meta("ETSI-Entry-Manifest.*\n", ""), meta("fw.mf", "ChangeLog.txt")],
    "meta-change-log": [meta("ETSI-Entry-Change-Log.*\n", "")],
    "meta-licenses": [meta("ETSI-Entry-Licenses.*\n", "")],
    "meta-target": [meta("ChangeLog.txt", "none.txt"), meta("fw.mf", "none.mf"), meta("fw.yaml", "none/fw.yaml"),
                    meta("ETSI-Entry-Licenses: .*", "ETSI-Entry-Licenses: ../Licenses"),
                    meta("ETSI-Entry-Licenses: .*", "ETSI-Entry-Licenses: Licence")],
    "meta-prefix": [meta("ETSI-Entry-Licenses", "Entry-Licenses")],
    "root-definitions": [lambda files: relisted({**rooted(files), "other.yaml": b"a: 1\n"}),
                         lambda files: relisted({n: d for n, d in rooted(files).items() if n != "fw.yaml"})],
    "root-manifest": [lambda files: {n.replace("fw.mf", "x.mf"): d for n, d in rooted(files).items()}],
    "manifest-name": [called_otherwise],
    "vnfd-yaml": [vnfd("tosca_definitions_version: ", "["), vnfd("tosca_definitions_version", "version"),
                  lambda files: relisted({**files, VNFD: b"- a\n"}),
                  lambda files: relisted({**files, VNFD: b"[" * 100_000})],
    "vnfd-node": [vnfd("derived_from: tosca.nodes.nfv.VNF\n", "derived_from: tosca.nodes.Root\n")],
    "vnfd-import": [vnfd("imports:\n", "imports:\n  - none.yaml\n"),
                    vnfd("imports:\n", "imports:\n  - file: ../../etc/passwd\n"),
                    vnfd("imports:\n", "imports:\n  - types: {file: 'http://192.0.2.1/types.yaml'}\n"),
                    vnfd("imports:\n", "imports:\n  - /etc/passwd\n")],
    "metadata-first": [manifest("metadata:\n", ""), manifest(r"(?s)metadata:\n.*?\n\n", ""),
                       manifest(r"(?s)metadata:\n.*?\n\n", "metadata:\n\n")],
    "metadata-key": [manifest("metadata:\n", "metadata:\n  vnf_colour: blue\n"),
                     manifest("(  vnfm_info.*)", r"\1\n\1")],
    "metadata-mixed": [manifest("metadata:\n", "metadata:\n  pnfd_name: fw\n")],
    "metadata-missing": [manifest("  vnfm_info.*\n", ""), manifest("vnf_provider_id: .*", "vnf_provider_id:")],
    "metadata-time": [manifest("(date_time: ).*", r"\g<1>2026-01-31"),
                      manifest("(date_time: ).*", r"\g<1>2026-02-30T00:00:00Z"),
                      manifest("(date_time: ).*", r"\g<1>2026-01-31T00:00:00")],
    "metadata-agrees": [manifest("product_name: .*", "product_name: other"),
                        manifest("provider_id: .*", "provider_id: Emca"),
                        manifest("software_version: .*", "software_version: 1.00")],
    "line": [manifest("Source: ChangeLog", "what is this\nSource: ChangeLog"),
             manifest("Source: ChangeLog", "Sauce: it\nSource: ChangeLog"),
             manifest("\n\nSource", "\n\nHash: 00\n\nSource"),
             lambda files: {**files, MANIFEST: files[MANIFEST].replace(b"Source: C", b"\xff\nSource: C")},
             manifest("(Algorithm: .*)", r"\1\n\1"),
             manifest("non_mano", "metadata:\nnon_mano"), manifest("  prv.coven.package:\n", ""),
             manifest("  prv.coven.package:", "  prv.coven.package:\n  prv.coven.package:")],
    "crlf": [lambda files: edited(files, MANIFEST, lambda text: text.replace("\n", "\r\n"))],
    "indented": [manifest("Source: ChangeLog", "  Source: ChangeLog")],
    "key-case": [manifest("Source: ChangeLog", "source: ChangeLog"), manifest("Hash", "HASH")],
    "space": [manifest("Source: ChangeLog", "Source:ChangeLog"), manifest("vnfd_id: ", "vnfd_id:")],
    "order": [manifest(r"(Algorithm: .*)\n(Hash: .*)", r"\2\n\1")],
    "blank-line": [manifest("\n\nSource: ChangeLog", "\nSource: ChangeLog"),
                   lambda files: edited(files, MANIFEST, lambda text: re.sub("(?m)\n\nSource", "\nSource", text))],
    "incomplete": [manifest("(Source: ChangeLog.txt\n).*\n", r"\1"),
                   manifest("(Source: ChangeLog.txt\n.*\n).*\n", r"\1"),
                   manifest("(Source: ChangeLog.txt\n.*\n).*\n", "\\1Hash:\n")],
    "algorithm": [weak("SHA-1", "sha1"), weak("MD5", "md5"), weak("md5", "md5"), weak("SHA-224", "sha224"),
                  weak("SHA-384", "sha384"), weak("CRC", "md5"), weak("SHA256", "sha256")],
    "algorithm-case": [manifest("Algorithm: SHA-256", "Algorithm: sha-256"), weak("Sha-512", "sha512")],
    "hash": [of_another, manifest("Hash: .", "Hash: x"), manifest("Hash: .", "Hash: "),
             manifest("(Source: ChangeLog.txt\nAlgorithm: SHA-)256", r"\g<1>512"),
             lambda files: {**files, "ChangeLog.txt": files["ChangeLog.txt"] + b"\n"}],
    "hash-case": [in_capitals],
    "listed-twice": [manifest(f"({BLOCK})", r"\1\1"),
                     lambda files: listing("./ChangeLog.txt", value=digest(files["ChangeLog.txt"]))(files)],
    "listed-itself": [listing("fw.mf")],
    "listed-absent": [listing("none.txt"), listing("Licenses"),
                      manifest("    Source: A", "    Source: none\n    Source: A")],
    "unlisted": [manifest(BLOCK, ""), lambda files: {**files, "more.txt": b""},
                 lambda files: {**files, "TOSCA-Metadata/more": b""},
                 manifest("Source: TOSCA-Metadata/TOSCA.meta\n.*\n.*\n\n", "")],
    "undigested": [manifest(r"Source: Artifacts/coven/filter.py\nAlgorithm: .*\nHash: .*\n\n", "")],
    "path": [listing("../../etc/passwd"), listing("/etc/passwd"), listing("a\\\\..\\\\b"), listing("a/../fw.mf"),
             listing("")],
    "scheme": [listing("file:///etc/passwd"), listing("FILE:/etc/passwd"), listing("ftp://192.0.2.1/x"),
               listing("data:,x")],
    "remote": [listing("http://192.0.2.1/image.qcow2"), listing("HTTPS://192.0.2.1/image.qcow2")],
    "set-name": [manifest("  prv.coven", "  Other:\n    Source: ChangeLog.txt\n  prv.coven")],
    "set-empty": [manifest("  prv.coven", "  other:\n  prv.coven")],
    "certificate-stray": [lambda files: relisted({**files, "fw.cert": b"x"}),
                          lambda files: relisted({**files, "me.CRT": b"x"})],
    "cms-none": [lambda files: meta("(Created-By.*)", r"\1\nETSI-Entry-Certificate: fw.cert")(
                     {**files, "fw.cert": b"x"}),
                 manifest("(Source: ChangeLog.txt\n.*\n.*\n)", r"\1Signature: a.sig\nCertificate: a.cert\n")],
    "unsigned": [lambda files: files],
}  # fmt: skip
CASES = [(rule, number) for rule, faults in FAULTS.items() for number in range(len(faults))]


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return members(pack_csar(author(tmp_path_factory.mktemp("csar") / "package")))


def read(files: Files, folder: Path, strict: bool) -> tuple[set[str | None], set[str | None]]:
    """The rules that a package is refused for, and those that it is warned of."""
    try:
        taken = take_in(io.BytesIO(zipped(files)), folder, "x.csar", Policy(strict=strict))
    except Refused as refused:
        assert not any(folder.iterdir()), "nothing is left"
        for mistake in refused.mistakes:
            assert mistake.file and mistake.file.startswith("x.csar")
            assert mistake.found and mistake.expected and mistake.remedy
        return {mistake.field for mistake in refused.mistakes}, set()
    assert taken.csar is not None
    tolerated = {warning.field for warning in taken.csar.warnings if RULES[str(warning.field)].strict == REFUSED}
    assert taken.csar.reading == ("lenient" if tolerated else "strict")
    return set(), {warning.field for warning in taken.csar.warnings} - {"unsigned"}


def test_every_rule_has_its_fault() -> None:
    assert FAULTS.keys() | SIGNED_FAULTS.keys() == RULES.keys()


@pytest.mark.parametrize("rule, number", CASES, ids=[f"{rule}-{number}" for rule, number in CASES])
def test_one_fault(rule: str, number: int, good: Files, tmp_path: Path) -> None:
    bad = FAULTS[rule][number](good)
    for strict, what in ((True, RULES[rule].strict), (False, RULES[rule].lenient)):
        folder = tmp_path / str(strict)
        folder.mkdir()
        refused, warned = read(bad, folder, strict)
        if rule == "unsigned":
            assert what == WARNED and (refused, warned) == (set(), set())
        else:
            assert (refused, warned) == (({rule}, set()) if what == REFUSED else (set(), {rule}))


def test_all_faults_at_once_each_with_its_line(good: Files, tmp_path: Path) -> None:
    bad = good
    for rule in ("algorithm-case", "hash", "scheme", "metadata-time", "unlisted"):
        bad = FAULTS[rule][-1](bad) if rule != "unlisted" else FAULTS[rule][1](bad)
    with pytest.raises(Refused) as caught:
        take_in(io.BytesIO(zipped(bad)), tmp_path, "x.csar", Policy(strict=True))
    places = {(mistake.field, mistake.file, mistake.line is not None) for mistake in caught.value.mistakes}
    assert places >= {
        ("scheme", "x.csar:fw.mf", True), ("metadata-time", "x.csar:fw.mf", True), ("hash", "x.csar:fw.mf", True),
        ("unlisted", "x.csar:more.txt", False),
    }  # fmt: skip
    lines = bad[MANIFEST].decode().split("\n")
    for mistake in caught.value.mistakes:
        if mistake.field == "scheme":
            assert lines[(mistake.line or 0) - 1] == "Source: data:,x"


def test_without_tosca_metadata(good: Files, tmp_path: Path) -> None:
    assert read(rooted(good), tmp_path, True) == (set(), set())


def test_payload_of_another_package(good: Files, tmp_path: Path) -> None:
    """A VNFD that says one thing, and a package that is another."""
    name = "Artifacts/coven/vnf.yaml"
    bad = relisted(edited(good, name, lambda text: text.replace('version: "1.0"', 'version: "2.0"')))
    for strict in (True, False):
        assert read(bad, tmp_path, strict) == ({"metadata-agrees"}, set())
