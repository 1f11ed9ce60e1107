"""The manifest, `NAME.mf`: metadata, a digest of every file, non-MANO artifact sets, a CMS (SOL004 4.3.2, 5.3)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from coven.base.reading import is_time
from coven.package.csar.rules import Findings

BEGIN, END = b"-----BEGIN CMS-----", b"-----END CMS-----"
RELEASE = "2.7.1"  #: of SOL004 and SOL001, that we write

VNF_KEYS = ("vnf_product_name", "vnf_provider_id", "vnf_package_version", "vnf_release_date_time")
LATER_KEYS = ("vnfd_id", "vnf_software_version", "vnfm_info", "compatible_specification_versions")  #: from 2.7.1
PNF_KEYS = ("pnfd_name", "pnfd_provider", "pnfd_archive_version", "pnfd_release_date_time")
#: 2.4.1 spells one of them so
SPELT_SO = {"vnf_release_data_time": "vnf_release_date_time"}
_TIMES = ("vnf_release_date_time", "pnfd_release_date_time")
_OF_A_FILE = ("Source", "Algorithm", "Hash", "Signature", "Certificate")
_BY_LOWER = {key.lower(): key for key in _OF_A_FILE}
MAX_BYTES = 4 << 20  #: of a manifest: what most files, with names of full length, and a CMS take
_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_SET_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")


@dataclass
class Entry:
    """One file. `values` by the standard's spelling, with the line of each; `of` is its set, None in the body."""

    line: int
    values: dict[str, tuple[str, int]] = field(default_factory=dict)
    of: str | None = None

    def get(self, key: str) -> str | None:
        value = self.values.get(key)
        return value[0] if value else None


@dataclass
class Manifest:
    file: str
    metadata: dict[str, tuple[str, int]] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    sets: dict[str, list[Entry]] = field(default_factory=dict)
    cms: bytes | None = None  #: PEM
    signed: bytes = b""  #: what the CMS covers: all before its BEGIN line

    @property
    def kind(self) -> str:
        return "PNF" if any(key.startswith("pnfd_") for key in self.metadata) else "VNF"

    def value(self, key: str) -> str | None:
        entry = self.metadata.get(key)
        return entry[0] if entry else None


def write(
    metadata: Mapping[str, str], digests: Iterable[tuple[str, str, str]], sets: Mapping[str, Sequence[str]]
) -> bytes:
    """`digests`: (file, algorithm, hash). Ends with a blank line, so that a CMS can follow."""
    blocks = ["metadata:\n" + "\n".join(f"  {key}: {value}" for key, value in metadata.items())]
    blocks += [f"Source: {file}\nAlgorithm: {algorithm}\nHash: {digest}" for file, algorithm, digest in digests]
    if sets:
        lines = ["non_mano_artifact_sets:"]
        for name, files in sets.items():
            lines += [f"  {name}:", *(f"    Source: {file}" for file in files)]
        blocks.append("\n".join(lines))
    return ("\n\n".join(blocks) + "\n\n").encode()


def split(data: bytes) -> tuple[bytes, bytes | None, bytes]:
    """What is signed, the CMS, what follows it."""
    match = re.search(rb"^[ \t]*-----BEGIN CMS-----", data, re.MULTILINE)
    if match is None:
        return data, None, b""
    start = match.start()
    end = data.find(END, start)
    if end < 0:
        return data[:start], data[start:], b""
    end += len(END)
    return data[:start], data[start:end], data[end:]


def read(data: bytes, file: str, findings: Findings) -> Manifest:
    """What is wrong in its text is told to `findings`; whether it fits the package is `read.py`'s affair."""
    manifest = Manifest(file)
    if len(data) > MAX_BYTES:
        findings.broken("line", file, found=f"{len(data)} bytes", remedy=f"at most {MAX_BYTES}")
        return manifest
    manifest.signed, manifest.cms, rest = split(data)
    if manifest.cms is not None and (rest.strip() or not manifest.cms.endswith(END)):
        line = data[: len(data) - len(rest)].count(b"\n") + 1
        found = "a second CMS" if BEGIN in rest else "more after it" if rest.strip() else "no END line"
        findings.broken("cms-last", file, line, found=found)
    try:
        text = manifest.signed.decode()
    except UnicodeDecodeError as error:
        findings.broken("line", file, data[: error.start].count(b"\n") + 1, found="not UTF-8")
        text = manifest.signed.decode(errors="replace")
    _Reader(manifest, findings).read(text)
    _check_metadata(manifest, findings)
    return manifest


