"""A disk whose power can be cut: an ext4 of its own on a loop device, which ends as such a cut ends one. What was not
settled by then, and what the file system's journal had not written, is gone. It must be cut within seconds, before the
kernel writes by itself."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
from pathlib import Path

import pytest

EXT4_IOC_SHUTDOWN, NO_LOG_FLUSH = 0x8004587D, 2  #: linux/ext4.h


class Disk:
    """Mounted at `place`. Skips the test where there are no loop devices."""

    def __init__(self, folder: Path, megabytes: int = 64):
        self._file, self.place, self._mounted = folder / "disk.img", folder / "disk", False
        self.place.mkdir()
        with self._file.open("wb") as stream:
            stream.truncate(megabytes << 20)
        subprocess.run(["/usr/sbin/mkfs.ext4", "-q", self._file], check=True)
        done = self._mount()
        if "loop device" in done.stderr or "permission denied" in done.stderr:
            pytest.skip(done.stderr.strip())
        assert done.returncode == 0, done.stderr

    def _mount(self) -> subprocess.CompletedProcess[str]:
        words = ["mount", "-o", "loop", str(self._file), str(self.place)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        self._mounted = done.returncode == 0
        return done

    def cut(self) -> None:
        """From now on nothing reaches it."""
        fd = os.open(self.place, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(fd)

    def back(self) -> None:
        """The power is there again. Nobody may have a file of it open."""
        self.close()
        done = self._mount()
        assert done.returncode == 0, done.stderr

    def close(self) -> None:
        if self._mounted:
            self._mounted = False
            if subprocess.run(["umount", self.place], check=False).returncode:
                subprocess.run(["umount", "--lazy", self.place], check=True)
                raise AssertionError("somebody has a file of the disk open")
