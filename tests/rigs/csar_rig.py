"""A package to make CSARs of, and CSARs taken apart and put together again with one fault."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from coven.package.csar.sign import Signer

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
                  "items": {"$ref": "#/$defs/port"}},
        "rate": {"type": "number", "exclusiveMinimum": 0},
        "mode": {"enum": ["fast", "slow"], "readOnly": True},
        "key": {"type": "string", "writeOnly": True, "pattern": "[0-9a-f]+"},
        "nothing": {"type": ["integer", "null"]},
        "names": {"$ref": "#/$defs/by_name"},
    },
    "$defs": {
        "port": {"type": "integer", "minimum": 1, "maximum": 65535},
        "by_name": {"description": "by name", "additionalProperties": {"type": "string"}},
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
PACKETS = """from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether
def packets():
    for port in (23, 80):
        yield Ether() / IP(src="192.0.2.1", dst="192.0.2.2") / TCP(sport=1000, dport=port)
"""


def author(folder: Path) -> Path:
    """A package as its author has it. Returns the folder."""
    (folder / "tests" / "one").mkdir(parents=True)
    (folder / "vnf.yaml").write_text(DESCRIPTOR)
    (folder / "filter.py").write_text(SOURCE)
    (folder / "filter.schema.json").write_text(json.dumps(SCHEMA))
    (folder / "tests" / "one" / "in.py").write_text(PACKETS)
    (folder / "tests" / "one" / "expect.yaml").write_text("verdicts: [drop filter.telnet, forward out]\nreceived: 2\n")
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


def rooted(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The same package without TOSCA-Metadata (4.1.3)."""
    vnfd = "Definitions/fw.yaml"
    made = {name: data for name, data in files.items() if name not in ("TOSCA-Metadata/TOSCA.meta", vnfd)}
    text = files[vnfd].decode().replace("- etsi_nfv", "- Definitions/etsi_nfv")
    return relisted({**made, "fw.yaml": text.encode()})


def edited(files: Mapping[str, bytes], name: str, change: Callable[[str], str]) -> dict[str, bytes]:
    """The files with another text in one of them, which must differ."""
    before = files[name].decode()
    after = change(before)
    assert after != before, name
    return {**files, name: after.encode()}


class Authority:
    """A CA and the keys that it certifies, in a folder; elliptic curves, since they are made at once."""

    def __init__(self, folder: Path, name: str = "Test CA"):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.key, self.certificate = folder / "ca.key", folder / "ca.pem"
        _openssl(
            "req", "-x509", *_KEY, "-keyout", str(self.key), "-out", str(self.certificate), "-subj", f"/CN={name}",
            "-days", "3650", "-addext", "keyUsage=critical,keyCertSign",
        )  # fmt: skip

    def signer(self, name: str = "provider", usage: str = "keyUsage=critical,digitalSignature", *, ca: bool = False,
               beside: bool = False, by: Signer | None = None) -> Signer:  # fmt: skip
        """A key with a certificate of ours, or of `by`, whose chain then follows it in the file."""
        key, request, extensions, made = (self.folder / f"{name}.{end}" for end in ("key", "csr", "ext", "pem"))
        extensions.write_text(f"{usage}\nbasicConstraints=critical,CA:{'TRUE' if ca else 'FALSE'}\n")
        _openssl("req", "-new", *_KEY, "-keyout", str(key), "-out", str(request), "-subj", f"/O=Acme/CN={name}")
        issuer = (by.certificate, by.key) if by else (self.certificate, self.key)
        _openssl(
            "x509", "-req", "-in", str(request), "-CA", str(issuer[0]), "-CAkey", str(issuer[1]), "-CAcreateserial",
            "-days", "3650", "-extfile", str(extensions), "-out", str(made),
        )  # fmt: skip
        if by:
            made.write_bytes(made.read_bytes() + by.certificate.read_bytes())
        return Signer(key, made, beside)


_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def _openssl(*words: str) -> None:
    subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=300)
