"""A bootable disk out of files alone: no loop device, no root.

    1   1 MiB     GRUB for BIOS
    2   128 MiB   EFI system partition (FAT): GRUB for UEFI, its menu, kernel and initrd
    3   its size  the root: squashfs, read only
    4   the rest  the state: ext4, label coven-state; grows at boot to the end of the disk

Every identifier comes from the root's content, so that two disks of different images can be in one machine.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

SECTOR = 512
MIB = 1 << 20
ESP_MIB, STATE_MIB = 128, 256
_GRUB_PC, _GRUB_EFI = Path("/usr/lib/grub/i386-pc"), Path("/usr/lib/grub/x86_64-efi")
_MODULES = ["part_gpt", "fat", "normal", "linux", "search", "search_fs_uuid", "configfile", "serial", "terminal",
            "echo", "test", "all_video", "gzio", "reboot", "halt"]  # fmt: skip
#: in boot.img the sector of core.img, and where a jump stands that grub-install makes two NOPs; in the first sector of
#: core.img the sector of its second (GRUB's include/grub/i386/pc/boot.h)
_KERNEL_SECTOR, _DRIVE_CHECK, _BLOCKLIST = 0x5C, 0x66, SECTOR - 12

EMBEDDED = "search --no-floppy --fs-uuid --set=root {serial}\nset prefix=($root)/grub\nconfigfile /grub/grub.cfg\n"
MENU = """set timeout=2
set default=0
if serial --unit=0 --speed=115200; then
    terminal_input console serial
    terminal_output console serial
fi
menuentry "Coven {version}" {{
    linux /vmlinuz root=PARTUUID={root} rootfstype=squashfs ro coven.image={image} {parameters}
    initrd /initrd.img
}}
"""
#: the last console is where systemd tells how it goes; a timer is not checked where the machine has no time for it
PARAMETERS = "console=tty0 console=ttyS0,115200 panic=10 no_timer_check quiet loglevel=4"


@dataclass(frozen=True)
class Parts:
    """What the disk is made of. `image`: SHA-256 of the root, in hexadecimal."""

    root: Path
    kernel: Path
    initrd: Path
    image: str
    version: str

    def identity(self, what: str) -> uuid.UUID:
        return uuid.uuid5(uuid.NAMESPACE_URL, f"coven:{self.image}:{what}")

    @property
    def serial(self) -> str:
        """Of the FAT file system, as GRUB knows it."""
        number = self.identity("esp").hex[:8].upper()
        return f"{number[:4]}-{number[4:]}"

    @property
    def name(self) -> str:
        """By which the kernel command line tells the image."""
        return self.image[:16]


def run(*words: str | Path, text: str | None = None) -> str:
    """What it prints. Raises CalledProcessError."""
    given = [str(word) for word in words]
    return subprocess.run(given, input=text, text=True, check=True, stdout=subprocess.PIPE).stdout


def core(parts: Parts, work: Path, target: str) -> Path:
    """GRUB's own image for `target`: i386-pc or x86_64-efi."""
    embedded, made = work / f"{target}.cfg", work / f"{target}.img"
    embedded.write_text(EMBEDDED.format(serial=parts.serial))
    modules = [*_MODULES, "biosdisk"] if target == "i386-pc" else _MODULES
    run("grub-mkimage", "-O", target, "-p", "/grub", "-c", embedded, "-o", made, *modules)
    return made


def boot_sectors(boot: bytes, image: bytes, first: int) -> tuple[bytes, bytes]:
    """The first sector of the disk and core.img, such that one finds the other at the sector `first`."""
    start = bytearray(boot[:440])
    start[_KERNEL_SECTOR : _KERNEL_SECTOR + 8] = struct.pack("<Q", first)
    start[_DRIVE_CHECK : _DRIVE_CHECK + 2] = b"\x90\x90"
    whole = bytearray(image + bytes(-len(image) % SECTOR))
    whole[_BLOCKLIST : _BLOCKLIST + 8] = struct.pack("<Q", first + 1)
    return bytes(start), bytes(whole)


