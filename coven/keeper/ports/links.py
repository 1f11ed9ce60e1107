"""Whether the interfaces of a running VNF are there and up, as the kernel tells (rtnetlink(7))."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable

from coven.keeper.loop import Loop

UP, DOWN, GONE = "up", "down", "gone"

_NETLINK_ROUTE, _RTMGRP_LINK = 0, 1
_NEW_LINK, _DEL_LINK = 16, 17
_IFF_UP, _IFF_LOWER_UP = 0x1, 0x10000
_HEADER = struct.Struct("=IHHII")  #: struct nlmsghdr: length, type, flags, sequence, port
_LINK = struct.Struct("=BxHiII")  #: struct ifinfomsg: family, type, index, flags, change
_BYTES = 1 << 16


class Links:
    """Calls `changed(index, state)` when an interface has lost its link or has gone, and when it is back."""

    def __init__(self, loop: Loop, changed: Callable[[int, str], None]):
        self._loop = loop
        self._changed = changed
        self._states: dict[int, str] = {}
        self._told: set[int] = set()  #: of those that are not up
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, _NETLINK_ROUTE)
        self._socket.bind((0, _RTMGRP_LINK))
        loop.read(self._socket, self._read)

    def state(self, index: int) -> str:
        return self._states.get(index, UP)

    def close(self) -> None:
        self._loop.forget(self._socket)
        self._socket.close()

    def _read(self) -> None:
        while True:
            try:
                data = self._socket.recv(_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                self._look_again()
                continue
            self._messages(data)

    def _messages(self, data: bytes) -> None:
        at = 0
        while at + _HEADER.size + _LINK.size <= len(data):
            length, kind, *_ = _HEADER.unpack_from(data, at)
            family, _, index, flags, _ = _LINK.unpack_from(data, at + _HEADER.size)
            if kind == _DEL_LINK and family == socket.AF_UNSPEC:  # a bridge's port ends with AF_BRIDGE
                self._set(index, GONE)
            elif kind == _NEW_LINK and family == socket.AF_UNSPEC:
                carrier = flags & _IFF_UP and flags & _IFF_LOWER_UP
                self._set(index, UP if carrier else DOWN)
            at += max(_HEADER.size, (length + 3) & ~3)

    def _look_again(self) -> None:
        """More has happened than the socket could hold."""
        for index in list(self._states):
            try:
                socket.if_indextoname(index)
            except OSError:
                self._set(index, GONE)

    def watch(self, index: int) -> None:
        """From now on tell of this interface, which is there."""
        self._states[index] = UP
        try:
            with open(f"/sys/class/net/{socket.if_indextoname(index)}/carrier") as file:
                self._states[index] = UP if file.read(1) == "1" else DOWN
        except OSError:  # down: it cannot be read
            self._states[index] = DOWN

    def _set(self, index: int, state: str) -> None:
        if index in self._states and self._states[index] != state:
            self._states[index] = state
            if state != UP:
                self._told.add(index)
            elif index not in self._told:  # it was about to come up when we came
                return
            else:
                self._told.discard(index)
            self._changed(index, state)
