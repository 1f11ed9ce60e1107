"""What becomes of interfaces, as the kernel tells: a call for each change of one, and for each that goes."""

from __future__ import annotations

import errno
from collections.abc import Callable

from coven.keeper.loop import Loop
from vns import rtnetlink
from vns.rtnetlink import Link


class Links:
    """Calls `changed(link)` for every interface that is new or has changed, `gone(index)` for each that has left
    our namespace: deleted, or moved to another one."""

    def __init__(self, loop: Loop, changed: Callable[[Link], None], gone: Callable[[int], None]):
        self._loop = loop
        self._changed = changed
        self._gone = gone
        self._socket = rtnetlink.subscribe()
        self._known = set(rtnetlink.links())
        loop.read(self._socket, self._read)

    def close(self) -> None:
        self._loop.forget(self._socket)
        self._socket.close()

    def _read(self) -> None:
        lost = False
        while True:
            try:
                data = self._socket.recv(rtnetlink.BYTES)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                lost = True  # the newest; what waits is older
                continue
            self._messages(data)
        if lost:
            self.look_again()

    def _messages(self, data: bytes) -> None:
        for kind, link in rtnetlink.parse(data):
            if link is None:
                continue
            if kind == rtnetlink.NEW_LINK:
                self._known.add(link.index)
                self._changed(link)
            elif link.index in self._known:
                self._known.discard(link.index)
                self._gone(link.index)

    def look_again(self) -> None:
        """More has happened than the socket could hold: tell of everything as it is now."""
        there = rtnetlink.links()
        for index in self._known - there.keys():
            self._gone(index)
        self._known = set(there)
        for link in there.values():
            self._changed(link)
