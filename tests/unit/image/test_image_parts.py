"""The pieces of `make image` that need no image: the list of what is in it, boot sectors, the partition table."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import io
import json
import os
import shutil
import struct
import subprocess
import sys
import tarfile
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
HERE = ROOT / "install" / "image"
STATUS = """Package: libc6
Status: install ok installed
Architecture: amd64
Source: glibc (2.36-9+deb12u9)
Version: 2.36-9+deb12u10
Description: GNU C Library
 more of it

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: linux-image-6.1.0-1-cloud-amd64
Status: install ok installed
Architecture: amd64
Version: 6.1.1-1
"""


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"image_{name}", HERE / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


disk, sbom, rootfs = load("disk"), load("sbom"), load("rootfs")
sys.modules["rootfs"] = rootfs  # by which layout.py knows it, a script beside it
layout, build = load("layout"), load("build")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root as mmdebstrap packs it."""
    file = tmp_path / "root.tar"
    with tarfile.open(file, "w", format=tarfile.PAX_FORMAT) as tar:
        for name in ("boot/vmlinuz-6.1.0-9-cloud", "boot/vmlinuz-6.1.0-10-cloud", "usr/lib/modules/6.1/virtio.ko",
                     "usr/bin/a"):  # fmt: skip
            member = tarfile.TarInfo(f"./{name}")
            member.size, member.mtime = len(name), 5
            member.pax_headers = {"SCHILY.xattr.system.posix_acl_default": "x", "SCHILY.xattr.user.kept": "y"}
            tar.addfile(member, io.BytesIO(name.encode()))
        link = tarfile.TarInfo("./usr/bin/b")
        link.type, link.linkname = tarfile.LNKTYPE, "./usr/bin/a"
        tar.addfile(link)
    return file


def test_the_newest_kernel_is_taken(root: Path, tmp_path: Path) -> None:
    taken = rootfs.take(root, "boot/vmlinuz-", tmp_path / "vmlinuz")
    assert taken.read_text() == "boot/vmlinuz-6.1.0-10-cloud"
    with pytest.raises(KeyError, match="initrd"):
        rootfs.take(root, "boot/initrd.img-", tmp_path / "initrd")


def test_the_oci_layout_is_whole_and_the_same_twice(root: Path, tmp_path: Path) -> None:
    """Each descriptor's digest and size are of what it names (OCI image specification 1.1, descriptor.md)."""
    blobs = []
    for name in ("one", "two"):
        layout.write(root, tmp_path / name, "0.1.0", 1_700_000_000)
        blobs.append(sorted(path.name for path in (tmp_path / name / "blobs/sha256").iterdir()))
    assert blobs[0] == blobs[1] and len(blobs[0]) == 3
    folder = tmp_path / "one"

    def blob(descriptor: dict[str, Any]) -> bytes:
        data = (folder / "blobs/sha256" / descriptor["digest"].removeprefix("sha256:")).read_bytes()
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (descriptor["digest"][7:], descriptor["size"])
        return data

    manifest = json.loads(blob(json.loads((folder / "index.json").read_text())["manifests"][0]))
    config = json.loads(blob(manifest["config"]))
    plain = gzip.decompress(blob(manifest["layers"][0]))
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(plain).hexdigest()}"]
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        assert tar.getnames() == ["usr/bin/a", "usr/bin/b"]  # no kernel, no modules
        assert tar.getmember("usr/bin/b").linkname == "usr/bin/a"
        assert tar.getmember("usr/bin/a").pax_headers.keys() == {"SCHILY.xattr.user.kept"}
    entry = config["config"]["Entrypoint"][0].removeprefix("/")
    assert os.access(HERE / "root" / entry, os.X_OK)


def test_every_installed_package_is_listed_once_by_its_url(tmp_path: Path) -> None:
    (tmp_path / "var/lib/dpkg").mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/status").write_text(STATUS)
    info = tmp_path / "usr/local/lib/coven/runtime/lib/python3.11/site-packages/ruamel.yaml-0.18.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ruamel.yaml\nVersion: 0.18\nLicense: MIT license\n\n")
    found = json.loads(sbom.of_root(tmp_path, "0.1.0", 1_700_000_000))
    assert (found["bomFormat"], found["specVersion"], found["version"]) == ("CycloneDX", "1.5", 1)
    assert found["metadata"]["timestamp"] == "2023-11-14T22:13:20Z"
    assert [each["purl"] for each in found["components"]] == [
        "pkg:deb/debian/libc6@2.36-9%2Bdeb12u10?arch=amd64&distro=debian-12",
        "pkg:deb/debian/linux-image-6.1.0-1-cloud-amd64@6.1.1-1?arch=amd64&distro=debian-12",
        "pkg:pypi/ruamel-yaml@0.18",
    ]
    libc, linux, yaml = found["components"]
    assert libc["properties"] == [{"name": "debian:source", "value": "glibc 2.36-9+deb12u9"}]
    assert (linux["type"], yaml["licenses"]) == ("operating-system", [{"license": {"name": "MIT license"}}])
    assert found["dependencies"][0]["dependsOn"] == [each["bom-ref"] for each in found["components"]]
    assert sbom.of_root(tmp_path, "0.1.0", 1_700_000_000) == sbom.of_root(tmp_path, "0.1.0", 1_700_000_000)