def esp(parts: Parts, work: Path) -> Path:
    """The EFI system partition as a file."""
    file, menu = work / "esp.img", work / "grub.cfg"
    menu.write_text(MENU.format(version=parts.version, root=parts.identity("root"), image=parts.name,
                                parameters=PARAMETERS))  # fmt: skip
    with file.open("wb") as stream:
        stream.truncate(ESP_MIB * MIB)
    serial = parts.serial.replace("-", "")
    run("/usr/sbin/mkfs.vfat", "--invariant", "-F", "32", "-n", "COVENBOOT", "-i", serial, file)
    for folder in ("::EFI", "::EFI/BOOT", "::grub"):
        run("mmd", "-i", file, folder)
    contents = {
        "::EFI/BOOT/BOOTX64.EFI": core(parts, work, "x86_64-efi"), "::grub/grub.cfg": menu,
        "::vmlinuz": parts.kernel, "::initrd.img": parts.initrd,
    }  # fmt: skip
    for name, source in contents.items():
        run("mcopy", "-i", file, source, name)
    return file


def state(parts: Parts, work: Path) -> Path:
    """An empty state as a file."""
    file = work / "state.img"
    file.unlink(missing_ok=True)
    identity = str(parts.identity("state"))
    empty = work / "empty"
    shutil.rmtree(empty, ignore_errors=True)
    empty.mkdir()
    run("/usr/sbin/mke2fs", "-q", "-t", "ext4", "-L", "coven-state", "-U", identity, "-m", "1",
        "-E", f"hash_seed={identity},root_owner=0:0,resize=268435456", "-d", empty, file, f"{STATE_MIB}M")  # fmt: skip
    return file


def place(disk: Path, file: Path, offset: int) -> None:
    """Copy a file into the disk at an offset in bytes; what is zero stays a hole."""
    with disk.open("r+b") as out, file.open("rb") as source:
        while data := source.read(MIB):
            if data.strip(b"\0"):
                out.seek(offset)
                out.write(data)
            offset += len(data)


def assemble(parts: Parts, disk: Path, work: Path) -> None:
    """Write the whole disk, raw and with holes. Raises CalledProcessError when a tool fails."""
    os.environ["E2FSPROGS_FAKE_TIME"] = os.environ["SOURCE_DATE_EPOCH"]
    root_mib = -(-parts.root.stat().st_size // MIB)
    starts, at = [], 1
    for size in (1, ESP_MIB, root_mib, STATE_MIB):
        starts.append(at)
        at += size
    with disk.open("wb") as stream:
        stream.truncate((at + 1) * MIB)
    kinds = ("21686148-6449-6E6F-744E-656564454649", "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
             "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709", "0FC63DAF-8483-4772-8E79-3D69D8477DE4")  # fmt: skip
    names = ("bios", "esp", "root", "state")
    sizes = (1, ESP_MIB, root_mib, STATE_MIB)
    table = f"label: gpt\nlabel-id: {parts.identity('disk')}\n" + "".join(
        f"start={start * 2048}, size={size * 2048}, type={kind}, uuid={parts.identity(name)}, name=coven-{name}\n"
        for start, size, kind, name in zip(starts, sizes, kinds, names, strict=True)
    )
    run("sfdisk", "--quiet", "--no-reread", "--no-tell-kernel", disk, text=table)
    first, image = boot_sectors((_GRUB_PC / "boot.img").read_bytes(), core(parts, work, "i386-pc").read_bytes(),
                                starts[0] * 2048)  # fmt: skip
    if len(image) > MIB:
        raise ValueError(f"GRUB for BIOS has {len(image)} bytes, its partition 1 MiB")
    with disk.open("r+b") as out:
        out.write(first)
        out.seek(starts[0] * MIB)
        out.write(image)
    for file, start in zip((esp(parts, work), parts.root, state(parts, work)), starts[1:], strict=True):
        place(disk, file, start * MIB)
