"""Limits of the process and of the machine, by their names: what a system call means that fails for want of room."""

from __future__ import annotations

import errno
import mmap
import os
import resource

#: errno -> (limit, its name in words, how it is raised)
_OF_PROCESS = {
    errno.EMFILE: (resource.RLIMIT_NOFILE, "open files (RLIMIT_NOFILE)",
                   "ulimit -n 1024; in a systemd unit LimitNOFILE="),
    errno.EAGAIN: (resource.RLIMIT_NPROC, "processes of this user (RLIMIT_NPROC)",
                   "ulimit -u 4096; in a systemd unit LimitNPROC= and TasksMax="),
    errno.EFBIG: (resource.RLIMIT_FSIZE, "the size of a file (RLIMIT_FSIZE)", "ulimit -f unlimited"),
    errno.ENOBUFS: (resource.RLIMIT_MEMLOCK, "locked memory (RLIMIT_MEMLOCK)",
                    "ulimit -l unlimited; in a systemd unit LimitMEMLOCK=infinity"),
    errno.ENOMEM: (resource.RLIMIT_AS, "address space (RLIMIT_AS)", "ulimit -v unlimited"),
}  # fmt: skip
_OF_MACHINE = {
    errno.ENFILE: ("the machine's open files (fs.file-max)", "sysctl -w fs.file-max=1000000"),
    errno.ENOSPC: ("no space left on the disk", "free some disk space"),
    errno.EDQUOT: ("no space left in the disk quota", "free some disk space"),
    errno.ENOMEM: ("no memory left", "end something, or give the machine more"),
    errno.ENOBUFS: ("no buffer space left in the kernel", "end something, or give the machine more"),
    errno.EAGAIN: ("processes (the kernel's or the cgroup's number of them)",
                   "end something, or raise kernel.threads-max or the cgroup's pids.max"),
}  # fmt: skip
#: errno -> the same, where inotify fails so
_OF_INOTIFY = {
    errno.ENOSPC: ("watched folders (fs.inotify.max_user_watches)", "sysctl -w fs.inotify.max_user_watches=100000"),
    errno.EMFILE: ("watchers (fs.inotify.max_user_instances)", "sysctl -w fs.inotify.max_user_instances=1000"),
}
#: what Python says when a thread could not be made, without the errno
_NO_THREAD = "can't start new thread"


class WatchLimit(OSError):
    """inotify failed; its limits are others than those of open files and of the disk."""


def reached(problem: BaseException) -> tuple[str, str] | None:
    """(which limit, how to raise it) if that is what `problem` means, None if it is another failure."""
    number = problem.errno if isinstance(problem, OSError) else None
    if isinstance(problem, MemoryError):
        number = errno.ENOMEM
    if isinstance(problem, RuntimeError) and _NO_THREAD in str(problem):
        number = errno.EAGAIN if _has_room_for_a_stack() else errno.ENOMEM
    if number is None:
        return None
    if isinstance(problem, WatchLimit) and number in _OF_INOTIFY:
        what, remedy = _OF_INOTIFY[number]
        return f"the limit of {what} is reached", remedy
    if number in _OF_PROCESS:
        which, name, remedy = _OF_PROCESS[number]
        limit = resource.getrlimit(which)[0]
        applies = number != errno.EAGAIN or os.geteuid() != 0  # root may have any number of processes
        if applies and limit != resource.RLIM_INFINITY:
            return f"the limit of {name} is reached: {limit}", remedy
    if number in _OF_MACHINE:
        what, remedy = _OF_MACHINE[number]
        return (what if what.startswith("no ") else f"the limit of {what} is reached"), remedy
    return None


def _has_room_for_a_stack() -> bool:
    """What pthread_create(3) does first, and calls EAGAIN when it fails, too."""
    size = resource.getrlimit(resource.RLIMIT_STACK)[0]
    try:
        mmap.mmap(-1, size if 0 < size < 1 << 30 else 8 << 20, mmap.MAP_PRIVATE).close()
    except OSError:
        return False
    return True


def in_output(text: str) -> tuple[str, str] | None:
    """The same, out of what bubblewrap or our launcher wrote when they could not start a program. Other limits than
    these two it leaves alone: user namespaces have theirs, and a compiler's words are its author's."""
    for line in text.splitlines():
        for number in (errno.EAGAIN, errno.EMFILE):
            if line.startswith(("bwrap: ", "coven-launch: ")) and line.endswith(os.strerror(number)):
                return reached(OSError(number, line))
    return None


def words(problem: OSError) -> str:
    """What failed, in words; a limit by its name."""
    said, limit = problem.strerror or str(problem), reached(problem)
    return f"{said}: {limit[0]} ({limit[1]})" if limit else said
