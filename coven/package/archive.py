"""VNF packages as files: folders and zips, packed reproducibly and unpacked without trust.

A container (folder, zip, SOL004 CSAR) becomes a `Source`: a folder and the descriptor in it. What the descriptor
says is `descriptor.py`'s affair. What a CSAR must be is that of `csar/`, which stands on what is here and is imported
where it is needed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from coven.base.folder_lock import hold
from coven.base.yaml12 import MAX_BYTES, read
from coven.package.descriptor import DESCRIPTOR, Descriptor, load, locate
from coven.package.zips import MAX_FILE, MAX_TOTAL, Member, check_made, full_disk, refused, unpack, write_zip
from itf.mistakes import Mistake, Refused

if TYPE_CHECKING:
    from coven.base.signatures import Policy
    from coven.package.csar.pack import Options
    from coven.package.csar.read import Csar


_SKIPPED_FOLDERS = {"__pycache__", "node_modules"}


@dataclass(frozen=True)
class Source:
    """A package as a folder on disk."""

    folder: Path
    descriptor_file: str  #: its name in `folder`
    label: str  #: how mistakes call the descriptor

    def load(self) -> Descriptor:
        return load(self.folder / self.descriptor_file, self.label)


def _root(folder: Path, label: str) -> None:
    """A helpful word where the descriptor is one folder too deep."""
    if (folder / DESCRIPTOR).is_file():
        return
    deeper = sorted(folder.glob(f"*/{DESCRIPTOR}"))
    others = sorted(p.name for p in folder.glob("*.yaml"))
    remedy = None
    if deeper:
        remedy = f"it stands in {deeper[0].parent.name}/: zip the content of that folder, or use coven pack"
    elif others:
        remedy = f"there is {', '.join(others)}: coven pack FOLDER/{others[0]} packs it as {DESCRIPTOR}"
    raise refused(f"no {DESCRIPTOR} at the root", "a descriptor", remedy, file=label)


@dataclass(frozen=True)
class Taken:
    """An archive, unpacked. `csar`: what reading it as one found out, None for a plain zip."""

    folder: Path
    csar: Csar | None = None


@contextlib.contextmanager
def _scratch(parent: Path) -> Iterator[Path]:
    """A new folder in `parent`, which does not outlive a failure."""
    try:
        scratch = Path(tempfile.mkdtemp(prefix="unpack-", dir=parent))
        scratch.chmod(0o755)
    except OSError as error:
        raise full_disk(error, str(parent)) from None
    try:
        yield scratch
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise


def take_in(stream: IO[bytes], parent: Path, label: str, policy: Policy | None = None) -> Taken:
    """Unpack a zip or CSAR into a new folder in `parent`: the package as its author has it, of foreign CSARs all.

    `policy`: what signatures must be, and how strictly CSARs are read. On any failure nothing is left in `parent`.
    """
    from coven.base.signatures import REQUIRED, Policy
    from coven.package.csar.read import is_csar

    policy = policy or Policy()
    with _scratch(parent) as scratch:
        unpack(stream, scratch, label)
        if is_csar(scratch):
            return _take_csar(scratch, parent, label, policy)
        _root(scratch, label)
        if policy.signatures == REQUIRED:
            raise refused("a zip without a signature", "a signed CSAR", "coven pack --sign makes one", file=label)
        return Taken(scratch)


def _take_csar(scratch: Path, parent: Path, label: str, policy: Policy) -> Taken:
    from coven.package.csar.read import outer_csar, read_outer
    from coven.package.csar.read import read as read_csar
    from coven.package.csar.rules import Findings

    findings = Findings(label, policy.strict)
    inner = outer_csar(scratch)
    signature = None
    if inner is not None:
        # what is inside is not looked at before the signature around it has been
        signature = read_outer(scratch, inner, policy, findings)
        if findings.mistakes:
            raise Refused(findings.mistakes, title="package refused")
    with contextlib.ExitStack() as stack:
        if inner is not None:
            whole = stack.enter_context(_scratch(parent))
            with inner.open("rb") as stream:
                unpack(stream, whole, f"{label}:{inner.name}")
            shutil.rmtree(scratch)
            scratch = whole
        csar = read_csar(scratch, policy, findings, signature)
        if csar.payload is None:
            return Taken(scratch, csar)
        folder = stack.enter_context(_scratch(parent))
        os.replace(csar.payload, folder)
        shutil.rmtree(scratch, ignore_errors=True)
        return Taken(folder, csar)


def unpack_package(stream: IO[bytes], parent: Path, label: str, policy: Policy | None = None) -> Path:
    """`take_in` for whoever wants to run it: refuses what is not ours. On any failure nothing is left in `parent`."""
    taken = take_in(stream, parent, label, policy)
    if taken.csar is not None and taken.csar.payload is None:
        shutil.rmtree(taken.folder, ignore_errors=True)
        raise foreign(str(taken.csar), label)
    return taken.folder


def foreign(what: str, label: str) -> Refused:
    """Why a valid package of somebody else's cannot run here."""
    mistake = Mistake(
        file=label,
        found=what,
        expected="a package that Coven made: with a descriptor and sources to run",
        remedy="a VNFM for it deploys it; Coven makes VNFs of its own packages only",
    )
    return Refused(mistake, title="a foreign package")


