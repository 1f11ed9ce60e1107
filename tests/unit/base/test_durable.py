"""What is settled, and what is said where it cannot be; that it lasts is tried in tests/fault/test_power_cut.py."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from coven.base import durable


def refusing(monkeypatch: pytest.MonkeyPatch, number: int, folders: bool) -> list[int]:
    """fsync(2) fails so for folders, or for files; how often it was asked for what it does not refuse."""
    real, done = os.fsync, [0]

    def fsync(fd: int) -> None:
        if stat.S_ISDIR(os.fstat(fd).st_mode) == folders:
            raise OSError(number, os.strerror(number))
        done[0] += 1
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    return done


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "made"
    (made / "deep").mkdir(parents=True)
    for name in ("a", "deep/b"):
        (made / name).write_text(name)
    (made / "link").symlink_to("/nowhere")
    os.mkfifo(made / "fifo")
    return made


def test_where_folders_know_no_such_thing_files_are_settled_all_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = refusing(monkeypatch, errno.EINVAL, folders=True)
    durable.settle(folder)
    assert done == [2]


@pytest.mark.parametrize(("number", "folders"), [(errno.ENOSPC, False), (errno.EINVAL, False), (errno.EIO, True)])
def test_what_cannot_be_settled_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, number: int, folders: bool
) -> None:
    refusing(monkeypatch, number, folders)
    with pytest.raises(OSError) as told:
        durable.settle(folder)
    assert told.value.errno == number and str(told.value.filename).startswith(str(folder))


def test_many_files_are_settled_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(durable.MANY):
        (folder / str(n)).touch()
    done = refusing(monkeypatch, errno.EIO, folders=False)
    durable.settle(folder)
    assert done == [1]  # the name of the folder


def test_a_secret_is_whole_and_for_its_owner(tmp_path: Path) -> None:
    file = tmp_path / "token"
    (tmp_path / "token.new").write_text("left by one that died")
    for text in ("first", "second\n"):
        durable.secret(file, text)
        assert file.read_text() == text.strip() + "\n" and stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["token"]
