"""A package to make CSARs of, and CSARs taken apart and put together again with one fault."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

DESCRIPTOR = """name: fw
version: "1.0"
provider: Acme
product: fire wall
license: MIT
resources: {cpus: 2, memory_mb: 768}
vnfcs:
  filter:
    source: filter.py
    schema: filter.schema.json
    config: {block: [23], observe: false, rate: 1, mode: fast, key: "00", names: {a: b}, rules: [{port: 1}],
             nothing: null}
chain: in -> filter -> out
indicators: [filter.hits]
"""
SCHEMA = {
    "properties": {
        "block": {"type": "array", "maxItems": 100, "description": "ports that do not pass",
                  "items": {"type": "integer", "minimum": 1, "maximum": 65535}},
        "rate": {"type": "number", "exclusiveMinimum": 0},
        "mode": {"enum": ["fast", "slow"], "readOnly": True},
        "key": {"type": "string", "writeOnly": True, "pattern": "[0-9a-f]+"},
        "nothing": {"type": ["integer", "null"]},
    },
}  # fmt: skip
SOURCE = """from vnfc import drop, forward, reason, request
telnet = reason("telnet", "telnet does not pass")
seen = 0
@request("hits", "packets that came")
def hits():
    return seen
def handle(packet):
    global seen
    seen += 1
    return drop(telnet) if packet.tcp and packet.tcp.dport == 23 else forward()
"""


def author(folder: Path) -> Path:
    """A package as its author has it. Returns the folder."""
    (folder / "tests" / "one").mkdir(parents=True)
    (folder / "vnf.yaml").write_text(DESCRIPTOR)
    (folder / "filter.py").write_text(SOURCE)
    (folder / "filter.schema.json").write_text(json.dumps(SCHEMA))
    (folder / "tests" / "one" / "in.py").write_text("packets = []\n")
    (folder / "tests" / "one" / "expect.yaml").write_text("out: []\n")
    return folder


def members(archive: bytes) -> dict[str, bytes]:
    """The files of a zip, in order."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def zipped(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def relisted(files: Mapping[str, bytes], manifest: str = "fw.mf") -> dict[str, bytes]:
    """The files with a manifest that has their true digests; its metadata and sets stay."""
    head, _, rest = files[manifest].decode().partition("\n\nSource:")
    sets = rest[rest.index("non_mano_artifact_sets:") :] if "non_mano_artifact_sets:" in rest else ""
    blocks = [
        f"Source: {name}\nAlgorithm: SHA-256\nHash: {digest(data)}"
        for name, data in sorted(files.items()) if name != manifest
    ]  # fmt: skip
    return {**files, manifest: ("\n\n".join([head, *blocks, sets.strip()]) + "\n\n").encode()}


def edited(files: Mapping[str, bytes], name: str, change: Callable[[str], str]) -> dict[str, bytes]:
    """The files with another text in one of them, which must differ."""
    before = files[name].decode()
    after = change(before)
    assert after != before, name
    return {**files, name: after.encode()}
