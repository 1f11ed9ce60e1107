"""The image made a second time from the same commit and the same packages: every part of it has the same bytes."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.rigs.agent import ROOT
from tests.rigs.machine import IMAGE, needs_image

pytestmark = [
    pytest.mark.long,  # as long as the image itself takes
    needs_image,
]
PARTS = ("root.squashfs", "vmlinuz", "initrd.img", "esp.img", "state.img")


def digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def members(file: Path) -> dict[str, tuple[object, ...]]:
    """What an archive says of each of its files."""
    found: dict[str, tuple[object, ...]] = {}
    with tarfile.open(file) as archive:
        for each in archive:
            content = archive.extractfile(each) if each.isreg() else None
            held = hashlib.file_digest(content, "sha256").hexdigest() if content else ""  # type: ignore[arg-type]
            found[each.name] = (each.type, each.mode, each.uid, each.gid, int(each.mtime), each.linkname, held)
    return found


def different(first: Path, second: Path) -> list[str]:
    """Names of files of two root archives that are not the same in both."""
    one, other = members(first), members(second)
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def test_a_second_build_has_the_same_bytes(tmp_path: Path) -> None:
    made = Path(IMAGE).resolve()
    built = Path(os.environ.get("COVEN_IMAGE_SECOND") or tmp_path)
    if not (built / made.name).exists():
        flavour = ["--flavour", "full"] if made.stem.endswith("-full") else []
        words = [sys.executable, str(ROOT / "install" / "image" / "build.py"), "--output", str(built), *flavour]
        subprocess.run(words, check=True, cwd=ROOT)
    assert different(made.parent / "work" / "root.tar", built / "work" / "root.tar") == []
    unlike = [part for part in PARTS if digest(made.parent / "work" / part) != digest(built / "work" / part)]
    assert unlike == []
    assert digest(built / made.name) == digest(made)
