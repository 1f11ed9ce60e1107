"""The keeper's side of a hop's doorbell: waking a host that sleeps on its futex."""

from __future__ import annotations

import ctypes
import platform
from typing import Any

from itf.segment import ffi

_FUTEX_WAKE = 1
_SYS_FUTEX = {"x86_64": 202, "aarch64": 98, "riscv64": 98, "ppc64le": 221, "s390x": 238}.get(
    platform.machine(), 202
)
_libc = ctypes.CDLL(None, use_errno=True)


def ring_control(head: Any) -> None:
    """Tell the host behind a hop header that its control socket has a message.

    The cell is cleared whether or not the host sleeps: a host that is just about to sleep then finds the
    futex changed and does not.
    """
    head.control = (head.control + 1) & 0xFFFFFFFF
    head.host_asleep = 0
    address = int(ffi.cast("uintptr_t", ffi.addressof(head, "host_asleep")))
    _libc.syscall(ctypes.c_long(_SYS_FUTEX), ctypes.c_void_p(address), ctypes.c_int(_FUTEX_WAKE),
                  ctypes.c_int(0x7FFFFFFF), None, None, ctypes.c_int(0))  # fmt: skip
