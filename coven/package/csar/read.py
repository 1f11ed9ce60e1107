"""An unpacked CSAR against the rules of SOL004: what it is, whether it is whole, whose it is.

Ours carries a package as its author has it, in a non-MANO artifact set; others are accepted as packages and cannot be
instantiated here. Nothing is fetched, nothing of the package is executed.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from coven.base.signatures import OFF, REQUIRED, Policy
from coven.package.csar import manifest as manifests
from coven.package.csar import meta as metas
from coven.package.csar import template, verify
from coven.package.csar.manifest import Entry, Manifest
from coven.package.csar.meta import Meta
from coven.package.csar.pack import SET
from coven.package.csar.rules import Findings
from coven.package.csar.verify import Signature
from coven.package.descriptor import DESCRIPTOR, load
from itf.mistakes import Mistake, Refused

DIGESTS = {"SHA-256": "sha256", "SHA-512": "sha512"}
MAX_META = 1 << 20  #: bytes of TOSCA.meta
MAX_SIGNATURES = 100  #: of single files: each keeps openssl busy for a while
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_CERTIFICATES = (".cert", ".crt", ".cer", ".pem")
#: manifest key -> property of the VNFD's node
_AGREE = {
    "vnfd_id": "descriptor_id",
    "vnf_provider_id": "provider",
    "vnf_product_name": "product_name",
    "vnf_software_version": "software_version",
    "pnfd_provider": "provider",
}


@dataclass
class Csar:
    """What reading found out. `payload`: the folder in it with our descriptor, None in foreign packages."""

    root: Path
    kind: str  #: VNF | PNF
    reading: str  #: strict | lenient
    metadata: dict[str, str] = field(default_factory=dict)
    node: dict[str, str] = field(default_factory=dict)  #: what the VNFD says of its VNF or PNF
    payload: Path | None = None
    signature: Signature | None = None
    warnings: list[Mistake] = field(default_factory=list)

    def _first(self, *keys: str) -> str | None:
        """What manifest or VNFD say, by the first of the keys that is stated."""
        facts = {**self.node, **self.metadata}
        return next((facts[key] for key in keys if facts.get(key)), None)

    @property
    def name(self) -> str:
        return self._first("vnf_product_name", "pnfd_name", "product_name", "name") or "?"

    @property
    def version(self) -> str:
        return self._first("vnf_package_version", "pnfd_archive_version", "software_version", "version") or "?"

    @property
    def provider(self) -> str:
        return self._first("vnf_provider_id", "pnfd_provider", "provider") or "?"

    @property
    def identity(self) -> str | None:
        """The vnfd_id."""
        return self._first("vnfd_id", "descriptor_id")

    def __str__(self) -> str:
        return f"the {self.kind} {self.name} {self.version} of {self.provider}"

    def as_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "foreign": self.payload is None,
            "reading": self.reading,
            "metadata": self.metadata,
            "signature": self.signature.as_dict() if self.signature else None,
            "warnings": [warning.as_dict() for warning in self.warnings],
        }

    def summary(self, label: str) -> list[str]:
        """For people: what it is, how it was read, whose it is."""
        whose = "ours" if self.payload else "foreign: it is a valid package, and nothing that Coven could run"
        lines = [f"{label}: {self}, {whose}"]
        tolerated = "" if self.reading == "strict" else ": a strict VNFM would refuse it for the above"
        lines.append(f"reading: {self.reading}{tolerated}")
        if self.signature is None:
            lines.append("signature: none")
        else:
            where = "in the manifest" if self.signature.option == 1 else "around the package"
            lines.append(f"signature: good, {where}, by {'; '.join(self.signature.signers)}")
        return lines


def files_of(root: Path) -> set[str]:
    """The files of an unpacked archive, by their names in it."""
    found = set()
    for where, _, names in os.walk(root):
        found |= {Path(where, name).relative_to(root).as_posix() for name in names}
    return found


def is_csar(root: Path) -> bool:
    """Whether an unpacked archive means to be one, rather than a plain zip of a package."""
    if (root / metas.FOLDER).is_dir() or outer_csar(root) is not None:
        return True
    return not (root / DESCRIPTOR).is_file() and any(root.glob("*.mf"))


def outer_csar(root: Path) -> Path | None:
    """The package inside an outer zip of signing option 2, None if it is none."""
    if (root / metas.FOLDER).is_dir() or (root / DESCRIPTOR).is_file():
        return None
    inner = sorted(path for path in root.iterdir() if path.suffix.lower() == ".csar" and path.is_file())
    return inner[0] if inner else None


def read_outer(root: Path, inner: Path, policy: Policy, findings: Findings) -> Signature | None:
    """The signature around a package. What is wrong is told to `findings`."""
    names = sorted(files_of(root))
    by_suffix: dict[str, list[str]] = {}
    for name in names:
        by_suffix.setdefault(PurePosixPath(name).suffix.lower() if "/" not in name else "/", []).append(name)
    found = [name for suffix, each in by_suffix.items() for name in each
             if suffix not in (".csar", ".cms", *_CERTIFICATES)]  # fmt: skip
    certificates = [name for suffix in _CERTIFICATES for name in by_suffix.get(suffix, [])]
    found += by_suffix[".csar"][1:] + by_suffix.get(".cms", [])[1:] + certificates[1:]
    for name in found:
        findings.broken("outer-files", name, found="it has no place there")
    if ".cms" not in by_suffix:
        findings.broken("cms-none", found="no .cms", remedy="the package alone is a package, too")
        return None
    cms = by_suffix[".cms"][0]
    if len({PurePosixPath(name).stem for name in (inner.name, cms, *certificates[:1])}) > 1:
        findings.broken("outer-names", found=", ".join((inner.name, cms, *certificates[:1])))
    if policy.signatures == OFF:
        return Signature(2)
    beside = (root / certificates[0]).read_bytes() if certificates else None
    return verify.verify(inner.read_bytes(), (root / cms).read_bytes(), beside, 2, policy, findings, cms)


def read(root: Path, policy: Policy, findings: Findings, outer: Signature | None = None) -> Csar:
    """A package, unpacked in `root`. `outer`: the signature around it. Raises Refused with every mistake."""
    reading = _Reading(root, policy, findings)
    csar = reading.read(outer)
    if findings.mistakes:
        raise Refused(findings.mistakes, title="package refused")
    csar.reading = findings.reading
    csar.warnings = findings.warnings
    return csar


class _Reading:
    def __init__(self, root: Path, policy: Policy, findings: Findings):
        self.root = root
        self.policy = policy
        self.findings = findings
        self.files = files_of(root)

    def read(self, outer: Signature | None) -> Csar:
        meta = self._meta()
        manifest = self._manifest(meta)
        if manifest is None:
            return Csar(self.root, "VNF", "")
        self._targets(meta)
        signed = manifest.cms is not None or outer is not None
        self._entries(manifest, meta, signed)
        node = self._template(meta, manifest)
        signature = self._signature(meta, manifest, outer)
        metadata = {key: value for key, (value, _) in manifest.metadata.items()}
        payload = self._payload(manifest)
        return Csar(self.root, manifest.kind, "", metadata, node, payload, signature)

    # where things are

    def _meta(self) -> Meta:
        if metas.FILE in self.files:
            path = self.root / metas.FILE
            if path.stat().st_size > MAX_META:
                self.findings.broken("meta-line", metas.FILE, found=f"{path.stat().st_size} bytes")
                return Meta()
            return metas.read(path.read_bytes(), self.findings)
        if (self.root / metas.FOLDER).is_dir():
            self.findings.broken("meta-definitions", metas.FILE, found="no such file")
            return Meta()
        roots = sorted(name for name in self.files if "/" not in name and name.endswith((".yaml", ".yml")))
        if len(roots) != 1:
            self.findings.broken("root-definitions", found=", ".join(roots) or "none")
            return Meta("")
        meta = Meta("", {"Definitions": (roots[0], 0)})
        name = f"{PurePosixPath(roots[0]).stem}.mf"
        if name in self.files:
            meta.entries["Manifest"] = name, 0
            certificate = f"{PurePosixPath(name).stem}.cert"
            if certificate in self.files:
                meta.entries["Certificate"] = certificate, 0
        else:
            there = ", ".join(sorted(each for each in self.files if each.endswith(".mf")))
            self.findings.broken("root-manifest", found=there or f"no {name}")
        return meta

    def _manifest(self, meta: Meta) -> Manifest | None:
        name = meta.target("Manifest")
        if meta.file and (not name or not name.endswith(".mf")):
            line = meta.entries["Manifest"][1] if name else None
            self.findings.broken("meta-manifest", meta.file, line, found=name or "nothing")
            return None
        if not name or name not in self.files:
            if name:
                self.findings.broken("meta-target", meta.file, meta.entries["Manifest"][1], found=f"no {name}")
            return None
        definitions = meta.target("Definitions")
        if definitions and PurePosixPath(definitions).stem != PurePosixPath(name).stem:
            self.findings.broken("manifest-name", name, found=f"{name} and {definitions}")
        return manifests.read((self.root / name).read_bytes(), name, self.findings)

    def _targets(self, meta: Meta) -> None:
        if not meta.file:
            return
        for part, rule in (("Change-Log", "meta-change-log"), ("Licenses", "meta-licenses")):
            if not meta.target(part):
                self.findings.broken(rule, meta.file, found="nothing", remedy=f"add ETSI-Entry-{part}:")
        for part, (name, line) in meta.entries.items():
            folder = name.rstrip("/") + "/"
            there = name in self.files or any(each.startswith(folder) for each in self.files)
            if part != "Manifest" and name and (not there or not self._inside(name)):
                self.findings.broken("meta-target", meta.file, line, found=f"no {name}")

    @staticmethod
    def _inside(name: str) -> bool:
        return not name.startswith("/") and ".." not in name.split("/") and "\\" not in name

    # the manifest and the files

    def _entries(self, manifest: Manifest, meta: Meta, signed: bool) -> None:
        listed: dict[str, bool] = {}  # file -> whether it has a digest
        seen: dict[str, int] = {}
        remote = False
        for entry in [*manifest.entries, *(entry for files in manifest.sets.values() for entry in files)]:
            name = self._source(entry, manifest, tell_remote=not remote)
            if name is None:
                remote = True
                continue
            digested = entry.get("Algorithm") is not None or entry.get("Hash") is not None
            if entry.of is None or digested:
                if name in seen:
                    found = f"{name}, as in line {seen[name]}"
                    self.findings.broken("listed-twice", manifest.file, entry.line, found=found)
                    continue  # a file's digest is computed once, however often it is listed
                seen[name] = entry.line
            if name == manifest.file:
                self.findings.broken("listed-itself", manifest.file, entry.line, found=name)
                continue
            listed[name] = self._digest(name, entry, manifest) or listed.get(name, False)
        for name, files in manifest.sets.items():
            if not files:
                self.findings.broken("set-empty", manifest.file, found=name)
        certificate = meta.target("Certificate")
        for name in sorted(self.files - listed.keys() - {manifest.file, certificate}):
            self.findings.broken("unlisted", name, found=f"{manifest.file} does not list it")
        for name in sorted(name for name, digested in listed.items() if not digested and name in self.files):
            self.findings.broken("undigested", name, found=f"no digest of it in {manifest.file}", refuse=signed)

    def _source(self, entry: Entry, manifest: Manifest, tell_remote: bool) -> str | None:
        """The file that an entry means; None for what is elsewhere."""
        source = entry.get("Source") or ""
        if source not in self.files and (match := _SCHEME.match(source)):
            if source.lower().startswith(("http://", "https://")):
                if tell_remote:
                    self.findings.broken("remote", manifest.file, entry.line, found=source[:80])
            else:
                self.findings.broken("scheme", manifest.file, entry.line, found=match[0])
            return None
        name = source.removeprefix("./")
        if not name or not self._inside(name):
            self.findings.broken("path", manifest.file, entry.line, found=ascii(source)[1:-1][:80] or "nothing")
            return None
        return name

    def _digest(self, name: str, entry: Entry, manifest: Manifest) -> bool:
        """Whether an entry has a digest; told if it is none, or another file's."""
        if name not in self.files:
            self.findings.broken("listed-absent", manifest.file, entry.line, found=f"no {name}")
            return True
        algorithm, stated = entry.get("Algorithm"), entry.get("Hash")
        if algorithm is None and stated is None and entry.of is not None:
            return False
        if not algorithm or not stated:
            lacks = "Algorithm" if not algorithm else "Hash"
            self.findings.broken("incomplete", manifest.file, entry.line, found=f"{name} without {lacks}")
            return True
        known = DIGESTS.get(algorithm.upper())
        if known is None:
            line = entry.values["Algorithm"][1]
            self.findings.broken("algorithm", manifest.file, line, found=algorithm[:40])
            return True
        if algorithm != algorithm.upper():
            self.findings.broken("algorithm-case", manifest.file, entry.values["Algorithm"][1], found=algorithm)
        with (self.root / name).open("rb") as file:
            actual = hashlib.file_digest(file, known).hexdigest()
        line = entry.values["Hash"][1]
        if stated.lower() != actual:
            remedy = f"it is {actual}; was the file changed afterwards?"
            self.findings.broken("hash", manifest.file, line, found=f"{ascii(stated)[1:-1][:128]} for {name}",
                                 remedy=remedy)  # fmt: skip
        elif stated != actual:
            self.findings.broken("hash-case", manifest.file, line, found=stated[:16] + "...")
        return True

    # the descriptor

    def _template(self, meta: Meta, manifest: Manifest) -> dict[str, str]:
        """What the VNFD says of its node."""
        name = meta.target("Definitions")
        if not name or name not in self.files:
            return {}
        node = template.read(self.root, name, self.files, self.findings) or {}
        for key, of in _AGREE.items():
            stated, there = manifest.metadata.get(key), node.get(of)
            if stated and stated[0] and there is not None and stated[0] != there:
                self.findings.broken("metadata-agrees", manifest.file, stated[1], found=f"{key} {stated[0]}",
                                     remedy=f"{name} says {of} {there}")  # fmt: skip
        return node

    def _payload(self, manifest: Manifest) -> Path | None:
        """The folder of our descriptor."""
        names = [entry.get("Source") or "" for entry in manifest.sets.get(SET, [])]
        descriptors = sorted((name for name in names if name.rsplit("/", 1)[-1] == DESCRIPTOR), key=len)
        if not descriptors or not self._inside(descriptors[0]) or not (self.root / descriptors[0]).is_file():
            return None
        payload = (self.root / descriptors[0]).parent
        try:
            identity = load(payload / DESCRIPTOR, DESCRIPTOR).vnfd_id
        except Refused:
            return payload  # told with all its mistakes when it is taken in
        stated = manifest.metadata.get("vnfd_id")
        if stated and stated[0] != identity:
            remedy = f"the package in it has {identity}"
            self.findings.broken("metadata-agrees", manifest.file, stated[1], found=f"vnfd_id {stated[0]}",
                                 remedy=remedy, refuse=True)  # fmt: skip
        return payload

    # security

    def _signature(self, meta: Meta, manifest: Manifest, outer: Signature | None) -> Signature | None:
        name = meta.target("Certificate")
        for each in sorted(self.files):
            if "/" not in each and each.lower().endswith((".cert", ".crt", ".cer")) and each != name:
                self.findings.broken("certificate-stray", each, found="TOSCA.meta does not name it")
        signed = [entry for entry in manifest.entries if entry.get("Signature")]
        if manifest.cms is None:
            if name or signed:
                found = f"the certificate {name}" if name else f"a signature of {signed[0].get('Source')}"
                line = signed[0].line if signed else None
                self.findings.broken("cms-none", manifest.file, line, found=found)
            if outer is None:
                self.findings.broken("unsigned", found="no signature",
                                     refuse=self.policy.signatures == REQUIRED)  # fmt: skip
                return None
        result = outer
        if self.policy.signatures == OFF:
            return result or Signature(1)
        beside = (self.root / name).read_bytes() if name and name in self.files else None
        if manifest.cms is not None:
            mine = verify.verify(
                manifest.signed, manifest.cms, beside, 1, self.policy, self.findings, manifest.file
            )
            result = outer or mine
        if len(signed) > MAX_SIGNATURES:
            self.findings.broken("signature", manifest.file, signed[0].line, found=f"{len(signed)} files with one",
                                 remedy=f"at most {MAX_SIGNATURES}; the CMS covers all of them")  # fmt: skip
        for entry in signed[:MAX_SIGNATURES]:
            self._artifact(entry, manifest)
        return result

    def _artifact(self, entry: Entry, manifest: Manifest) -> None:
        """The signature of one file, in a file of its own."""
        name, source, beside = entry.get("Signature") or "", entry.get("Source") or "", entry.get("Certificate")
        parts = [name, source, *([beside] if beside else [])]
        if absent := [part for part in parts if part not in self.files]:
            self.findings.broken("listed-absent", manifest.file, entry.line, found=f"no {absent[0]}")
            return
        certificate = (self.root / beside).read_bytes() if beside else None
        verify.verify((self.root / source).read_bytes(), (self.root / name).read_bytes(), certificate, 1, self.policy,
                      self.findings, name)  # fmt: skip
