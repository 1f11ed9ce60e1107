"""`TOSCA-Metadata/TOSCA.meta`: where the parts of a package are (SOL004 4.1.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from coven.package.csar.rules import Findings

FILE = "TOSCA-Metadata/TOSCA.meta"
FOLDER = "TOSCA-Metadata"
DEFINITIONS = "Entry-Definitions"
#: what 2.4.1 and 2.5.1 call Entry-X is ETSI-Entry-X later
PARTS = ("Manifest", "Change-Log", "Tests", "Licenses", "Certificate")
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


@dataclass
class Meta:
    """`entries` by part (Definitions, Manifest, ...): what it names, and the line."""

    file: str = FILE
    entries: dict[str, tuple[str, int]] = field(default_factory=dict)

    def target(self, part: str) -> str | None:
        entry = self.entries.get(part)
        return entry[0] if entry else None


def write(entries: Mapping[str, str], author: str) -> bytes:
    """`entries` by part, Definitions among them."""
    lines = ["TOSCA-Meta-File-Version: 1.0", "CSAR-Version: 1.1", f"Created-By: {author}"]
    lines.append(f"{DEFINITIONS}: {entries['Definitions']}")
    lines += [f"ETSI-Entry-{part}: {entries[part]}" for part in PARTS if part in entries]
    return ("\n".join(lines) + "\n").encode()


def read(data: bytes, findings: Findings) -> Meta:
    """What is wrong is told to `findings`."""
    meta = Meta()
    keys: dict[str, tuple[str, int]] = {}
    try:
        text = data.decode()
    except UnicodeDecodeError:
        findings.broken("meta-line", FILE, found="not UTF-8")
        text = data.decode(errors="replace")
    blocks = 0  # the first tells of the package, further ones of single files
    blank = True
    for number, line in enumerate(text.split("\n"), 1):
        line = line.removesuffix("\r")
        if not line.strip():
            blank = True
            continue
        blocks += blank
        blank = False
        key, colon, value = (part.strip() for part in line.partition(":"))
        if not colon or not _KEY.fullmatch(key):
            findings.broken("meta-line", FILE, number, found=ascii(line[:60])[1:-1])
        elif blocks == 1:
            if key in keys:
                findings.broken("meta-line", FILE, number, found=f"{key} again")
            keys[key] = value, number
    if keys.get("TOSCA-Meta-File-Version", ("",))[0] != "1.0":
        _told(findings, "meta-version", keys, "TOSCA-Meta-File-Version")
    if keys.get("CSAR-Version", ("",))[0] not in ("1.0", "1.1"):
        _told(findings, "meta-csar-version", keys, "CSAR-Version")
    if not keys.get("Created-By", ("",))[0]:
        _told(findings, "meta-created-by", keys, "Created-By")
    if keys.get(DEFINITIONS, ("",))[0]:
        meta.entries["Definitions"] = keys[DEFINITIONS]
    else:
        _told(findings, "meta-definitions", keys, DEFINITIONS)
    prefixes = set()
    for part in PARTS:
        for prefix in ("Entry-", "ETSI-Entry-"):
            if prefix + part in keys:
                prefixes.add(prefix)
                meta.entries[part] = keys[prefix + part]
    if len(prefixes) > 1:
        findings.broken("meta-prefix", FILE, found="both")
    return meta


def _told(findings: Findings, rule: str, keys: Mapping[str, tuple[str, int]], key: str) -> None:
    value, line = keys.get(key, ("", None))
    findings.broken(rule, FILE, line, found=ascii(value)[1:-1] or "nothing", remedy=None if value else f"add {key}:")
