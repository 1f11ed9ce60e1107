"""The pool of user ids that VNFC hosts and compilers run as: 64000-64999, one process each.

A uid is leased by an exclusive lock on a file of its name in `uids/` of the runtime folder. The lock
goes away with whoever holds it, so a keeper that was killed leaves nothing to be cleaned up.
"""

from __future__ import annotations

import fcntl
import os
import pwd
from pathlib import Path

POOL = range(64000, 65000)


class NoUidFree(OSError):
    """All uids of the pool are leased or belong to somebody."""


class UidLease:
    """One leased uid. Released by `release()`, at the end of a `with`, or with the process."""

    def __init__(self, uid: int, fd: int):
        self.uid = uid
        self._fd = fd

    @classmethod
    def take(cls, runtime_dir: Path, pool: range = POOL) -> UidLease:
        """Lease the first uid that is free. `runtime_dir` is shared by all keepers of the machine.

        Raises NoUidFree, or OSError when the folder cannot be written.
        """
        folder = runtime_dir / "uids"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for uid in pool:
            fd = os.open(folder / str(uid), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                continue
            if not _is_somebody(uid):
                return cls(uid, fd)
            os.close(fd)
        raise NoUidFree(f"no uid is free in {pool.start}-{pool.stop - 1} (locks in {folder})")

    def release(self) -> None:
        """Give the uid back; doing it twice is harmless."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> UidLease:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _is_somebody(uid: int) -> bool:
    """Whether the machine has a user of that number: never run a VNFC as a person."""
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True
