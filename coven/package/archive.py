"""VNF packages as files: folders and zips, packed reproducibly and unpacked without trust.

A container (folder, zip, SOL004 CSAR) becomes a `Source`: a folder and the descriptor in it. What the descriptor
says is `descriptor.py`'s affair. What a CSAR must be is that of `csar/`, which stands on what is here and is imported
where it is needed.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING

from coven.base.yaml12 import MAX_BYTES, read
from coven.keeper.folder_lock import hold
from coven.package.descriptor import DESCRIPTOR, Descriptor, load, locate
from itf.mistakes import Kind, Mistake, Refused

if TYPE_CHECKING:
    from coven.base.signatures import Policy
    from coven.package.csar.pack import Options
    from coven.package.csar.read import Csar

MAX_ARCHIVE = 64 << 20  #: bytes of a zip
MAX_FILE = 64 << 20  #: bytes of one file, unpacked
MAX_TOTAL = 256 << 20  #: bytes of all files, unpacked
MAX_FILES = 4096  #: entries
MAX_NAME = 240  #: bytes of a path inside the package
MAX_DEPTH = 16  #: folders
MAX_RATIO = 200  #: unpacked to packed, for files above RATIO_FROM bytes
RATIO_FROM = 1 << 20
_DIRECTORY = MAX_FILES * (46 + 2 * MAX_NAME)

_EPOCH = (1980, 1, 1, 0, 0, 0)
_END = struct.Struct("<4s4H2LH")
_HEADER = 30  #: bytes of an entry's own header, before its name
_SKIPPED_FOLDERS = {"__pycache__", "node_modules"}
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)


@dataclass(frozen=True)
class Source:
    """A package as a folder on disk."""

    folder: Path
    descriptor_file: str  #: its name in `folder`
    label: str  #: how mistakes call the descriptor

    def load(self) -> Descriptor:
        return load(self.folder / self.descriptor_file, self.label)


def _refused(found: str, expected: str, remedy: str | None = None, *, file: str | None = None) -> Refused:
    return Refused(Mistake(file=file, found=found, expected=expected, remedy=remedy), title="package refused")


def full_disk(error: OSError, where: str) -> Refused:
    """What a write that failed means to the user."""
    if error.errno in NO_SPACE:
        mistake = Mistake(
            file=where, found="no space left", expected="room for the package", remedy="free some disk space"
        )
        return Refused(mistake, title="no space left on the disk", kind=Kind.NO_SPACE)
    if error.errno in READ_ONLY:
        found = f"{error.filename or where}: {error.strerror}"
        mistake = Mistake(file=where, found=found, expected="a folder that can be written",
                          remedy="make it writable again")  # fmt: skip
        return Refused(mistake, title="the disk cannot be written", kind=Kind.NO_SPACE)
    mistake = Mistake.of(error, file=where, expected="a file that can be written")
    return Refused(mistake, title="not written", kind=Kind.FAULT)


# zips


def _bad_name(name: str) -> str | None:
    """Why a zip entry may not be called this, or None."""
    parts = name.removesuffix("/").split("/")
    checks = (
        (not name.isprintable() or "\ufffd" in name, "a name with control characters"),
        ("\\" in name, "a name with a backslash"),
        (name.startswith("/") or (len(name) > 1 and name[1] == ":"), "an absolute path"),
        (".." in parts, "a path that leads out of the package"),
        ("" in parts or "." in parts, "a path with an empty part"),
        (len(name.encode("utf-8", "surrogatepass")) > MAX_NAME, f"a path longer than {MAX_NAME} bytes"),
        (len(parts) > MAX_DEPTH, f"a path deeper than {MAX_DEPTH} folders"),
    )
    return next((why for bad, why in checks if bad), None)


def _bad_entry(info: zipfile.ZipInfo) -> str | None:
    """Why this entry may not be unpacked, or None."""
    if why := _bad_name(info.orig_filename if "\0" in info.orig_filename else info.filename):
        return why
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return "a symbolic link"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "a device, pipe or socket"
    if info.is_dir() and (info.file_size or kind == stat.S_IFREG):
        return "a folder with content"
    if info.flag_bits & 0x41:
        return "an encrypted file"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "a compression other than deflate"
    if info.file_size > MAX_FILE:
        return f"a file of {info.file_size} bytes, more than {MAX_FILE}"
    if info.file_size > RATIO_FROM and info.file_size > MAX_RATIO * max(info.compress_size, 1):
        return f"a file that grows more than {MAX_RATIO} times"
    return None


def _check_directory(stream: IO[bytes], label: str) -> None:
    """Bounds on the central directory before zipfile reads it all into memory."""
    size = stream.seek(0, os.SEEK_END)
    if size > MAX_ARCHIVE:
        raise _refused(f"{size} bytes", f"at most {MAX_ARCHIVE} bytes", file=label)
    stream.seek(max(0, size - _END.size - 0xFFFF))
    tail = stream.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < _END.size:
        raise _refused("no end of a zip", "a zip file", "is it complete?", file=label)
    _, disk, directory_disk, here, entries, length, offset, _ = _END.unpack_from(tail, at)
    if entries == 0xFFFF or 0xFFFFFFFF in (length, offset):
        raise _refused("a zip64 archive", "a plain zip", file=label)
    if disk or directory_disk or here != entries:
        raise _refused("one part of a split zip", "a whole zip", file=label)
    if entries > MAX_FILES or length > _DIRECTORY:
        raise _refused(f"{entries} entries", f"at most {MAX_FILES} entries", file=label)
    stream.seek(0)


def check_zip(archive: zipfile.ZipFile, label: str) -> list[zipfile.ZipInfo]:
    """The entries to unpack. Raises Refused with everything that is wrong, before anything is written."""
    mistakes: list[Mistake] = []

    def wrong(name: str, found: str) -> None:
        mistakes.append(Mistake(
            file=label, field=ascii(name)[1:-1][:200], found=found, expected="plain files and folders"
        ))

    entries = archive.infolist()
    if len(entries) > MAX_FILES:
        raise _refused(f"{len(entries)} entries", f"at most {MAX_FILES} entries", file=label)
    kinds: dict[str, bool] = {}  # path -> is a folder; case folded, since two such names are a trap
    for info in entries:
        if why := _bad_entry(info):
            wrong(info.orig_filename, why)
            continue
        path = PurePosixPath(info.filename)
        key = str(path).casefold()
        if key in kinds:
            wrong(info.filename, "a name that stands there twice")
        kinds[key] = info.is_dir()
    for info in entries:
        parents = [str(p).casefold() for p in PurePosixPath(info.filename).parents]
        if any(kinds.get(parent) is False for parent in parents):
            wrong(info.filename, "a file inside a file")
    total = sum(info.file_size for info in entries)
    if total > MAX_TOTAL:
        wrong("", f"{total} bytes unpacked, more than {MAX_TOTAL}")
    end = archive.start_dir
    for info in sorted(entries, key=lambda info: info.header_offset, reverse=True):
        # an entry has a header, a name and its data, and what an extra field takes
        if info.header_offset + _HEADER + len(info.orig_filename) + info.compress_size > end:
            wrong(info.filename, "an entry that overlaps another")
        end = min(end, info.header_offset)
    if mistakes:
        raise Refused(mistakes, title="package refused")
    return entries


def unpack(stream: IO[bytes], into: Path, label: str) -> None:
    """Unpack a zip into the empty folder `into`. Raises Refused; then `into` is for the caller to remove."""
    _check_directory(stream, label)
    try:
        with zipfile.ZipFile(stream) as archive:
            for info in check_zip(archive, label):
                _unpack_entry(archive, info, into, label)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        UnicodeError,
        ValueError,
        struct.error,
    ) as e:
        raise _refused(f"a damaged zip ({e})", "a zip file", file=label) from None
    except OSError as error:
        raise full_disk(error, label) from None


def _make_folder(folder: Path, root: Path) -> None:
    """With its parents, readable for VNFC hosts whatever the agent's umask is."""
    if folder == root or folder.is_dir():
        return
    _make_folder(folder.parent, root)
    folder.mkdir()
    folder.chmod(0o755)


