"""Packages: what is packed, what is unpacked, and what is refused before anything is written."""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coven.package import zips
from coven.package.archive import opened, pack, unpack_package
from itf.mistakes import Refused

TEXT = 'name: fw\nversion: "1.0"\nvnfcs: {a: {source: a.py}}\nchain: in -> a -> out\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "package"
    (folder / "tests" / "one").mkdir(parents=True)
    (folder / "__pycache__").mkdir()
    (folder / ".git").mkdir()
    for name in (
        "a.py",
        "tests/one/in.py",
        "tests/one/expect.yaml",
        "__pycache__/a.pyc",
        ".git/x",
        ".hidden",
    ):
        (folder / name).write_text(name)
    (folder / "vnf.yaml").write_text(TEXT)
    (folder / "other.yaml").write_text(TEXT.replace("fw", "other"))
    (folder / "data.yaml").write_text("just: data\n")
    return folder


def made(*entries: tuple[str | zipfile.ZipInfo, bytes], compress: int = zipfile.ZIP_DEFLATED) -> io.BytesIO:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compress) as archive:
        for name, data in (("vnf.yaml", TEXT.encode()), ("a.py", b""), *entries):
            archive.writestr(name, data)
    return out


def refused(stream: io.BytesIO, tmp_path: Path) -> str:
    """Why it is refused; nothing was left, nothing was written elsewhere."""
    parent = tmp_path / "into"
    parent.mkdir(exist_ok=True)
    before = set(tmp_path.rglob("*"))
    with pytest.raises(Refused) as caught:
        unpack_package(stream, parent, "x.zip")
    assert set(tmp_path.rglob("*")) == before
    assert caught.value.mistakes
    return str(caught.value)


def special(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = mode << 16
    return info


def test_pack_is_reproducible_and_complete(folder: Path, tmp_path: Path) -> None:
    first = pack(folder)
    os.utime(folder / "a.py", (1, 1))
    assert pack(folder) == first
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert archive.namelist() == [
            "a.py",
            "data.yaml",
            "tests/one/expect.yaml",
            "tests/one/in.py",
            "vnf.yaml",
        ]
    with zipfile.ZipFile(io.BytesIO(pack(folder / "other.yaml"))) as archive:
        assert "other.yaml" not in archive.namelist()
        assert b"name: other" in archive.read("vnf.yaml")
    (tmp_path / "x.zip").write_bytes(first)
    with opened(tmp_path / "x.zip") as source:
        assert source.load().name == "fw"
        where = source.folder
    assert not where.exists()
    assert pack(tmp_path / "x.zip") == first


def test_what_is_not_packed_is_told_all_at_once(folder: Path) -> None:
    (folder / "link").symlink_to("/etc/passwd")
    os.mkfifo(folder / "pipe")
    with (folder / "large").open("wb") as file:
        file.truncate((64 << 20) + 1)
    (folder / os.fsdecode(b"\xff.c")).touch()
    with pytest.raises(Refused) as caught:
        pack(folder)
    assert {Path(str(m.file)).name for m in caught.value.mistakes} == {"link", "pipe", "large", "\ufffd.c"}


def test_wrong_descriptor_is_not_packed(folder: Path) -> None:
    (folder / "vnf.yaml").write_text(TEXT + "frob: 1\n")
    with pytest.raises(Refused):
        pack(folder)


def test_unpacked_modes(tmp_path: Path) -> None:
    before = os.umask(0o077)
    stream = made((special("run.sh", 0o104755), b"x"), (special("secret", 0o100600), b"x"), ("sub/dir/", b""))
    try:
        folder = unpack_package(stream, tmp_path, "x.zip")
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / "sub").stat().st_mode) == stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert stat.S_IMODE((folder / "run.sh").stat().st_mode) == 0o755
    assert stat.S_IMODE((folder / "secret").stat().st_mode) == 0o644
    assert (folder / "sub" / "dir").is_dir()