def test_a_root_of_another_flavour_or_half_of_one_is_not_taken_again(root: Path, tmp_path: Path) -> None:
    half = tmp_path / "half.tar"
    half.touch()
    for missing in (tmp_path / "none.tar", half, root):
        with pytest.raises(build.ImageError, match="not there, or not whole"):
            build.same_flavour(missing, "standard")
    build.rootfs.add(root, "usr/lib/coven-image/release", b"VERSION=1\nFLAVOUR=full\n", 7)
    build.same_flavour(root, "full")
    with pytest.raises(build.ImageError, match="not of the flavour standard"):
        build.same_flavour(root, "standard")
    build.rootfs.extract(root, tmp_path / "parts", ["usr/lib/coven-image/*", "usr/bin/a"])
    found = sorted(path.name for path in (tmp_path / "parts").rglob("*") if path.is_file())
    assert found == ["a", "release"]


def test_grubs_first_sector_finds_its_image() -> None:
    first, image = disk.boot_sectors(bytes([0xEB] * 512), bytes(range(256)) * 5, 2048)
    assert len(first) == 440  # behind it are the disk's signature and the table of partitions
    assert struct.unpack_from("<Q", first, 0x5C) == (2048,) and first[0x66:0x68] == b"\x90\x90"
    assert len(image) == 3 * 512 and struct.unpack_from("<Q", image, 500) == (2049,)
    assert image[:500] == (bytes(range(256)) * 5)[:500]


def test_a_file_is_placed_with_its_holes(tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(bytes(disk.MIB) + b"x" * 10)
    with (tmp_path / "disk").open("wb") as stream:
        stream.truncate(8 * disk.MIB)
    disk.place(tmp_path / "disk", tmp_path / "part", 3 * disk.MIB)
    content = (tmp_path / "disk").read_bytes()
    assert len(content) == 8 * disk.MIB and content.strip(b"\0") == b"x" * 10 and content.index(b"x") == 4 * disk.MIB
    assert (tmp_path / "disk").stat().st_blocks * 512 < disk.MIB


TOOLS = ("mkfs.vfat", "mcopy", "sfdisk", "mke2fs", "grub-mkimage")
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
lacking = [tool for tool in TOOLS if not shutil.which(tool, path=PATH)]


@pytest.mark.skipif(bool(lacking), reason=f"not here: {', '.join(lacking)} (install/apt-image.txt)")
def test_a_disk_is_put_together_twice_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    monkeypatch.setenv("PATH", PATH)
    for name in ("root", "kernel", "initrd"):
        (tmp_path / name).write_bytes(name.encode() * 100)
    parts = disk.Parts(tmp_path / "root", tmp_path / "kernel", tmp_path / "initrd", "ab" * 32, "0.1.0")
    made = []
    for name in ("one", "two"):
        (tmp_path / f"{name}.work").mkdir()
        disk.assemble(parts, tmp_path / name, tmp_path / f"{name}.work")
        made.append(tmp_path / name)
    assert subprocess.run(["cmp", *made], check=False).returncode == 0
    table = json.loads(subprocess.run(["sfdisk", "--json", made[0]], check=True, capture_output=True).stdout)
    partitions = table["partitiontable"]["partitions"]
    assert [each["name"] for each in partitions] == ["coven-bios", "coven-esp", "coven-root", "coven-state"]
    esp = partitions[1]["start"] * 512
    menu = subprocess.run(["mtype", "-i", f"{made[0]}@@{esp}", "::grub/grub.cfg"], check=True, capture_output=True)
    assert f"root=PARTUUID={partitions[2]['uuid'].lower()}".encode() in menu.stdout
    assert b"coven.image=abababababababab" in menu.stdout
    with made[0].open("rb") as stream:
        stream.seek(partitions[2]["start"] * 512)
        assert stream.read(400) == b"root" * 100


def test_what_is_carried_over_is_told_in_the_root() -> None:
    """Scripts of the root are what a shell takes, and what they name is there."""
    for script in ("etc/initramfs-tools/hooks/coven", "etc/initramfs-tools/scripts/init-bottom/coven",
                   "usr/lib/coven-image/grow", "usr/lib/coven-image/nics"):  # fmt: skip
        file = HERE / "root" / script
        assert os.access(file, os.X_OK)
        shell = file.read_text().splitlines()[0].removeprefix("#!")
        assert subprocess.run([shell, "-n", file], check=False).returncode == 0, script
    units = HERE / "root/etc/systemd/system"
    enabled = (HERE / "inside").read_text()
    for unit in units.glob("*.service"):
        assert unit.stem in enabled, f"{unit.name} is enabled by nobody"
