"""Programs that become another user, in a lab without root.

Such a lab knows one user: root in it, whoever built it outside. tcpdump, name and web servers begin as root and go on
as a user of their own, and give up where that fails. They are told that it was done (`seccomp-identity.bpf`, made
by pps/confine/seccomp.c): there is nothing to be given up, root of the lab has no rights outside.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from itf.mistakes import Mistake, Refused
from pps.c.framework import build_folder

FILTER = "seccomp-identity.bpf"
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
INSTRUCTION = 8  #: bytes of a struct sock_filter


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]


def knows_one_user(pid: int) -> bool:
    """Whether the user namespace of a process has room for one user alone. False also when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/uid_map").read_text().splitlines()
    except OSError:
        return False
    return [int(line.split()[2]) for line in lines] == [1]


def pretend() -> None:
    """From now on this process and what it starts believe that they changed user, group or owner. For good.

    Raises Refused if the filter has not been built, OSError if the kernel does not take it.
    """
    path = build_folder() / FILTER
    try:
        code = path.read_bytes()
    except FileNotFoundError:
        raise Refused(Mistake(file=str(path), found="not built", remedy="make native"), title="no lab") from None
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // INSTRUCTION, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    for words in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program))):
        if libc.prctl(*words) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), str(path))
