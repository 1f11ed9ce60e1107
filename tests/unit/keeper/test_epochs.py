"""Moving from one wiring to the next: what is written when, who is told, what waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from coven.keeper.forwarder.epochs import OLD_SECONDS, Epochs
from coven.keeper.forwarder.wiring import HopState, Wiring
from coven.package.descriptor import load
from itf.segment import C, Config, ffi

LINE = """
name: line
version: "1"
vnfcs: {a: {source: a.c}, b: {source: a.c}}
chain: in -> a -> b -> out
"""


class Clock:
    """Timers that fire when the test says so."""

    def __init__(self) -> None:
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        self.timers.append((seconds, call))

    def fire(self) -> float:
        [(seconds, call)] = self.timers
        self.timers.clear()
        call()
        return seconds


class Bed:
    """Epochs with a forwarder that takes up what it is told to when the test says so."""

    def __init__(self, folder: Path):
        (folder / "a.c").write_text("")
        (folder / "vnf.yaml").write_text(LINE)
        self.wiring = Wiring(load(folder / "vnf.yaml"))
        self.config = Config.make(0)
        self.head = ffi.new("struct forwarder_header *")
        self.clock = Clock()
        self.kicks = 0
        self.told: list[tuple[str, list[tuple[int, str]]]] = []
        forwarder: Any = SimpleNamespace(head=self.head)
        loop: Any = self.clock
        self.epochs = Epochs(self.wiring, self.config, forwarder, loop, self._kick)

    def _kick(self) -> None:
        self.kicks += 1

    def move(self, name: str) -> None:
        self.epochs.move(lambda errors: self.told.append((name, errors)))

    def taken_up(self, old_gone: bool = True) -> None:
        """The forwarder follows the epoch in force; packets of older ones may still be under way."""
        epoch = self.epochs.epoch
        if old_gone:
            self.head.oldest_epoch = epoch
        self.epochs.ready(epoch)

    def generation(self, epoch: int) -> int:
        return int(self.config.slot(epoch).hop[0].generation)


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    made = Bed(tmp_path)
    yield made
    made.config.close()


def renewed(bed: Bed, generation: int) -> None:
    bed.wiring.hops["a"] = HopState(generation=generation)


def test_the_spare_slot_is_written_then_the_epoch_moves(bed: Bed) -> None:
    before = bed.epochs.epoch
    renewed(bed, 1)
    bed.move("first")
    assert (bed.epochs.epoch, bed.kicks, bed.told) == (before + 1, 1, [])
    assert bed.config.slot(before + 1).epoch == before + 1 and bed.generation(before + 1) == 1
    bed.epochs.ready(before)  # news of another epoch
    assert bed.told == []
    bed.taken_up()
    assert bed.told == [("first", [])]
    bed.taken_up()
    assert bed.told == [("first", [])], "each is told once"


def test_what_comes_meanwhile_goes_together(bed: Bed) -> None:
    before = bed.epochs.epoch
    bed.move("first")
    renewed(bed, 7)
    bed.move("second")
    bed.move("third")
    assert (bed.epochs.epoch, bed.kicks) == (before + 1, 1), "one at a time"
    assert bed.generation(before + 1) == 0, "what is in force is not written"
    bed.taken_up()
    assert [name for name, _ in bed.told] == ["first"]
    assert (bed.epochs.epoch, bed.kicks, bed.generation(before + 2)) == (before + 2, 2, 7)
    bed.taken_up()
    assert [name for name, _ in bed.told] == ["first", "second", "third"]
    assert bed.epochs.epoch == before + 2 and not bed.clock.timers


def test_errors_go_to_who_moved(bed: Bed) -> None:
    assert not bed.epochs.error(C.STAGE_PORT, "nobody waits")
    bed.move("first")
    bed.move("second")
    assert bed.epochs.error(C.STAGE_PORT + 1, "no such device") and bed.epochs.error(C.STAGE_HOP, "gone")
    bed.taken_up()
    bed.taken_up()
    assert bed.told == [("first", [(C.STAGE_PORT + 1, "no such device"), (C.STAGE_HOP, "gone")]), ("second", [])]


def test_a_way_that_packets_are_on_is_not_written_over(bed: Bed) -> None:
    for name in ("first", "second", "third"):
        bed.move(name)
        bed.taken_up()
    epoch = bed.epochs.epoch
    bed.head.oldest_epoch = epoch - 1  # a packet is still on the way before
    renewed(bed, 3)
    bed.move("same way")  # another process at the same place: the way is the same
    assert bed.epochs.epoch == epoch + 1 and not bed.clock.timers
    bed.taken_up(old_gone=False)
    slot = bed.config.slot(bed.epochs.epoch + 1)
    slot.next[0][0][0] = C.STAGE_NONE  # the slot to be written had another way
    bed.move("another way")
    assert bed.epochs.epoch == epoch + 1
    assert bed.clock.fire() == OLD_SECONDS
    assert bed.epochs.epoch == epoch + 1, "it is still there"
    bed.head.oldest_epoch = epoch + 1
    assert bed.clock.fire() == OLD_SECONDS
    assert bed.epochs.epoch == epoch + 2
    assert bed.config.slot(epoch + 2).next[0][0][0] == C.STAGE_HOP + 1
    bed.taken_up()
    assert [name for name, _ in bed.told][-2:] == ["same way", "another way"]


def test_names_of_stages(bed: Bed) -> None:
    stages = [C.STAGE_PORT, C.STAGE_PORT + 1, C.STAGE_PORT + 2, C.STAGE_HOP, C.STAGE_HOP + 1, C.STAGE_NONE]
    assert [bed.wiring.stage_name(stage) for stage in stages] == ["in", "out", "forwarder", "a", "b", "forwarder"]