# whatever PACKAGE on a command line is


def is_zip(path: Path) -> bool:
    return path.is_file() and path.suffix.lower() not in (".yaml", ".yml")


def operator_policy() -> Policy:
    """What the operator of this machine wants of packages. Raises Refused when that cannot be read."""
    from coven.base.operator import serve_config

    return serve_config().packages


@contextlib.contextmanager
def opened(path: str | Path) -> Iterator[Source]:
    """PACKAGE (a folder, a descriptor file, a zip) as a folder; a zip's lasts as long as the context."""
    path = Path(path)
    if not is_zip(path):
        file = locate(path)
        yield Source(file.parent.resolve(), file.name, str(file))
        return
    with tempfile.TemporaryDirectory(prefix="coven-unpacked-") as parent:
        # held as long as it is used: what nobody holds, `coven clean` removes
        held = hold(Path(parent))
        try:
            os.chmod(parent, 0o755)  # VNFC hosts have a uid of their own
            with path.open("rb") as stream:
                folder = unpack_package(stream, Path(parent), str(path), operator_policy())
            yield Source(folder, DESCRIPTOR, f"{path}:{DESCRIPTOR}")
        finally:
            os.close(held)


# packing


def is_descriptor(file: Path) -> bool:
    """Whether a YAML file is a VNF descriptor (an author may keep several beside each other)."""
    if file.suffix not in (".yaml", ".yml"):
        return False
    try:
        with file.open("rb") as stream:
            root = read(stream.read(MAX_BYTES + 1))
    except (Refused, OSError):
        return False
    return isinstance(root.value, dict) and {"name", "version"} <= root.value.keys() and "vnfcs" in root.value


def _files(source: Source) -> list[tuple[str, Path]]:
    """What goes into a zip: (name in the package, file), hidden files and caches left out.

    Raises Refused with everything that cannot, before any of it is read.
    """
    found: list[tuple[str, Path]] = []
    mistakes: list[Mistake] = []

    def wrong(path: Path, what: str, expected: str) -> None:
        shown = os.fsencode(path).decode("utf-8", "replace")
        mistakes.append(Mistake(file=shown, found=what, expected=expected, remedy="leave it out"))

    for where, folders, files in os.walk(source.folder, followlinks=False):
        here = Path(where)
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f not in _SKIPPED_FOLDERS)
        for name in [*folders, *files]:
            path = here / name
            if not name.startswith(".") and (path.is_symlink() or not (path.is_file() or path.is_dir())):
                wrong(path, "a link, device or pipe", "plain files and folders")
        for name in files:
            path = here / name
            if name.startswith(".") or name.endswith((".pyc", "~")) or path.is_symlink() or not path.is_file():
                continue
            if "\ufffd" in os.fsencode(path).decode("utf-8", "replace"):
                wrong(path, "a name that is not UTF-8", "names in UTF-8")
                continue
            if (size := path.stat().st_size) > MAX_FILE:
                wrong(path, f"{size} bytes", f"at most {MAX_FILE} bytes a file")
                continue
            inner = path.relative_to(source.folder).as_posix()
            if here == source.folder and (name == source.descriptor_file or is_descriptor(path)):
                if name != source.descriptor_file:
                    continue
                inner = DESCRIPTOR
            found.append((inner, path))
    if (total := sum(path.stat().st_size for _, path in found)) > MAX_TOTAL:
        wrong(source.folder, f"{total} bytes in all", f"at most {MAX_TOTAL} bytes")
    if mistakes:
        raise Refused(mistakes, title="package refused")
    return found


def pack(path: str | Path) -> bytes:
    """A folder or descriptor file as the bytes of a plain zip, an archive as it is.

    Raises Refused when the descriptor is wrong or the package would be refused at upload.
    """
    from coven.base.signatures import OFF, Policy

    if is_zip(Path(path)):
        with Path(path).open("rb") as stream, tempfile.TemporaryDirectory(prefix="coven-unpacked-") as parent:
            # whoever receives it decides whom to trust
            taken = take_in(stream, Path(parent), str(path), Policy(OFF))
            if taken.csar is None or taken.csar.payload is not None:
                load(taken.folder / DESCRIPTOR, f"{path}:{DESCRIPTOR}")
        return Path(path).read_bytes()
    with opened(path) as source:
        source.load()
        return check_made(write_zip({name: Member.of(file) for name, file in sorted(_files(source))}), str(path))


def pack_csar(path: str | Path, options: Options | None = None) -> bytes:
    """A folder, descriptor file or archive as the bytes of a CSAR (docs/packages.md); equal content gives equal bytes
    unless it is signed. Raises Refused like `pack`."""
    from coven.package.csar.pack import Options, build

    with opened(path) as source:
        files = dict(_files(source))
        # what was just unpacked is new; the archive that it came from is as old as its content
        dated = [Path(path)] if is_zip(Path(path)) else list(files.values())
        newest = max(file.stat().st_mtime for file in dated)
        return check_made(build(source.load(), files, newest, options or Options()), str(path))
