"""`make image`: the appliance as a disk that boots anywhere.

    build/image/coven-VERSION.qcow2      and .raw, .vmdk with --format
    build/image/coven-VERSION.cdx.json   what it is made of (CycloneDX)
    build/image/coven-VERSION-oci/       the same root as an OCI image layout, without kernel (--oci)
    build/image/made                     the names of these, a line each

A flavour is a list of packages beside packages.txt: with --flavour full (packages-full.txt) the names begin with
coven-VERSION-full, and VNFCs in C++, Java and JavaScript deploy, too.

Made from Debian's packages as apt knows them here and from this checkout, on Debian 12. As root, or in a user namespace
of mmdebstrap's. The same packages and the same commit make the same bytes; the time in it is the commit's, or
SOURCE_DATE_EPOCH.
"""

from __future__ import annotations

import argparse
import configparser
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE))

import disk  # noqa: E402
import layout  # noqa: E402
import rootfs  # noqa: E402
import sbom  # noqa: E402

RELEASE = "bookworm"
FORMATS = {"qcow2": ["-c"], "raw": [], "vmdk": ["-o", "subformat=streamOptimized"]}  #: qemu-img's options
TOOLS = ("mmdebstrap", "tar2sqfs", "mkfs.vfat", "mcopy", "sfdisk", "mke2fs", "grub-mkimage", "qemu-img")
STANDARD = "standard"  #: the flavour that has packages.txt alone
FLAVOURS = (STANDARD, *sorted(file.stem.removeprefix("packages-") for file in HERE.glob("packages-*.txt")))
#: products that need what the standard flavour lacks, and that are there where `make setup-languages` was run
MANAGED = ("libcoven-java.so", "coven-java.jar", "coven_javascript.node")
SBOM = "usr/share/coven/sbom.cdx.json"
LOG_LINES = 15  #: of mmdebstrap's that are shown when it fails
_INDEX = "$(ORIGIN) $(RELEASE) $(COMPONENT) $(REPO_URI)"


class ImageError(Exception):
    """The image cannot be made; the text says why."""


def version() -> str:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    return config["metadata"]["version"]


def names(file: Path) -> list[str]:
    """The packages that a list names."""
    return [name for line in file.read_text().splitlines() for name in line.partition("#")[0].split()]


def packages(flavour: str) -> list[str]:
    """What is in an image of that flavour, beside Debian's smallest root."""
    more = names(HERE / f"packages-{flavour}.txt") if flavour != STANDARD else []
    return names(HERE / "packages.txt") + more


def said(*words: str) -> str:
    return subprocess.run(words, cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE).stdout.strip()


def epoch() -> str:
    """Seconds since 1970 that stand for the time of making."""
    return os.environ.get("SOURCE_DATE_EPOCH") or said("git", "log", "-1", "--format=%ct")


def sources(backports: bool) -> str:
    """Debian's archives as apt knows them here, as a sources.list. Raises ImageError when there are none."""
    asked = ("apt-get", "indextargets", "--format", _INDEX, "Identifier: Packages")
    if not said(*asked) and os.geteuid() == 0:
        said("apt-get", "-q", "update")
    lines = set()
    for line in said(*asked).splitlines():
        origin, release, component, uri = line.split()
        if origin == "Debian" and release.startswith(RELEASE) and not release.endswith("-backports"):
            lines.add(f"deb {uri} {release} {component}\n")
            if backports and release == RELEASE:
                lines.add(f"deb {uri} {RELEASE}-backports {component}\n")
    if not lines:
        raise ImageError(f"apt knows no archive of Debian {RELEASE} here: run apt-get update")
    return "".join(sorted(lines))