def _unpack_entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo, into: Path, label: str) -> None:
    target = into / info.filename
    _make_folder(target if info.is_dir() else target.parent, into)
    if info.is_dir():
        return
    mode = 0o755 if (info.external_attr >> 16) & stat.S_IXUSR else 0o644
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    left = info.file_size
    with archive.open(info) as packed, open(os.open(target, flags, mode), "wb") as file:
        # one byte more than stated is asked for: what the directory says is a claim only
        while chunk := packed.read(min(1 << 20, left + 1)):
            left -= len(chunk)
            if left < 0:
                raise _refused("a file longer than it says", "a zip file", file=f"{label}: {info.filename}")
            file.write(chunk)
        os.fchmod(file.fileno(), mode)


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
    raise _refused(f"no {DESCRIPTOR} at the root", "a descriptor", remedy, file=label)


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
            raise _refused("a zip without a signature", "a signed CSAR", "coven pack --sign makes one", file=label)
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


@dataclass(frozen=True)
class Member:
    """A file of an archive that is made."""

    data: bytes
    executable: bool = False

    @classmethod
    def of(cls, file: Path) -> Member:
        return cls(file.read_bytes(), bool(file.stat().st_mode & stat.S_IXUSR))


def write_zip(members: Mapping[str, Member]) -> bytes:
    """Equal members in equal order give equal bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, member in members.items():
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system = 3
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (stat.S_IFREG | (0o755 if member.executable else 0o644)) << 16
            archive.writestr(info, member.data)
    return out.getvalue()


def _check_made(data: bytes, label: str) -> bytes:
    """What was made, if it would not be refused at upload."""
    stream = io.BytesIO(data)
    _check_directory(stream, label)
    with zipfile.ZipFile(stream) as archive:
        check_zip(archive, label)
    return data


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
        return _check_made(write_zip({name: Member.of(file) for name, file in sorted(_files(source))}), str(path))


def pack_csar(path: str | Path, options: Options | None = None) -> bytes:
    """A folder, descriptor file or archive as the bytes of a CSAR (docs/packages.md); equal content gives equal bytes
    unless it is signed. Raises Refused like `pack`."""
    from coven.package.csar.pack import Options, build

    with opened(path) as source:
        files = dict(_files(source))
        # what was just unpacked is new; the archive that it came from is as old as its content
        dated = [Path(path)] if is_zip(Path(path)) else list(files.values())
        newest = max(file.stat().st_mtime for file in dated)
        return _check_made(build(source.load(), files, newest, options or Options()), str(path))
