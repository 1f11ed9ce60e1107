"""The best backend that works: native AF_XDP, then AF_PACKET. The port's `why` says why not a better one."""

from __future__ import annotations

from itf.segment import Pool
from vns import af_packet, af_xdp
from vns.interface import check, restore
from vns.port import Journal, OpenPort, PortRefused

__all__ = ["open", "probe", "restore"]


def probe(interface: str) -> str | None:
    """Why no backend can have this interface; None if one may."""
    return None if af_xdp.probe(interface) is None else af_packet.probe(interface)


def open(name: str, interface: str, pool: Pool, journal: Journal, *, take: bool = False) -> OpenPort:
    """Raises PortRefused: what is wrong with the interface itself, or why AF_PACKET, the last one, failed."""
    check(name, interface, pool, take)
    why = af_xdp.probe(interface)
    if why is None:
        try:
            return af_xdp.open(name, interface, pool, journal, take=take)
        except PortRefused as refused:
            why = refused.why
    port = af_packet.open(name, interface, pool, journal, take=take)
    port.why += f"; not af_xdp: {why}"
    return port