def check(flavour: str) -> None:
    """Raises ImageError with all that is in the way."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    wrong = [f"{tool} is missing" for tool in TOOLS if not shutil.which(tool, path=path)]
    if wrong:
        listed = " ".join(names(ROOT / "install" / "apt-image.txt"))
        wrong.append(f"apt-get install --no-install-recommends {listed}")
    facts = platform.freedesktop_os_release()
    if (facts["ID"], facts.get("VERSION_ID")) != ("debian", "12"):
        wrong.append(f"this is {facts['PRETTY_NAME']}; what the image runs is built here, which must be Debian 12")
    absent = [name for name in MANAGED if flavour != STANDARD and not (ROOT / "build" / name).exists()]
    if absent:
        wrong.append(f"{', '.join(absent)} of the flavour {flavour} not built here: make setup-languages")
    if wrong:
        raise ImageError("\n".join(wrong))


def stage(folder: Path, flavour: str) -> None:
    """Coven as `make install` puts it, and the appliance's own files."""
    shutil.rmtree(folder, ignore_errors=True)
    words = [sys.executable, str(ROOT / "install" / "install.py"), "install", "--destdir", str(folder)]
    subprocess.run(words, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    if flavour == STANDARD:  # the same bytes whether or not whoever builds it has a JDK
        for name in MANAGED:
            (folder / "usr/local/lib/coven/build" / name).unlink(missing_ok=True)
    shutil.copytree(HERE / "root", folder, dirs_exist_ok=True)
    (folder / SBOM).parent.mkdir(parents=True, exist_ok=True)
    commit = said("git", "describe", "--always", "--dirty")
    about = {"VERSION": version(), "FLAVOUR": flavour, "COMMIT": commit, "EPOCH": epoch()}
    text = "".join(f"{key}={value}\n" for key, value in about.items())
    (folder / "usr/lib/coven-image/release").write_text(text)
    # as if it had been unpacked from an archive of that time: nobody's umask
    made = int(epoch())
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            private = path.match("var/lib/coven")
            path.chmod(0o700 if private else 0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        os.utime(path, (made, made), follow_symlinks=False)


def root_tar(work: Path, flavour: str, kernel: str | None) -> Path:
    """The root file system as an archive."""
    staged, tar, listed = work / "stage", work / "root.tar", work / "sources.list"
    stage(staged, flavour)
    # as archives, since the root of a user namespace may not read what is this user's alone
    ours = {name: archive(staged, name, work / f"{file}.tar")
            for name, file in ((".", "stage"), ("etc/initramfs-tools", "initramfs"))}  # fmt: skip
    listed.write_text(sources(backports=kernel is not None))
    words = [
        "mmdebstrap", "--variant=minbase", f"--include={','.join(packages(flavour))}",
        "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
        "--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-include=/usr/share/doc/*/copyright",
        "--aptopt=APT::Install-Recommends \"false\"",
        "--essential-hook=mkdir -p \"$1\"/usr/share/man/man1",  # into which OpenJDK's scripts link
        # before the kernel comes, so that its initrd is made once
        f"--essential-hook=tar-in {ours['etc/initramfs-tools']} /",
        f"--customize-hook=tar-in {ours['.']} /",
        # by the apt of this machine: the root cannot resolve names here
        *([f"--customize-hook=APT_CONFIG=\"$MMDEBSTRAP_APT_CONFIG\" apt-get -q -y -t {RELEASE}-backports "
           f"-oDPkg::Chroot-Directory=\"$1\" install {kernel}"] if kernel else []),
        f"--customize-hook=upload {shlex.quote(str(HERE / 'inside'))} /inside",
        "--customize-hook=chroot \"$1\" sh /inside && rm \"$1\"/inside",
        RELEASE, str(tar), str(listed),
    ]  # fmt: skip
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    with (work / "root.log").open("w") as log:
        done = subprocess.run(words, check=False, env=env, stdout=log, stderr=log)
    if done.returncode:
        last = "".join(Path(log.name).read_text().splitlines(keepends=True)[-LOG_LINES:])
        raise ImageError(f"{last}mmdebstrap ended with {done.returncode}; all that it said is in {log.name}")
    parts = work / "parts"
    rootfs.extract(tar, parts, sbom.READ)
    rootfs.add(tar, SBOM, sbom.of_root(parts, version(), int(epoch())).encode(), int(epoch()))
    return tar


def archive(folder: Path, name: str, file: Path) -> str:
    """What is under that name in a folder, owned by root; the archive as a word for a shell."""
    said("tar", "-C", str(folder), "--sort=name", "--owner=0", "--group=0", "--numeric-owner", "-cf", str(file), name)
    return shlex.quote(str(file))


def same_flavour(tar: Path, flavour: str) -> None:
    """Raises ImageError unless the root is there, whole, and of that flavour."""
    try:
        release = rootfs.take(tar, "usr/lib/coven-image/release", tar.with_name("release")).read_text()
    except (OSError, KeyError, tarfile.TarError):
        raise ImageError(f"{tar} is not there, or not whole: leave --again out") from None
    if f"FLAVOUR={flavour}\n" not in release:
        raise ImageError(f"the root that was made last is not of the flavour {flavour}: leave --again out")


def squash(tar: Path, file: Path) -> str:
    """The root as squashfs, without what only the boot needs; its SHA-256. Raises CalledProcessError."""
    words = ["tar2sqfs", "--quiet", "--force", "--no-skip", "--exportable", "--compressor", "zstd", "--comp-extra",
             "level=10", "--block-size", "262144", "--num-jobs", os.environ.get("IMAGE_JOBS", "1"),
             "--defaults", f"mtime={epoch()}", str(file)]  # fmt: skip
    with subprocess.Popen(words, stdin=subprocess.PIPE) as packing:
        assert packing.stdin is not None
        rootfs.copy(tar, packing.stdin, ("boot", "dev"))
        packing.stdin.close()
    if packing.returncode:
        raise subprocess.CalledProcessError(packing.returncode, words)
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def make(given: argparse.Namespace) -> list[Path]:
    """Make the image; the files. Raises ImageError, CalledProcessError."""
    check(given.flavour)
    output: Path = given.output
    os.environ["SOURCE_DATE_EPOCH"] = epoch()
    work = output / "work"
    work.mkdir(parents=True, exist_ok=True)
    (work / ".coven").write_text(version())
    if given.again:
        same_flavour(work / "root.tar", given.flavour)
    begun = time.monotonic()

    def told(what: str) -> None:
        print(f"image: {what} ({time.monotonic() - begun:.0f} s)", flush=True)

    told("the root, from Debian's packages")
    tar = work / "root.tar" if given.again else root_tar(work, given.flavour, given.kernel)
    told("the root is packed")
    linux, initrd = (rootfs.take(tar, f"boot/{what}-", work / what) for what in ("vmlinuz", "initrd.img"))
    squashed = work / "root.squashfs"
    image = squash(tar, squashed)
    told("the disk is put together")
    name = f"coven-{version()}" + (f"-{given.flavour}" if given.flavour != STANDARD else "")
    raw = work / f"{name}.raw"
    disk.assemble(disk.Parts(squashed, linux, initrd, image, version()), raw, work)
    made = []
    made.append(rootfs.take(tar, SBOM, output / f"{name}.cdx.json"))
    for kind in given.format or ["qcow2"]:
        file = output / f"{name}.{kind}"
        subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", kind, *FORMATS[kind], raw, file], check=True)
        made.append(file)
    if given.oci:
        told("the OCI image")
        made.append(output / f"{name}-oci")
        layout.write(tar, made[-1], version(), int(epoch()))
    (output / "made").write_text("".join(f"{file}\n" for file in made))
    told("done")
    return made


def main() -> int:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=raw)
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "image", help="folder")
    parser.add_argument("--format", action="append", choices=FORMATS, help="of the disk (default: qcow2)")
    parser.add_argument("--flavour", choices=FLAVOURS, default=STANDARD, help=f"what it has (default: {STANDARD})")
    parser.add_argument("--kernel", metavar="PACKAGE", help="from backports, beside Debian 12's own")
    parser.add_argument("--oci", action="store_true", help="the OCI image, too")
    parser.add_argument("--again", action="store_true", help="from the root that was made last")
    given = parser.parse_args()
    try:
        made = make(given)
    except (ImageError, ValueError, OSError, subprocess.CalledProcessError) as error:
        print(f"image: {error}", file=sys.stderr)
        return 1
    for file in made:
        size = sum(each.stat().st_size for each in file.rglob("*")) if file.is_dir() else file.stat().st_size
        print(f"image: {file}, {size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
