"""What an appliance is made of, as a CycloneDX 1.5 document: Debian packages, Python packages.

Source: CycloneDX 1.5 (ECMA-424 is 1.6, of which this is a part), package URLs as the purl specification writes them.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from email.parser import HeaderParser
from pathlib import Path
from typing import Any
from urllib.parse import quote

Component = dict[str, Any]
_SITES, _METADATA = "usr/local/lib/coven/runtime/lib/python*/site-packages", "*.dist-info/METADATA"
READ = ("var/lib/dpkg/status", f"{_SITES}/{_METADATA}")  #: of a root: patterns of all that is read here


def stanzas(text: str) -> Iterator[dict[str, str]]:
    """The records of a dpkg status file (deb822), without what is folded."""
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if re.match(r"[A-Za-z][\w-]*: ", line))
        if fields:
            yield fields


def debian(status: str) -> list[Component]:
    """Of what is installed, by name."""
    found = []
    for fields in stanzas(status):
        if not fields.get("Status", "").endswith(" installed"):
            continue
        name, version, architecture = fields["Package"], fields["Version"], fields["Architecture"]
        purl = f"pkg:deb/debian/{quote(name, safe='')}@{quote(version, safe='')}?arch={architecture}&distro=debian-12"
        source = (fields.get("Source") or name).split(" ")
        of = source[1].strip("()") if len(source) > 1 else version
        found.append({
            "type": "operating-system" if name.startswith("linux-image-") else "library",
            "bom-ref": purl, "name": name, "version": version, "purl": purl,
            "properties": [{"name": "debian:source", "value": f"{source[0]} {of}"}],
        })  # fmt: skip
    return sorted(found, key=lambda each: each["bom-ref"])


def python(site: Path) -> list[Component]:
    """Of the distributions in a folder of Python packages, by name."""
    found = []
    for metadata in site.glob(_METADATA):
        fields = HeaderParser().parsestr(metadata.read_text(errors="replace"))
        name = re.sub(r"[-_.]+", "-", fields["Name"]).lower()
        component = {"type": "library", "bom-ref": (purl := f"pkg:pypi/{quote(name)}@{quote(fields['Version'])}"),
                     "name": name, "version": fields["Version"], "purl": purl}  # fmt: skip
        licence = fields["License-Expression"] or fields["License"]
        if licence and len(licence) < 100 and "\n" not in licence:
            component["licenses"] = [{"license": {"name": licence}}]
        found.append(component)
    return sorted(found, key=lambda each: each["bom-ref"])


def document(version: str, epoch: int, components: list[Component]) -> dict[str, Any]:
    """The document of an appliance of that version, made at `epoch` (seconds since 1970)."""
    names = "\n".join(each["bom-ref"] for each in components)
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'coven:{version}:{epoch}:{names}')}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(epoch, UTC).isoformat().replace("+00:00", "Z"),
            "component": {"type": "operating-system", "bom-ref": "coven", "name": "coven", "version": version},
        },
        "components": components,
        "dependencies": [{"ref": "coven", "dependsOn": [each["bom-ref"] for each in components]}],
    }


def of_root(root: Path, version: str, epoch: int) -> str:
    """The document of a root file system, as text."""
    components = debian((root / READ[0]).read_text())
    for site in sorted(root.glob(_SITES)):
        components += python(site)
    return json.dumps(document(version, epoch, components), indent=1) + "\n"
