"""`build/libcoven-vns.so` (vns/open_*.c) through cffi: XDP programs and AF_XDP sockets.

Every call raises OSError whose text names the step that failed.
"""

from __future__ import annotations

import errno
import functools
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cffi

BUILD = Path(__file__).resolve().parent.parent / "build"
LIBRARY = BUILD / "libcoven-vns.so"
PROGRAMS = BUILD / "xdp.bpf.o"

# linux/if_link.h
NATIVE = 1 << 2
GENERIC = 1 << 1
# linux/if_xdp.h
COPY = 1 << 1
NEED_WAKEUP = 1 << 3

CAP_IPC_LOCK = 14  #: linux/capability.h

_WHY = 512

ffi = cffi.FFI()
ffi.cdef("""
struct coven_xdp_socket_request {
	void *area;
	uint64_t size;
	uint32_t chunk, headroom;
	uint32_t entries;
	uint32_t ifindex, queue;
	uint32_t bind_flags;
	uint32_t unbound;
	int32_t first;
};
int coven_xdp_socket(const struct coven_xdp_socket_request *r, char *why, size_t size);
int coven_xdp_zero_copy(int fd);
int coven_xdp_attach(const char *file, const char *name, uint32_t ifindex, int bound, uint32_t flags,
	int *map, char *why, size_t size);
int coven_xdp_map_set(int map, uint32_t queue, int socket, char *why, size_t size);
""")


@functools.cache
def library() -> Any:
    """Raises OSError if it has not been built."""
    return ffi.dlopen(str(LIBRARY))


def _called(call: Callable[[Any, int], int]) -> int:
    why = ffi.new("char[]", _WHY)
    result = call(why, _WHY)
    if result < 0:
        text = ffi.string(why).decode("utf-8", "replace")
        raise OSError(-result, text)
    return result


def open_socket(area: Any, size: int, **fields: int) -> int:
    """An AF_XDP socket bound to one queue, or to be bound to it. Fields as in struct coven_xdp_socket_request."""
    request = ffi.new("struct coven_xdp_socket_request *", fields)
    request.area, request.size = ffi.cast("void *", area), size
    try:
        return _called(lambda why, room: library().coven_xdp_socket(request, why, room))
    except OSError as error:
        if error.errno == errno.ENOBUFS and (limit := lock_limit()) is not None:  # xdp_umem_account_pages
            found = f"{short_of_locked_memory(limit, size)} (ulimit -l unlimited; of a unit: LimitMEMLOCK=infinity)"
            raise OSError(error.errno, found) from None
        raise


def lock_limit() -> int | None:
    """Bytes that all processes of our user together may lock; None if that does not bind us."""
    limit, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    status = Path("/proc/self/status").read_text()
    held = next((int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff:")), 0)
    return None if limit == resource.RLIM_INFINITY or held >> CAP_IPC_LOCK & 1 else limit


def short_of_locked_memory(limit: int, wanted: int) -> str:
    return f"locked memory is limited to {limit >> 10} KiB, and a port locks the packet pool, {wanted >> 10} KiB"


def is_zero_copy(fd: int) -> bool:
    return bool(library().coven_xdp_zero_copy(fd))


def attach(program: str, ifindex: int, *, bound: bool, flags: int, with_map: bool) -> tuple[int, int]:
    """Attach a program of `xdp.bpf.c` by a bpf_link. Returns the descriptors of the link and of the map of
    sockets (-1 if it was not asked for); closing the link's detaches."""
    sockets = ffi.new("int *", -1)
    where = sockets if with_map else ffi.NULL
    file = str(PROGRAMS).encode()
    try:
        link = _called(
            lambda why, room: library().coven_xdp_attach(
                file, program.encode(), ifindex, bound, flags, where, why, room
            )
        )
    except OSError as error:
        if error.errno == errno.ERANGE:
            found = "its MTU, or its peer's, is too large for native XDP (a veth's peer may have 3506)"
            raise OSError(error.errno, found) from None
        raise
    return link, sockets[0]


def enter_socket(sockets: int, queue: int, fd: int) -> None:
    """Make the program hand that queue's packets to this socket."""
    _called(lambda why, room: library().coven_xdp_map_set(sockets, queue, fd, why, room))
