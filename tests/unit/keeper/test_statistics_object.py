"""Making the statistics object: its name, who may read it, and what becomes of it where it cannot be as it should."""

from __future__ import annotations

import errno
import grp
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agents.statistics import Reader
from coven.keeper.client import STATISTICS
from coven.keeper.figures import object as figures_object
from coven.keeper.forwarder.running import RunningForwarder
from coven.keeper.journal import JOURNAL, Journal, read
from itf.segment import C, Pool, ffi
from itf.statistics import SHM, Owner, Row, Statistics


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    made = tmp_path / f"test-{secrets.token_hex(6)}"
    made.mkdir()
    yield made
    for left in SHM.glob(f"coven-{made.name}*"):
        left.unlink()


def test_it_is_called_after_the_folder_and_journaled(folder: Path) -> None:
    journal = Journal(folder / JOURNAL)
    made, why = figures_object.make("fw", False, journal)
    assert made.name == f"/coven-{folder.name}" and why is None
    assert (folder / STATISTICS).resolve() == SHM / made.name[1:]
    [entry] = read(folder / JOURNAL)
    assert (entry["act"], entry["name"], entry["pid"]) == ("statistics", made.name, os.getpid())
    with Reader.open(folder / STATISTICS) as reader:
        assert (reader.vnf, reader.sample, reader.owner) == ("fw", figures_object.SAMPLE, Owner.ourselves())
    journal.finish()
    made.close()
    assert not list(SHM.glob(f"coven-{folder.name}*"))


def test_a_name_that_somebody_has_is_left_alone(folder: Path) -> None:
    """Anybody may take one in /dev/shm: a VNF comes up all the same, and an entry of its journal takes nobody's
    away."""
    squatted = SHM / f"coven-{folder.name}"
    squatted.write_text("mine")
    journal = Journal(folder / JOURNAL)
    made, why = figures_object.make("fw", False, journal)
    assert why is None and made.name is not None and made.name.startswith(f"/coven-{folder.name}.")
    assert (folder / STATISTICS).resolve() == SHM / made.name[1:]
    journal.finish()
    made.close()
    assert squatted.read_text() == "mine"


def test_a_dead_keepers_name_is_taken_over(folder: Path) -> None:
    journal = Journal(folder / JOURNAL)
    left, _ = figures_object.make("fw", False, journal)
    left.head.keeper_start += 1  # as if another process had made it
    name, left.name = left.name, None
    made, _ = figures_object.make("fw", False, journal)
    assert made.name == name
    journal.finish()
    made.close()
    left.close()


def test_without_room_it_has_no_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The VNF is worth more: who comes by the keeper's folder reads it all the same."""

    def full(fd: int, offset: int, length: int) -> None:
        if os.readlink(f"/proc/self/fd/{fd}").startswith("/dev/shm/"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    journal = Journal(folder / JOURNAL)
    made, why = figures_object.make("fw", False, journal)
    assert made.name is None and why is not None and "No space" in why
    assert not list(SHM.glob(f"coven-{folder.name}*"))
    with Reader.open(folder / STATISTICS) as reader:
        assert reader.vnf == "fw"
    journal.finish()
    made.close()


def test_what_fails_on_the_way_leaves_none(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a link that cannot be made nor a segment for which there is no memory."""
    journal = Journal(folder / JOURNAL)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched, pytest.raises(OSError):
        patched.setattr(Path, "symlink_to", full)
        figures_object.make("fw", False, journal)
    assert not list(SHM.glob(f"coven-{folder.name}*"))
    made, _ = figures_object.make("fw", False, journal)
    loop: Any = None
    monkeypatch.setattr(Pool, "make", full)
    with pytest.raises(OSError):
        RunningForwarder(folder, loop, 4, 2048, False, made, loop, loop, journal, loop, loop)
    assert not list(SHM.glob(f"coven-{folder.name}*"))
    journal.finish()


@pytest.mark.root
def test_the_group_may_read_where_there_is_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for known, mode, owner in ((True, 0o640, 12345), (False, 0o600, os.getegid())):

        def group(name: str, known: bool = known) -> SimpleNamespace:
            assert name == "coven"
            if not known:
                raise KeyError(name)
            return SimpleNamespace(gr_gid=12345)

        monkeypatch.setattr(grp, "getgrnam", group)
        made = Statistics.make("fw", 1, f"/coven-{folder.name}")
        status = os.fstat(made.fd)
        assert (status.st_mode & 0o777, status.st_gid) == (mode, owner)
        made.close()


def test_what_has_no_room_in_the_directory_is_counted() -> None:
    made = Statistics.make("fw", 1)
    at = made.head.cells
    rows = [Row(f"figure{n}", "", "", "", C.FIGURE_COUNTER, at) for n in range(C.FIGURES + 3)]
    assert made.write(rows, b"") == 3 and made.head.figures == C.FIGURES
    assert made.write(None, bytes(8)) == 3, "as long as the directory is the same"
    assert made.write(rows[:5], b"") == 0 and made.head.figures == 5
    assert made.head.sequence % 2 == 0 and ffi.sizeof("struct figure") * C.FIGURES + made.head.directory <= made.size
    made.close()
