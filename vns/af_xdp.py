"""AF_XDP ports: sockets over the packet pool and an XDP program of ours that hands them every packet.

The program is device-bound where the kernel can (Linux 6.8): it puts back the VLAN tag that the driver or a
veth peer took out. Program, map and sockets end with this process, whatever becomes of it.
"""

from __future__ import annotations

import os
import socket
from errno import EACCES, EPERM

from itf import limits
from itf.limits import words
from itf.segment import C, Pool
from vns import ethtool, native
from vns.interface import Interface, check, restore
from vns.port import Journal, OpenPort, PortRefused, refuse

__all__ = ["OpenPort", "PortRefused", "open", "probe", "restore"]

RINGS = 2048  #: entries of each ring of a socket
LEND = 2048  #: frames that the kernel is lent for one port, never more than a quarter of the pool
LEND_LEAST = 256  #: for one queue
QUEUES = 16  #: sockets that one port may have, as in af_xdp.c and xdp.bpf.c
XDP_HEADROOM = 256  #: what the kernel itself leaves before a packet (XDP_PACKET_HEADROOM)
AF_XDP = 44

TAGGED, PLAIN = "to_socket_tagged", "to_socket"
MAPPABLE = (6, 4)  #: rings of a bound socket can be mapped, also by a forwarder that is started again
BIND_HERE = 1 << 31  #: as in af_xdp.h
TAGS = (6, 8)  #: bpf_xdp_metadata_rx_vlan_tag


def kernel() -> tuple[int, int]:
    major, minor = os.uname().release.split("-")[0].split(".")[:2]
    return int(major), int("".join(c for c in minor if c.isdigit()) or 0)


def probe(interface: str) -> str | None:
    """Why this interface cannot be a native AF_XDP port, as far as that shows without touching it;
    None if it may be."""
    for file in (native.LIBRARY, native.PROGRAMS):
        if not file.exists():
            return f"{file.name} has not been built (make native)"
    try:
        socket.socket(AF_XDP, socket.SOCK_RAW, 0).close()
        driver, queues = ethtool.driver(interface), ethtool.receive_queues(interface)
    except OSError as error:
        forbidden = error.errno in (EPERM, EACCES)
        return f"{limits.words(error)}: AF_XDP needs the rights of root" if forbidden else limits.words(error)
    if queues > QUEUES:
        return f"{interface} has {queues} receive queues, {QUEUES} at most are possible (ethtool -L)"
    if driver == "veth" and kernel() < TAGS:
        return f"a VLAN tag that a veth peer pushes is lost before Linux 6.8 (this is {os.uname().release})"
    return None


def open(
    name: str, interface: str, pool: Pool, journal: Journal, *, take: bool = False, generic: bool = False
) -> OpenPort:
    """Open port `name`; the interface is the port's until `close`. `generic`: without support of the driver.

    Raises PortRefused with everything that is in the way, all changes undone.
    """
    ifindex = check(name, interface, pool, take)
    if (why := probe(interface)) is not None and not (generic and "veth" in why):
        raise refuse(name, why, "an interface that AF_XDP can have", "say backend af_packet, or auto")
    port = OpenPort(name, C.PORT_AF_XDP)
    try:
        _open(port, Interface(port, interface, ifindex, journal), pool, generic)
    except OSError as error:
        port.close()
        mode = "generic" if generic else "native"
        raise refuse(name, f"{interface}: {words(error)}", f"an interface with {mode} XDP, not in use",
                     "say backend af_packet, or auto") from error  # fmt: skip
    except BaseException:
        port.close()
        raise
    return port


def _open(port: OpenPort, interface: Interface, pool: Pool, generic: bool) -> None:
    driver = ethtool.driver(interface.name)
    port.queues = ethtool.receive_queues(interface.name)
    interface.silence()
    interface.bring_up()
    interface.promiscuous()
    if driver != "veth":  # no driver but veth's gives a tag back that it took out: leave it in the data
        interface.switch_off("rx-vlan-hw-parse")
    lent = min(LEND, pool.geometry.frames // 4)
    port.parameters = [RINGS, max(LEND_LEAST, lent // port.queues)]
    flags = native.NEED_WAKEUP | (native.COPY if generic else 0)
    unbound = kernel() < MAPPABLE
    if unbound:
        port.parameters.append(BIND_HERE | flags)
    port.undo.callback(_close, port.fds)
    _make_sockets(port, pool, flags, unbound)
    bound = not generic and kernel() >= TAGS
    link, sockets = native.attach(
        TAGGED if bound else PLAIN, port.ifindex, bound=bound,
        flags=native.GENERIC if generic else native.NATIVE, with_map=True,
    )  # fmt: skip
    port.own(sockets)
    port.own(link)  # closed first: nothing arrives any more when the sockets go
    _enter(port, sockets)

    def renew() -> None:
        _close(port.fds)
        _make_sockets(port, pool, flags, unbound)
        _enter(port, sockets)

    if unbound:
        port.renew = renew
    port.why = _why(port, driver, generic, bound, unbound)


def _make_sockets(port: OpenPort, pool: Pool, flags: int, unbound: bool) -> None:
    """`unbound`: before Linux 6.4 the forwarder has to map their rings first, and binds them then."""
    for queue in range(port.queues):
        port.fds.append(native.open_socket(
            pool.base + pool.geometry.data, pool.geometry.frames * pool.geometry.frame_size,
            chunk=pool.geometry.frame_size, headroom=C.FRAME_HEADROOM - XDP_HEADROOM, entries=RINGS,
            ifindex=port.ifindex, queue=queue, first=port.fds[0] if queue else -1,
            bind_flags=flags, unbound=unbound,
        ))  # fmt: skip


def _enter(port: OpenPort, sockets: int) -> None:
    for queue, fd in enumerate(port.fds):
        native.enter_socket(sockets, queue, fd)


def _close(fds: list[int]) -> None:
    while fds:
        os.close(fds.pop())


def _why(port: OpenPort, driver: str, generic: bool, bound: bool, unbound: bool) -> str:
    mode = "generic XDP, as asked for (super-frames of local peers are lost)" if generic else "native XDP"
    if unbound:
        copy = "bound by the forwarder (before Linux 6.4)"
    else:
        copy = "zero-copy" if native.is_zero_copy(port.fds[0]) else "copy mode"
    tags = ", VLAN tags put back" if bound and driver == "veth" else ""
    queues = "1 queue" if port.queues == 1 else f"{port.queues} queues"
    return f"{mode} on {driver or 'an unnamed driver'}, {copy}, {queues}{tags}"
