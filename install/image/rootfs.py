"""The root file system as mmdebstrap packs it, read as a stream."""

from __future__ import annotations

import io
import re
import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import IO


def copy(tar: Path, out: IO[bytes], left_out: Sequence[str]) -> None:
    """Write it again without what is below the folders `left_out`, and without ACLs, which squashfs does not know."""
    with tarfile.open(tar) as source, tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as target:
        for member in source:
            member.name = member.name.removeprefix("./")
            if member.name in ("", ".") or any(member.name.startswith(f"{each}/") for each in left_out):
                continue
            if member.islnk():
                member.linkname = member.linkname.removeprefix("./")
            for key in [key for key in member.pax_headers if key.startswith("SCHILY.xattr.system.")]:
                del member.pax_headers[key]
            target.addfile(member, source.extractfile(member) if member.isreg() else None)


def take(tar: Path, prefix: str, target: Path) -> Path:
    """The file of that prefix with the highest version in its name, as `target`. Raises KeyError without one."""
    with tarfile.open(tar) as archive:
        named = [name for name in archive.getnames() if name.startswith(f"./{prefix}")]
        if not named:
            raise KeyError(f"no {prefix}* in {tar}")
        source = archive.extractfile(max(named, key=lambda name: [int(each) for each in re.findall(r"\d+", name)]))
        assert source is not None
        with target.open("wb") as out:
            shutil.copyfileobj(source, out)
    return target


def extract(tar: Path, folder: Path, patterns: Sequence[str]) -> None:
    """The files whose names match one of the patterns, into a folder, which is emptied."""
    shutil.rmtree(folder, ignore_errors=True)
    with tarfile.open(tar) as archive:
        for member in archive:
            name = member.name.removeprefix("./")
            if member.isreg() and any(PurePosixPath(name).match(pattern) for pattern in patterns):
                source, target = archive.extractfile(member), folder / name
                assert source is not None
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("wb") as out:
                    shutil.copyfileobj(source, out)


def add(tar: Path, name: str, content: bytes, epoch: int) -> None:
    """One file more in a folder that is there, root's, readable for all. `epoch`: its time, in seconds since 1970."""
    member = tarfile.TarInfo(f"./{name}")
    member.size, member.mode, member.mtime = len(content), 0o644, epoch
    with tarfile.open(tar, "a", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(member, io.BytesIO(content))
