"""AF_XDP without support of the driver: only by name: local peers' super-frames and tags are lost."""

from __future__ import annotations

from itf.segment import Pool
from vns import af_xdp
from vns.af_xdp import probe, restore
from vns.port import Journal, OpenPort

__all__ = ["open", "probe", "restore"]


def open(name: str, interface: str, pool: Pool, journal: Journal, *, take: bool = False) -> OpenPort:
    """As `af_xdp.open`, in generic mode."""
    return af_xdp.open(name, interface, pool, journal, take=take, generic=True)
