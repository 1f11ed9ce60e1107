"""Zips without trust: what is looked at before anything is written, and archives that come out the same each time."""

from __future__ import annotations

import errno
import io
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from itf import limits
from itf.mistakes import Kind, Mistake, Refused

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
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)


def refused(found: str, expected: str, remedy: str | None = None, *, file: str | None = None) -> Refused:
    return Refused(Mistake(file=file, found=found, expected=expected, remedy=remedy), title="package refused")


def full_disk(error: OSError, where: str) -> Refused:
    """What a write that failed means to the user."""
    if error.errno in NO_SPACE:
        mistake = Mistake(
            file=where, found="no space left", expected="room for the package", remedy="free some disk space"
        )
        return Refused(mistake, title="no space left on the disk", kind=Kind.NO_SPACE)
    if error.errno in READ_ONLY:
        found = f"{error.filename or where}: {limits.words(error)}"
        mistake = Mistake(file=where, found=found, expected="a folder that can be written",
                          remedy="make it writable again")  # fmt: skip
        return Refused(mistake, title="the disk cannot be written", kind=Kind.NO_SPACE)
    mistake = Mistake.of(error, file=where, expected="a file that can be written")
    return Refused(mistake, title="not written", kind=Kind.FAULT)


def bad_name(name: str) -> str | None:
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
    if why := bad_name(info.orig_filename if "\0" in info.orig_filename else info.filename):
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
        raise refused(f"{size} bytes", f"at most {MAX_ARCHIVE} bytes", file=label)
    stream.seek(max(0, size - _END.size - 0xFFFF))
    tail = stream.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < _END.size:
        raise refused("no end of a zip", "a zip file", "is it complete?", file=label)
    _, disk, directory_disk, here, entries, length, offset, _ = _END.unpack_from(tail, at)
    if entries == 0xFFFF or 0xFFFFFFFF in (length, offset):
        raise refused("a zip64 archive", "a plain zip", file=label)
    if disk or directory_disk or here != entries:
        raise refused("one part of a split zip", "a whole zip", file=label)
    if entries > MAX_FILES or length > _DIRECTORY:
        raise refused(f"{entries} entries", f"at most {MAX_FILES} entries", file=label)
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
        raise refused(f"{len(entries)} entries", f"at most {MAX_FILES} entries", file=label)
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
        raise refused(f"a damaged zip ({e})", "a zip file", file=label) from None
    except OSError as error:
        raise full_disk(error, label) from None


def make_folder(folder: Path, root: Path) -> None:
    """With its parents, readable for VNFC hosts whatever the agent's umask is."""
    if folder == root or folder.is_dir():
        return
    make_folder(folder.parent, root)
    folder.mkdir()
    folder.chmod(0o755)


def _unpack_entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo, into: Path, label: str) -> None:
    target = into / info.filename
    make_folder(target if info.is_dir() else target.parent, into)
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
                raise refused("a file longer than it says", "a zip file", file=f"{label}: {info.filename}")
            file.write(chunk)
        os.fchmod(file.fileno(), mode)


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


def check_made(data: bytes, label: str) -> bytes:
    """What was made, if it would not be refused at upload."""
    stream = io.BytesIO(data)
    _check_directory(stream, label)
    with zipfile.ZipFile(stream) as archive:
        check_zip(archive, label)
    return data
