"""Moving the forwarder from one wiring to the next.

The keeper fills the slot that is not in force and moves the epoch; the forwarder says ready when it has
taken it up. Only then may the other slot be written, and only if no packet follows another way in it.
Changes that come meanwhile wait and go together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from coven.keeper.forwarder.wiring import Wiring, same_topology
from coven.keeper.loop import Loop
from itf.segment import Config, Forwarder, ffi

OLD_SECONDS = 0.05  #: how often to look whether the last packet of an old way is gone

#: errors of stages: (stage id, what it said); empty if all is well
Done = Callable[[list[tuple[int, str]]], None]


@dataclass
class _Move:
    epoch: int
    done: list[Done]
    errors: list[tuple[int, str]] = field(default_factory=list)


class Epochs:
    """`kick` tells the forwarder to look."""

    def __init__(self, wiring: Wiring, config: Config, forwarder: Forwarder, loop: Loop, kick: Callable[[], None]):
        self.wiring = wiring
        self.config = config
        self.forwarder = forwarder
        self.loop = loop
        self.kick = kick
        self._moving: _Move | None = None
        self._next: list[Done] | None = None
        self._barrier = False

    @property
    def epoch(self) -> int:
        return int(self.config.head.epoch)

    def move(self, done: Done = lambda errors: None, barrier: bool = False) -> None:
        """Put what `wiring` says now in force; `done` is called when the forwarder has taken it up. `barrier`: it is
        another topology, made of the one before by `Wiring.take_over`: packets of that one leave first."""
        self._barrier = self._barrier or barrier
        if self._next is None:
            self._next = []
        self._next.append(done)
        self._try()

    def _try(self) -> None:
        if self._moving is not None or self._next is None:
            return
        epoch = self.epoch + 1
        slot = self.config.slot(epoch)
        wanted = ffi.new("struct wiring *")
        self.wiring.fill(wanted, epoch)
        wanted.barrier = self._barrier
        if epoch > 2 and self.forwarder.head.oldest_epoch < self.epoch and not same_topology(slot, wanted):
            self.loop.later(OLD_SECONDS, self._try)
            return
        ffi.memmove(slot, wanted, ffi.sizeof("struct wiring"))
        self._moving, self._next, self._barrier = _Move(epoch, self._next), None, False
        self.config.head.epoch = epoch
        self.kick()

    def error(self, stage: int, what: str) -> bool:
        """A stage said that it could not be opened; False if nobody waits for news."""
        if self._moving is None:
            return False
        self._moving.errors.append((stage, what))
        return True

    def ready(self, epoch: int) -> None:
        """The forwarder has taken up that epoch."""
        if self._moving is None or epoch != self._moving.epoch:
            return
        move, self._moving = self._moving, None
        for done in move.done:
            done(move.errors)
        self._try()
