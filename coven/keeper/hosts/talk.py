"""Messages between the keeper and one VNFC host: a JSON object each over SOCK_SEQPACKET, never blocking."""

from __future__ import annotations

import itertools
import json
import socket
from collections.abc import Callable
from typing import Any

from coven.keeper.hosts.says import Nonsense, message
from coven.keeper.loop import Loop, Timer

MESSAGE_BYTES = 65536
MESSAGES_A_TURN = 64  #: of a host that floods us, the others' turn comes in between

Answer = Callable[[dict[str, Any] | None], None]
Guard = Callable[[Callable[[], None]], Callable[[], None]]


class Talk:
    """The keeper's end. `on_message` gets what is no answer; `on_nonsense` why something is no message; `on_end` is
    called at the other end's close. `guard` goes round whatever the loop calls here."""

    def __init__(
        self,
        end: socket.socket,
        loop: Loop,
        on_message: Callable[[dict[str, Any]], None],
        on_nonsense: Callable[[str], None],
        on_end: Callable[[], None],
        guard: Guard,
    ):
        self.loop = loop
        self.on_message = on_message
        self.on_nonsense = on_nonsense
        self.on_end = on_end
        self.guard = guard
        self.ended = False
        self._socket = end
        self._numbers = itertools.count(1)
        self._waiting: dict[int, tuple[Answer, Timer]] = {}
        end.setblocking(False)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * MESSAGE_BYTES)
        loop.read(end, guard(self._readable))

    def send(self, message: dict[str, Any]) -> bool:
        """False if it cannot be sent now (the host does not read, or is gone) or is too long."""
        raw = json.dumps(message, separators=(",", ":"), allow_nan=False).encode()
        if self.ended or len(raw) > MESSAGE_BYTES:
            return False
        try:
            self._socket.send(raw)
        except OSError:
            return False
        return True

    def ask(self, message: dict[str, Any], seconds: float, answer: Answer) -> bool:
        """Send with a number; `answer` gets the reply, or None after `seconds` or at the end of the talk."""
        number = next(self._numbers)
        if not self.send({**message, "id": number}):
            return False
        self._waiting[number] = (answer, self.loop.later(seconds, self.guard(lambda: self._late(number))))
        return True

    def _late(self, number: int) -> None:
        answer, _ = self._waiting.pop(number)
        answer(None)

    def _readable(self) -> None:
        for _ in range(MESSAGES_A_TURN):
            if self.ended:
                return
            try:
                raw = self._socket.recv(MESSAGE_BYTES + 1)
            except BlockingIOError:
                return
            except OSError:
                raw = b""
            if not raw:  # an empty message counts as the end, too
                self._end()
                self.on_end()
                return
            try:
                said = message(raw)
            except Nonsense as nonsense:
                self.on_nonsense(str(nonsense))
            else:
                self._take(said)

    def _take(self, said: dict[str, Any]) -> None:
        number = said.get("id")
        if said["op"] in ("answer", "configured"):
            waiting = self._waiting.pop(number, None) if isinstance(number, int) else None
            if waiting is not None:  # a late answer has nobody who waits
                waiting[1].cancel()
                waiting[0](said)
        else:
            self.on_message(said)

    def _end(self) -> None:
        if self.ended:
            return
        self.ended = True
        self.loop.forget(self._socket)
        self._socket.close()
        waiting, self._waiting = self._waiting, {}
        for answer, timer in waiting.values():
            timer.cancel()
            answer(None)

    def close(self) -> None:
        if not self.ended:
            self._readable()  # what it said last
        self._end()
