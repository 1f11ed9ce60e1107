"""What the operator wants of packages: whether they are signed, by whom, and how strictly they are read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

OFF, IF_SIGNED, REQUIRED = "off", "verify if signed", "required"
POLICIES = (OFF, IF_SIGNED, REQUIRED)


@dataclass(frozen=True)
class Policy:
    signatures: str = IF_SIGNED
    anchors: tuple[str, ...] = ()  #: PEM files, or folders of them
    strict: bool = False
    at: datetime | None = None  #: the time at which certificates are to be valid; None: now
