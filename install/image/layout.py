"""The root as an OCI image layout (OCI image specification 1.1): one layer, no daemon, no other tool.

podman, skopeo, buildah and containerd take such a folder as it is: `podman run oci:build/image/coven-VERSION-oci`.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import rootfs

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
INDEX = "application/vnd.oci.image.index.v1+json"
#: what only a machine of its own needs
LEFT_OUT = ("boot", "usr/lib/modules", "dev", "etc/initramfs-tools", "usr/lib/firmware")
START = "usr/lib/coven-image/pod"


class _Digesting:
    """A stream that knows the SHA-256 of what went through it."""

    def __init__(self, stream: IO[bytes]):
        self.stream, self.sha256, self.size = stream, hashlib.sha256(), 0

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        self.size += len(data)
        return self.stream.write(data)

    def flush(self) -> None:
        self.stream.flush()


def layer(root: Path, file: Path) -> tuple[str, str, int]:
    """Write the layer; SHA-256 of it, of what is in it, and its size in bytes."""
    with file.open("wb") as stream:
        packed = _Digesting(stream)
        with gzip.GzipFile("", "wb", 6, packed, mtime=0) as zipped:  # type: ignore[arg-type]
            plain = _Digesting(zipped)  # type: ignore[arg-type]
            rootfs.copy(root, plain, LEFT_OUT)  # type: ignore[arg-type]
    return packed.sha256.hexdigest(), plain.sha256.hexdigest(), packed.size


def _blob(folder: Path, value: Mapping[str, Any], media: str) -> dict[str, Any]:
    data = json.dumps(value, indent=1, sort_keys=True).encode()
    digest = hashlib.sha256(data).hexdigest()
    (folder / digest).write_bytes(data)
    return {"mediaType": media, "digest": f"sha256:{digest}", "size": len(data)}


def write(root: Path, folder: Path, version: str, epoch: int) -> None:
    """Make the layout in a folder, which is emptied. `epoch`: seconds since 1970 that stand for now."""
    shutil.rmtree(folder, ignore_errors=True)
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    digest, plain, size = layer(root, blobs / "layer")
    (blobs / "layer").rename(blobs / digest)
    made = datetime.fromtimestamp(epoch, UTC).isoformat().replace("+00:00", "Z")
    labels = {"org.opencontainers.image.title": "coven", "org.opencontainers.image.version": version,
              "org.opencontainers.image.created": made}  # fmt: skip
    config = _blob(blobs, {
        "architecture": "amd64", "os": "linux", "created": made,
        "config": {
            "Entrypoint": [f"/{START}"], "Env": ["PATH=/usr/local/bin:/usr/sbin:/usr/bin", "LC_ALL=C.UTF-8"],
            "Volumes": {"/var/lib/coven": {}}, "WorkingDir": "/", "Labels": labels, "StopSignal": "SIGTERM",
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{plain}"]},
        "history": [{"created": made, "created_by": "make image"}],
    }, CONFIG)  # fmt: skip
    manifest = _blob(blobs, {
        "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "annotations": labels,
        "layers": [{"mediaType": LAYER, "digest": f"sha256:{digest}", "size": size}],
    }, MANIFEST)  # fmt: skip
    manifest["annotations"] = {"org.opencontainers.image.ref.name": version}
    manifest["platform"] = {"architecture": "amd64", "os": "linux"}
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [manifest]}
    (folder / "index.json").write_text(json.dumps(index, indent=1, sort_keys=True))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