@pytest.mark.parametrize(
    "name, why",
    [
        ("../evil", "leads out"),
        ("a/../../evil", "leads out"),
        ("/etc/evil", "absolute"),
        ("C:/evil", "absolute"),
        ("a\\..\\evil", "backslash"),
        ("a//b", "empty part"),
        ("./a", "empty part"),
        ("a\nb", "control"),
        ("\u202egnp.py", "control"),
        ("x" * 300, "longer"),
        ("a/" * 20 + "b", "deeper"),
        ("vnf.yaml", "twice"),
        ("VNF.yaml", "twice"),
        ("a.py/b", "inside a file"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_hostile_names(tmp_path: Path, name: str, why: str) -> None:
    assert why in refused(made((name, b"x")), tmp_path)


@pytest.mark.parametrize(
    "mode, why",
    [
        (stat.S_IFLNK | 0o777, "symbolic link"),
        (stat.S_IFCHR | 0o666, "device"),
        (stat.S_IFIFO | 0o666, "device"),
        (stat.S_IFBLK | 0o666, "device"),
        (stat.S_IFSOCK | 0o666, "device"),
    ],
)
def test_hostile_kinds(tmp_path: Path, mode: int, why: str) -> None:
    assert why in refused(made((special("x", mode), b"/etc/passwd")), tmp_path)


def test_bombs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "grows" in refused(made(("zeros", bytes(8 << 20))), tmp_path)
    monkeypatch.setattr(zips, "MAX_FILE", 1000)
    assert "more than 1000" in refused(made(("big", os.urandom(2000))), tmp_path)
    monkeypatch.setattr(zips, "MAX_FILE", 1 << 20)
    monkeypatch.setattr(zips, "MAX_TOTAL", 3000)
    assert "unpacked" in refused(made(("x", os.urandom(2000)), ("y", os.urandom(2000))), tmp_path)
    monkeypatch.setattr(zips, "MAX_FILES", 3)
    assert "entries" in refused(made(("x", b""), ("y", b"")), tmp_path)
    monkeypatch.setattr(zips, "MAX_ARCHIVE", 100)
    assert "at most 100 bytes" in refused(made(), tmp_path)


def test_sizes_that_lie(tmp_path: Path) -> None:
    data = bytearray(made(("x", b"A" * 5000), compress=zipfile.ZIP_STORED).getvalue())
    at = data.index(b"PK\1\2", data.index(b"PK\1\2", data.index(b"PK\1\2") + 4) + 4)
    struct.pack_into("<L", data, at + 24, 10)  # the size, unpacked, of the last entry in the directory
    refused(io.BytesIO(bytes(data)), tmp_path)


def test_overlapping_entries(tmp_path: Path) -> None:
    data = bytearray(
        made(("x", os.urandom(900)), ("y", os.urandom(900)), compress=zipfile.ZIP_STORED).getvalue()
    )
    places = [n for n in range(len(data)) if data[n : n + 4] == b"PK\1\2"]
    for at in places[2:]:
        struct.pack_into("<LL", data, at + 20, 1 << 20, 1 << 20)
    assert "overlap" in refused(io.BytesIO(bytes(data)), tmp_path)


def test_encrypted_and_odd_compression(tmp_path: Path) -> None:
    data = bytearray(made(("x", b"abc")).getvalue())
    for at in (n for n in range(len(data)) if data[n : n + 4] == b"PK\1\2"):
        struct.pack_into("<H", data, at + 8, 1)
    assert "encrypted" in refused(io.BytesIO(bytes(data)), tmp_path)
    assert "deflate" in refused(made(("x", b"abc"), compress=zipfile.ZIP_LZMA), tmp_path)


def test_damaged(tmp_path: Path) -> None:
    whole = made(("x", os.urandom(3000))).getvalue()
    for data in (b"", b"PK", whole[:-30], whole[100:], whole[: len(whole) // 2], b"x" * 1000):
        refused(io.BytesIO(data), tmp_path)
    broken = bytearray(whole)
    broken[200] ^= 0xFF  # the checksum of something no longer fits
    refused(io.BytesIO(bytes(broken)), tmp_path)


def test_descriptor_one_folder_too_deep(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("fw/vnf.yaml", TEXT)
    assert "zip the content" in refused(out, tmp_path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 600), value=st.integers(0, 255))
def test_any_flipped_byte_is_read_or_refused(tmp_path: Path, at: int, value: int) -> None:
    data = bytearray(made(("x", b"hello" * 20)).getvalue())
    data[at % len(data)] = value
    try:
        folder = unpack_package(io.BytesIO(bytes(data)), tmp_path, "x.zip")
    except Refused:
        return
    assert all(path.resolve().is_relative_to(folder) for path in folder.rglob("*"))
