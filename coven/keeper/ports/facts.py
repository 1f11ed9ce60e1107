"""What the keeper knows of a port beside its figures."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class PortFacts:
    """What the keeper knows of a port: its backend, and why that one."""

    backend: str
    why: str
    interface: str | None = None
    link: str | None = None  #: up | down | gone; None for captures
    since: float | None = None  #: when the link became so; seconds since 1970
    mtu: int | None = None
    trouble: list[tuple[str, float]] = field(default_factory=list)  #: what keeps packets from passing, since when
