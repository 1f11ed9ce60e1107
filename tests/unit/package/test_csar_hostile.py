"""Archives that mean harm: each is refused before anything of it is written, alone and inside a signed zip."""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from coven.base.signatures import Policy
from coven.package import zips
from coven.package.archive import pack_csar, take_in
from coven.package.csar.pack import Options
from itf.mistakes import Refused
from tests.rigs.csar_rig import Authority, author, members, zipped

CENTRAL = b"PK\1\2"
LOCAL = b"PK\3\4"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return pack_csar(author(tmp_path_factory.mktemp("csar") / "package"))


def added(csar: bytes, *entries: tuple[str | zipfile.ZipInfo, bytes], stored: bool = False) -> bytearray:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED) as archive:
        for name, data in (*members(csar).items(), *entries):
            archive.writestr(name, data)
    return bytearray(out.getvalue())


def records(data: bytes, mark: bytes = CENTRAL) -> list[int]:
    """Where the headers of entries are."""
    found, at = [], data.find(mark)
    while at >= 0:
        found.append(at)
        at = data.find(mark, at + 4)
    return found


def kind(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = mode << 16
    return info


def encrypted(csar: bytes) -> bytes:
    data = added(csar)
    for at in records(data):
        struct.pack_into("<H", data, at + 8, 1)
    return bytes(data)


def of_four_gigabytes(csar: bytes) -> bytes:
    data = added(csar, ("x", b"abc"))
    struct.pack_into("<L", data, records(data)[-1] + 24, 0xFFFFFFFE)
    return bytes(data)


def of_zip64(csar: bytes) -> bytes:
    """A size that stands in an extra field: 1 TB."""
    info = zipfile.ZipInfo("x")
    info.extra = struct.pack("<HHQ", 1, 8, 1 << 40)
    data = added(csar, (info, b"abc"))
    struct.pack_into("<L", data, records(data)[-1] + 24, 0xFFFFFFFF)
    return bytes(data)


def longer_than_it_says(csar: bytes) -> bytes:
    data = added(csar, ("x", b"A" * 5000), stored=True)
    struct.pack_into("<L", data, records(data)[-1] + 24, 10)
    return bytes(data)


def inside_another(csar: bytes) -> bytes:
    """The last entry is one that lies in the data of the one before: two names for the same bytes."""
    hidden = io.BytesIO()
    with zipfile.ZipFile(hidden, "w") as archive:
        archive.writestr("y", b"hidden")
    inner = hidden.getvalue()[: records(hidden.getvalue())[0]]
    data = added(csar, ("x", inner), ("y", b"hidden"), stored=True)
    struct.pack_into("<L", data, records(data)[-1] + 42, data.index(inner))
    return bytes(data)


def twice_the_same_bytes(csar: bytes) -> bytes:
    data = added(csar, ("x", os.urandom(900)), ("y", os.urandom(900)), stored=True)
    *_, x, y = records(data)
    struct.pack_into("<L", data, y + 42, struct.unpack_from("<L", data, x + 42)[0])
    return bytes(data)


def another_name_below(csar: bytes) -> bytes:
    """The directory and the entry itself call it differently."""
    data = added(csar, ("harmless", b"x"))
    at = data.index(LOCAL, data.index(b"harmless") - 40)
    data[at + 30 : at + 38] = b"vnf.yaml"
    return bytes(data)


HOSTILE: dict[str, tuple[Callable[[bytes], bytes | bytearray], str]] = {
    "bomb": (lambda csar: added(csar, ("zeros", bytes(8 << 20))), "grows more than 200 times"),
    "parent": (lambda csar: added(csar, ("../evil", b"")), "leads out"),
    "parent inside": (lambda csar: added(csar, ("Artifacts/coven/../../../evil", b"")), "leads out"),
    "absolute": (lambda csar: added(csar, ("/etc/evil", b"")), "absolute"),
    "drive": (lambda csar: added(csar, ("C:/evil", b"")), "absolute"),
    "backslash": (lambda csar: added(csar, ("a\\..\\evil", b"")), "backslash"),
    "symbolic link": (lambda csar: added(csar, (kind("x", stat.S_IFLNK | 0o777), b"/etc/passwd")), "symbolic link"),
    "device": (lambda csar: added(csar, (kind("x", stat.S_IFCHR | 0o666), b"")), "device"),
    "pipe": (lambda csar: added(csar, (kind("x", stat.S_IFIFO | 0o666), b"")), "device"),
    "twice": (lambda csar: added(csar, ("fw.mf", b"")), "twice"),
    "case": (lambda csar: added(csar, ("TOSCA-METADATA/tosca.meta", b"")), "twice"),
    "file in file": (lambda csar: added(csar, ("fw.mf/x", b"")), "inside a file"),
    "NUL": (lambda csar: added(csar, ("a_b", b"")).replace(b"a_b", b"a\0b"), "control"),
    "control": (lambda csar: added(csar, ("a\nb", b"")), "control"),
    "right to left": (lambda csar: added(csar, ("\u202egnp.py", b"")), "control"),
    "encrypted": (encrypted, "encrypted"),
    "4 GB": (of_four_gigabytes, "4294967294 bytes"),
    "1 TB": (of_zip64, "1099511627776 bytes"),
    "lying size": (longer_than_it_says, "damaged"),
    "overlap": (inside_another, "overlaps"),
    "same bytes": (twice_the_same_bytes, "overlaps"),
    "two names": (another_name_below, "differ"),
    "odd compression": (lambda csar: zipped_with(csar, zipfile.ZIP_LZMA), "deflate"),
    "cut off": (lambda csar: csar[:-30], "no end"),
    "no zip": (lambda csar: b"PK" * 1000, "no end"),
}


def zipped_with(csar: bytes, compression: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, data in members(csar).items():
            archive.writestr(name, data)
    return out.getvalue()


def refused(data: bytes, tmp_path: Path, policy: Policy | None = None) -> str:
    """Why; nothing was left and nothing written elsewhere."""
    parent = tmp_path / "into"
    parent.mkdir(exist_ok=True)
    before = set(tmp_path.rglob("*"))
    with pytest.raises(Refused) as caught:
        take_in(io.BytesIO(data), parent, "x.csar", policy)
    assert set(tmp_path.rglob("*")) == before
    assert caught.value.mistakes and all(mistake.found for mistake in caught.value.mistakes)
    return str(caught.value)


@pytest.mark.parametrize("which", HOSTILE)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_hostile(which: str, good: bytes, tmp_path: Path) -> None:
    make, why = HOSTILE[which]
    data = bytes(make(good))
    assert why in refused(data, tmp_path)
    # around it all may be well, also under `off`
    outer = zipped({"fw.csar": data, "fw.cms": b""})
    assert why in refused(outer, tmp_path, Policy("off"))


def test_a_bomb_in_a_signed_zip(tmp_path: Path, good: bytes) -> None:
    """A good signature does not make its content small."""
    from coven.package.csar import sign

    authority = Authority(tmp_path / "authority")
    bomb = bytes(added(good, ("zeros", bytes(8 << 20))))
    outer = zipped({"fw.csar": bomb, "fw.cms": sign.sign(bomb, authority.signer())})
    assert "grows" in refused(outer, tmp_path, Policy(anchors=(str(authority.certificate),)))


def test_a_zip_in_a_zip_in_a_zip(tmp_path: Path, good: bytes) -> None:
    outer = zipped({"fw.csar": zipped({"fw.csar": good, "fw.cms": b""}), "fw.cms": b""})
    assert "root-definitions" in refused(outer, tmp_path, Policy("off"))


def test_too_many_and_too_much(tmp_path: Path, good: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value, why in (
        ("MAX_FILES", 5, "at most 5 entries"), ("MAX_TOTAL", 5000, "unpacked, more than 5000"),
        ("MAX_FILE", 1000, "more than 1000"), ("MAX_ARCHIVE", 1000, "at most 1000 bytes"),
    ):  # fmt: skip
        with monkeypatch.context() as patch:
            patch.setattr(zips, name, value)
            assert why in refused(good, tmp_path)


def test_what_is_signed_is_what_is_used(tmp_path: Path) -> None:
    """Of two files that an outer zip could mean, none is taken."""
    folder = author(tmp_path / "package")
    authority = Authority(tmp_path / "authority")
    files = members(pack_csar(folder, Options(signer=authority.signer(), outer=True)))
    policy = Policy(anchors=(str(authority.certificate),))
    other = pack_csar(folder, Options(agent_port=1))
    assert "outer-files" in refused(zipped({"a.csar": other, **files}), tmp_path, policy)
    assert "outer-files" in refused(zipped({**files, "z/vnf.yaml": b""}), tmp_path, policy)
