"""An open live port, as the keeper holds it, and the exception that says why there is none."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

from itf.mistakes import Mistake, Refused
from itf.segment import C

#: Writes one entry to the keeper's journal; called before the change that the entry describes.
Journal = Callable[[Mapping[str, Any]], None]


class PortRefused(Refused):
    """A port cannot be opened: everything that is wrong."""

    @property
    def why(self) -> str:
        """In one line."""
        return "; ".join(str(mistake.found) for mistake in self.mistakes)


def refuse(name: str, found: str, expected: str, remedy: str | None = None) -> PortRefused:
    """A refusal with one reason."""
    return PortRefused(mistake(name, found, expected, remedy))


def mistake(name: str, found: str, expected: str, remedy: str | None = None) -> Mistake:
    """One reason why an interface cannot be port `name`."""
    return Mistake(field=f"ports.{name}.interface", found=found, expected=expected, remedy=remedy)


class OpenPort:
    """What the forwarder is sent (`fds`, in the order of the backend's .c file), what `struct port_wiring`
    says, and how everything is undone (`close`, the last change first)."""

    def __init__(self, name: str, kind: int):
        self.name = name
        self.kind = kind
        self.fds: list[int] = []
        self.parameters: list[int] = []
        self.why = ""
        self.link: int = C.LINK_ETHERNET
        self.mtu = 0
        self.mac: bytes | None = None
        self.ifindex = 0
        self.queues = 1
        self.kept_off: list[str] = []  #: features of the interface that must stay switched off
        self.witness: socket.socket | None = None  #: bound to the interface for as long as it lives
        self.owed: list[Mapping[str, Any]] = []  #: journal entries whose interface was not there at `close`
        self.undo = ExitStack()
        #: makes `fds` anew, where those that one forwarder has had are of no use to the next. Raises OSError
        self.renew: Callable[[], None] | None = None
        self._handed = False

    def hand(self) -> list[int]:
        """The descriptors, to be sent to a forwarder. Raises OSError when others are needed, and cannot be had."""
        if self._handed and self.renew is not None:
            self.renew()
        self._handed = True
        return self.fds

    def interface(self) -> str | None:
        """What the interface is called now; None once it has left our namespace."""
        if self.witness is None or self.witness.fileno() < 0:
            return None
        return str(self.witness.getsockname()[0]) or None

    def own(self, fd: int) -> int:
        """Close this descriptor with the port."""
        self.undo.callback(os.close, fd)
        return fd

    def close(self) -> None:
        """Detach, give the interface back as it was. May be called again."""
        self.owed = []
        self.undo.close()
        self.fds.clear()