class _Reader:
    """The lines of a manifest. Deviations of one kind are told once, at the first."""

    def __init__(self, manifest: Manifest, findings: Findings):
        self.manifest = manifest
        self.findings = findings
        self.told: set[str] = set()
        self.section = ""  #: metadata | body | sets
        self.set: str | None = None
        self.entry: Entry | None = None
        self.blank = True  #: the line before was

    def once(self, rule: str, line: int, found: str) -> None:
        if rule not in self.told:
            self.told.add(rule)
            self.findings.broken(rule, self.manifest.file, line, found=found)

    def read(self, text: str) -> None:
        if "\r\n" in text:
            self.once("crlf", text[: text.index("\r\n")].count("\n") + 1, "CRLF")
        for number, line in enumerate(text.split("\n"), 1):
            line = line.removesuffix("\r")
            if not line.strip():
                self.blank = True
                continue
            head, colon, rest = line.partition(":")
            indent, key = len(head) - len(head.lstrip()), head.strip()
            if not colon or not _KEY.fullmatch(key):
                self.findings.broken("line", self.manifest.file, number, found=ascii(line[:60])[1:-1])
            elif self.line(number, indent, key, rest[:1].isspace(), rest.strip()):
                self.blank = False
        if not self.manifest.metadata and "metadata-first" not in self.told:
            self.once("metadata-first", 1, "no metadata")

    def line(self, number: int, indent: int, key: str, space: bool, value: str) -> bool:
        """Whether the line is of a file."""
        if key in ("metadata", "non_mano_artifact_sets") and not value:
            self.begin(key, number)
            return False
        if not self.section:
            self.once("metadata-first", number, f"{key} before metadata:")
            self.section = "body" if key.lower() in _BY_LOWER else "metadata"
        if value and not space:
            self.once("space", number, f"{key}:{value[:20]}")
        known = _BY_LOWER.get(key.lower())
        if known is None:
            self.other(number, key, value)
            return False
        if known != key:
            self.once("key-case", number, key)
        if self.section == "metadata":
            self.section = "body"
        if indent and self.section == "body":
            self.once("indented", number, f"{indent} blanks before {key}")
        self.of_file(number, known, value)
        return True

    def begin(self, key: str, number: int) -> None:
        if key == "metadata":
            if self.section:
                self.findings.broken("line", self.manifest.file, number, found="metadata again, or not at the head")
            self.section = "metadata"
        else:
            self.section = "sets"
        self.entry = self.set = None

    def other(self, number: int, key: str, value: str) -> None:
        """A line that is not of a file: metadata, or the name of a set."""
        if self.section == "metadata":
            key = SPELT_SO.get(key, key)
            if key in self.manifest.metadata:
                self.findings.broken("metadata-key", self.manifest.file, number, found=f"{key} again")
            else:
                self.manifest.metadata[key] = value, number
        elif self.section == "sets" and not value:
            if not _SET_NAME.fullmatch(key):
                self.findings.broken("set-name", self.manifest.file, number, found=key)
            if key in self.manifest.sets:
                self.findings.broken("line", self.manifest.file, number, found=f"{key} again")
            self.set = key
            self.entry = None
            self.manifest.sets.setdefault(key, [])
        else:
            self.findings.broken("line", self.manifest.file, number, found=f"{key}: {value[:60]}".strip())

    def of_file(self, number: int, key: str, value: str) -> None:
        if key == "Source":
            # some begin with a blank line between files, some have none: that is one deviation
            if self.entry is not None and not self.blank and self.section == "body":
                self.once("blank-line", number, "Source right after another file")
            self.entry = Entry(number, of=self.set)
            if self.section == "sets":
                if self.set is None:
                    self.findings.broken("line", self.manifest.file, number, found="a file of no set")
                else:
                    self.manifest.sets[self.set].append(self.entry)
            else:
                self.manifest.entries.append(self.entry)
        if self.entry is None or key in self.entry.values:
            found = f"{key} before Source" if self.entry is None else f"{key} again"
            self.findings.broken("line", self.manifest.file, number, found=found)
            return
        if key == "Algorithm" and "Hash" in self.entry.values:
            self.once("order", number, "Hash, then Algorithm")
        if key == "Signature" and "Certificate" in self.entry.values:
            self.once("order", number, "Certificate, then Signature")
        self.entry.values[key] = value, number


def _check_metadata(manifest: Manifest, findings: Findings) -> None:
    keys = manifest.metadata
    if not keys:
        return
    known = {*VNF_KEYS, *LATER_KEYS, *PNF_KEYS}
    for key, (_, line) in keys.items():
        if key not in known:
            findings.broken("metadata-key", manifest.file, line, found=key)
    pnf = [key for key in keys if key in PNF_KEYS]
    vnf = [key for key in keys if key.startswith("vnf")]
    if pnf and vnf:
        findings.broken("metadata-mixed", manifest.file, keys[pnf[0]][1], found=f"{vnf[0]} and {pnf[0]}")
    wanted: tuple[str, ...] = PNF_KEYS if pnf and not vnf else VNF_KEYS
    if not pnf and any(key in keys for key in LATER_KEYS):
        wanted += LATER_KEYS
    for key in wanted:
        if not keys.get(key, ("",))[0]:
            at = keys[key][1] if key in keys else None
            findings.broken("metadata-missing", manifest.file, at, found=f"no {key}", remedy=f"add {key}:")
    for key in _TIMES:
        if key in keys and keys[key][0] and not is_time(keys[key][0]):
            remedy = "for example 2026-01-31T12:00:00Z"
            findings.broken("metadata-time", manifest.file, keys[key][1], found=keys[key][0][:60], remedy=remedy)
