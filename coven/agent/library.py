"""The packages that an agent has: taken in whole or not at all, never changed afterwards."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from coven.agent.store import Row, Store, conflict, missing, now
from coven.base import durable
from coven.base.places import Places
from coven.base.signatures import Policy
from coven.package.archive import Taken, take_in
from coven.package.csar.read import Csar
from coven.package.descriptor import DESCRIPTOR, load
from coven.package.zips import MAX_ARCHIVE, full_disk
from itf.mistakes import Kind, Mistake, Refused, suggest


def content(folder: Path) -> str:
    """A digest of all files by name, mode and content: two zips of the same files may differ in times."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            inner = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{path.relative_to(folder)}\0{path.stat().st_mode:o}\0{inner}\n".encode())
    return digest.hexdigest()


def _of_ours(folder: Path) -> Row:
    descriptor = load(folder / DESCRIPTOR, DESCRIPTOR)
    return {
        "name": descriptor.name,
        "version": descriptor.version,
        "provider": descriptor.provider,
        "description": descriptor.description,
        "vnfd_id": descriptor.vnfd_id,
    }


def _of_foreign(csar: Csar) -> Row:
    """Names of others, as far as they can stand in a path."""
    name, version = (re.sub(r"[^A-Za-z0-9._-]", "-", text)[:64] for text in (csar.name, csar.version))
    made = uuid.uuid5(uuid.NAMESPACE_URL, f"{csar.provider}/{csar.name}/{csar.version}")
    return {
        "name": name,
        "version": version,
        "provider": csar.provider,
        "description": f"a foreign {csar.kind}: it cannot be instantiated here",
        "vnfd_id": csar.identity or str(made),
    }


class Library:
    def __init__(self, places: Places, store: Store, policy: Policy | None = None):
        """`policy`: what signatures packages must have, and how strictly CSARs are read."""
        self.places = places
        self.policy = policy
        self.store = store
        places.packages.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sweep()

    def _sweep(self) -> None:
        """Remove what an agent that died left half done: folders that no package owns."""
        owned = {Path(row["folder"]).name for row in self.store.packages()}
        for folder in self.places.packages.iterdir():
            if folder.name not in owned:
                if folder.is_dir() and not folder.is_symlink():
                    shutil.rmtree(folder, ignore_errors=True)
                else:
                    folder.unlink(missing_ok=True)

    def add(self, body: IO[bytes]) -> tuple[Row, bool]:
        """Take a zip or CSAR in; whether it is new. Raises Refused; then nothing is left of it."""
        upload = self.places.packages / f"upload-{os.urandom(8).hex()}.zip"
        try:
            digest = self._receive(body, upload)
            with upload.open("rb") as stream:
                taken = take_in(stream, self.places.packages, "package", self.policy)
            try:
                durable.settle(taken.folder)  # before the store says that it is there
            except BaseException:
                shutil.rmtree(taken.folder, ignore_errors=True)
                raise
        except OSError as error:
            raise full_disk(error, "package") from None
        finally:
            with contextlib.suppress(OSError):
                size = upload.stat().st_size
                upload.unlink()
        try:
            row = self._enter(taken, digest, size)
        except BaseException:
            shutil.rmtree(taken.folder, ignore_errors=True)
            raise
        if row["folder"] != str(taken.folder):
            shutil.rmtree(taken.folder, ignore_errors=True)
            return {**row, "csar": taken.csar.as_dict() if taken.csar else None}, False
        return row, True

    def _receive(self, body: IO[bytes], upload: Path) -> str:
        digest = hashlib.sha256()
        left = MAX_ARCHIVE
        with open(os.open(upload, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
            while chunk := body.read(1 << 20):
                left -= len(chunk)
                if left < 0:
                    raise Refused(
                        Mistake(file="package", found=f"more than {MAX_ARCHIVE} bytes", expected="a smaller package"),
                        title="package too large",
                        kind=Kind.TOO_LARGE,
                    )
                digest.update(chunk)
                file.write(chunk)
        return digest.hexdigest()

    def _enter(self, taken: Taken, digest: str, size: int) -> Row:
        folder, csar = taken.folder, taken.csar
        facts = _of_foreign(csar) if csar is not None and csar.payload is None else _of_ours(folder)
        identity = f"{facts['name']}:{facts['version']}"
        row: Row = {
            "id": identity,
            **facts,
            "sha256": digest,
            "size": size,
            "folder": str(folder),
            "created": now(),
            "csar": csar.as_dict() if csar is not None else None,
        }
        with self.store.transaction():
            present = self.store.package(identity)
            if present is not None and (
                present["sha256"] == digest or content(Path(present["folder"])) == content(folder)
            ):
                return present
            if present is not None:
                raise conflict(
                    f"another package {identity}",
                    f"give it a new version, or first: coven delete --package {identity}",
                    "package exists with other content",
                )
            self.store.add_package(row)
        return row

    def find(self, identity: str) -> Row:
        """By NAME:VERSION, or by NAME alone: then the one that came last."""
        rows = self.store.packages()
        if ":" in identity:
            found = [row for row in rows if row["id"] == identity]
        else:
            found = [row for row in rows if row["name"] == identity]
        if not found:
            raise missing(f"package {identity}", suggest(identity, [row["id"] for row in rows]))
        return found[-1]

    def remove(self, identity: str, runs_from: Callable[[Path], Sequence[str]] = lambda folder: ()) -> None:
        """By NAME:VERSION; a NAME alone when there is one version only. `runs_from`: the VNFs that still have processes
        from a folder."""
        row = self.find(identity)
        versions = [other["id"] for other in self.store.packages() if other["name"] == row["name"]]
        if ":" not in identity and len(versions) > 1:
            raise conflict(
                f"{identity} has several versions", f"say which: {', '.join(versions)}", "which package?"
            )
        if users := runs_from(Path(row["folder"])):
            names = ", ".join(users)
            raise conflict(f"VNFCs of {names} that were the same in the version before run on from {row['id']}",
                           f"terminate and instantiate {names} first", "package in use")  # fmt: skip
        self.store.remove_package(row["id"])
        shutil.rmtree(row["folder"], ignore_errors=True)
