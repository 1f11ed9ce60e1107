"""AF_PACKET ports: packet sockets with memory-mapped rings. They need no XDP, and work in a user namespace.

A receive ring truncates super-frames. On veth a native XDP program that does nothing makes the peer send
segments; on other drivers the merging of packets on arrival is switched off. Where neither is allowed, they
come with a virtio_net_hdr and the forwarder cuts super-frames itself (vns/segment_offload.c).
"""

from __future__ import annotations

import os
import socket
import struct
from typing import Literal

from itf import limits
from itf.limits import words
from itf.segment import PAGE, C, Pool
from vns import ethtool, native
from vns.interface import Interface, check, restore
from vns.port import Journal, OpenPort, refuse

__all__ = ["FORCE", "open", "probe", "restore"]

# linux/if_packet.h, linux/if_ether.h
SOL_PACKET = 263
PACKET_RX_RING, PACKET_VERSION, PACKET_TX_RING, PACKET_VNET_HDR = 5, 10, 13, 15
PACKET_QDISC_BYPASS, PACKET_IGNORE_OUTGOING = 20, 23
TPACKET_V2 = 1
ETH_P_ALL = 3
SO_SNDBUFFORCE = 32

RX_SLOTS, TX_SLOTS = 4096, 2048
BLOCK = 16 * PAGE
SEND_BUFFER = 64 << 20
SUPER_SLOT = 17 * PAGE  #: holds the largest super-frame, 64 KiB, and its headers
SUPER_PER_BLOCK, SUPER_BLOCKS = 15, 16  #: of 1 MiB less a page each
MERGING = ("rx-gro", "rx-gro-hw", "rx-lro")  #: features that make super-frames of what arrives

Segments = Literal["peer", "here"]

#: environment variable of tests and of the curious: who cuts super-frames, "peer" or "here"
FORCE = "COVEN_AF_PACKET_SEGMENTS"


def probe(interface: str) -> str | None:
    """Why this interface cannot be an AF_PACKET port; None if it can."""
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
        ethtool.flags(interface)
    except PermissionError as error:
        return f"{limits.words(error)}: packet sockets need CAP_NET_RAW (root, or a user namespace)"
    except OSError as error:
        return f"{interface}: {limits.words(error)}"
    return None


def open(name: str, interface: str, pool: Pool, journal: Journal, *, take: bool = False) -> OpenPort:
    """Open port `name`; the interface is the port's until `close`.

    Raises PortRefused with everything that is in the way, all changes undone.
    """
    ifindex = check(name, interface, pool, take)
    if (why := probe(interface)) is not None:
        as_root = "use sudo, or captures: --in x.pcap --out y.pcap; an agent: sudo coven serve"
        remedy = as_root if "CAP_NET_RAW" in why else None
        raise refuse(name, why, "an interface that AF_PACKET can have", remedy)
    port = OpenPort(name, C.PORT_AF_PACKET)
    try:
        _open(port, Interface(port, interface, ifindex, journal), pool)
    except OSError as error:
        port.close()
        why = f"{interface}: {words(error)}"
        raise refuse(name, why, "an interface that AF_PACKET can have") from error
    except BaseException:
        port.close()
        raise
    return port


def _open(port: OpenPort, interface: Interface, pool: Pool) -> None:
    interface.silence()
    interface.bring_up()
    segments, how = _who_cuts(port, interface)
    slot = pool.geometry.frame_size
    tx = _packet_socket(port)
    rx = _packet_socket(port)
    tx.setsockopt(SOL_PACKET, PACKET_QDISC_BYPASS, 1)
    tx.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)  # it is the forwarder that knows what fits the MTU
    try:
        tx.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, SEND_BUFFER)
    except OSError:
        tx.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    _ring(tx, PACKET_TX_RING, slot, TX_SLOTS, BLOCK)
    rx.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    if segments == "here":
        rx.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        size, count = SUPER_SLOT, SUPER_PER_BLOCK * SUPER_BLOCKS
        _ring(rx, PACKET_RX_RING, size, count, SUPER_SLOT * SUPER_PER_BLOCK)
    else:
        size, count = slot, RX_SLOTS
        _ring(rx, PACKET_RX_RING, size, count, BLOCK)
    port.parameters = [size, count, slot, TX_SLOTS, int(segments == "here")]
    tx.bind((interface.name, 0))
    interface.promiscuous()
    rx.bind((interface.name, ETH_P_ALL))  # last: from here on packets are counted
    port.fds = [port.own(rx.detach()), port.own(tx.detach())]
    port.why = f"packet rings on {ethtool.driver(interface.name) or 'an unnamed driver'}; {how}"


def _packet_socket(port: OpenPort) -> socket.socket:
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    port.undo.callback(packets.close)
    packets.setsockopt(SOL_PACKET, PACKET_VERSION, TPACKET_V2)
    return packets


def _ring(packets: socket.socket, option: int, slot: int, slots: int, block: int) -> None:
    request = struct.pack("4I", block, slots * slot // block, slot, slots)
    packets.setsockopt(SOL_PACKET, option, request)


def _who_cuts(port: OpenPort, interface: Interface) -> tuple[Segments, str]:
    """Who makes segments of super-frames, and the words for it."""
    segments, how = _who_may_cut(port, interface)
    if segments == "here":  # it may do what it likes
        port.kept_off.clear()
    return segments, how


def _who_may_cut(port: OpenPort, interface: Interface) -> tuple[Segments, str]:
    wanted = os.environ.get(FORCE)
    if wanted == "here":
        return "here", "super-frames are cut by the forwarder, as asked for"
    if ethtool.driver(interface.name) == "veth":
        try:
            link, _ = native.attach("pass", port.ifindex, bound=False, flags=native.NATIVE, with_map=False)
        except OSError as error:
            return "here", f"super-frames are cut by the forwarder ({limits.words(error)})"
        port.own(link)
    on = [feature for feature in MERGING if not interface.switch_off(feature)]
    if on and wanted != "peer":
        return "here", f"super-frames are cut by the forwarder ({', '.join(on)} cannot be switched off)"
    return "peer", "super-frames are not made"
