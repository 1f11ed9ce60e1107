"""The statistics object: what one writes, programs in Python and C read alike; a reader can change and stop nothing."""

from __future__ import annotations

import mmap
import os
import secrets
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agents.statistics import TIMES_BOUNDS, Distribution, Figure, Reader, Unreadable
from itf.segment import C
from itf.statistics import SHM, Owner, Statistics, names, open_named, owner, remove_left, sweep
from tests.rigs.statistics import count, filled

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def name() -> Iterator[str]:
    chosen = f"/coven-test-{secrets.token_hex(6)}"
    yield chosen
    (SHM / chosen[1:]).unlink(missing_ok=True)


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("driver") / "statistics"
    sanitized = ["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"]
    warn = ["-Wall", "-Wextra", "-Werror", "-O1"]
    source = str(ROOT / "tests" / "rigs" / "statistics_driver.c")
    subprocess.run(["cc", "-std=gnu11", *warn, *sanitized, f"-I{ROOT}", source, "-o", str(program)], check=True)
    return program


def by_key(reader: Reader) -> dict[tuple[str, str], object]:
    return {(figure.name, figure.labels): value for figure, value in reader.read()}


def test_what_was_written_is_read(name: str) -> None:
    made = filled(name)
    with Reader.open(name) as reader:
        found = by_key(reader)
        assert (reader.vnf, reader.sample) == ("fw", 16)
        assert found["coven_port_packets_total", 'port="in",direction="in"'] == 100
        assert found["coven_vnf_received_packets_total", ""] == 100 and found["coven_in_flight_packets", ""] == 0
        assert found["coven_vnf_forwarded_packets_total", ""] == 80
        assert found["coven_vnfc_packets_total", 'vnfc="a",output="next"'] == 48 + 22, "as two hops, one after another"
        assert found["coven_drops_total", 'place="a",reason="policy"'] == 20
        assert ("coven_vnfc_received_packets_total", 'vnfc="gone"') not in found
        assert found["coven_drops_total", 'place="gone",reason="full"'] == 0
        assert found["coven_ring_occupancy_ratio", 'vnfc="a"'] == 0.25
        assert found["coven_process_cpu_seconds_total", 'role="vnfc",vnfc="a"'] == 1.5
        times = found["coven_vnfc_seconds", 'vnfc="a"']
        assert isinstance(times, Distribution) and (times.count, times.total) == (5, 101_000_000.0)
        assert abs(times.quantile(0.5) - 20_000_000) < 0.07 * 20_000_000
    made.close()
    with pytest.raises(FileNotFoundError):
        Reader.open(name)


def test_c_reads_the_same(name: str, driver: Path) -> None:
    made = filled(name)
    done = subprocess.run([driver, name], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with Reader.open(name) as reader:
        for line, (figure, value) in zip(done.stdout.splitlines(), reader.read(), strict=True):
            told = line.split("\t")
            assert told[:2] == [figure.name, figure.labels]
            if figure.kind == C.FIGURE_TIMES:
                assert isinstance(value, Distribution)
                middle = value.quantile(0.5)
                counted, total, median = told[2].split("/")
                assert (int(counted), int(total)) == (value.count, value.total)
                assert float(median) == middle or value.count == 0 or middle >= 2**C.TIMES_MOST
            elif not isinstance(value, Distribution):
                assert float(told[2]) == value
    made.close()
    assert subprocess.run([driver, name], capture_output=True).returncode == 1


def test_c_finds_what_is_none(name: str, driver: Path) -> None:
    (SHM / name[1:]).write_bytes(b"x" * 100_000)
    done = subprocess.run([driver, name], capture_output=True, text=True)
    assert done.returncode == 1 and "no object of Coven's" in done.stderr
    with pytest.raises(Unreadable, match="no statistics object"):
        Reader.open(name)


def test_a_strangers_name_is_not_waited_for(name: str, driver: Path) -> None:
    path = SHM / name[1:]
    os.mkfifo(path)
    assert not remove_left(name, Owner.ourselves()) and name not in sweep() and path.exists()
    with pytest.raises(FileExistsError):
        Statistics.make("a", 1, name)
    with pytest.raises(Unreadable):
        Reader.open(name)
    assert subprocess.run([driver, name], capture_output=True, timeout=60).returncode == 1
    path.unlink()
    path.symlink_to("/dev/null")
    with pytest.raises(Unreadable):
        Reader.open(name)


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a file away")
def test_another_users_is_read_but_not_acted_on(name: str, tmp_path: Path) -> None:
    made = filled(name)
    link = tmp_path / "statistics"
    link.symlink_to(SHM / name[1:])
    Reader.open(link, ours=True).close()
    os.chown(SHM / name[1:], 12345, -1)
    Reader.open(link).close()
    with pytest.raises(Unreadable, match="belongs to user 12345"):
        Reader.open(link, ours=True)
    assert not remove_left(name, Owner.ourselves())
    made.close()


@pytest.mark.parametrize("field", ["published", "cells", "directory"])
def test_what_lies_beyond_its_end_is_not_whole(name: str, driver: Path, field: str) -> None:
    made = filled(name)
    setattr(made.head, field, made.head.size - 8)
    with pytest.raises(Unreadable, match="not whole"):
        Reader.open(name)
    assert subprocess.run([driver, name], capture_output=True).returncode == 1
    made.close()


def test_a_figure_whose_offset_wraps_is_none(name: str, driver: Path) -> None:
    made = filled(name)
    made.at("struct figure", made.head.directory)[0].at = 2**64 - 8
    done = subprocess.run([driver, name], capture_output=True, text=True)
    assert "AddressSanitizer" not in done.stderr
    with Reader.open(name) as reader:
        assert reader.figures()
    made.close()


def test_a_reader_can_change_nothing(name: str) -> None:
    made = filled(name)
    assert os.stat(SHM / name[1:]).st_mode & 0o007 == 0, "nobody else reads, nobody else writes"
    assert os.stat(SHM / name[1:]).st_mode & 0o022 == 0
    fd, view = open_named(name)
    with pytest.raises(PermissionError):
        mmap.mmap(fd, len(view), mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
    with pytest.raises(OSError):
        os.ftruncate(fd, 0)
    with pytest.raises(TypeError):
        view[0] = 0
    os.close(fd)
    view.close()
    made.close()


def test_copies_are_of_one_moment(name: str) -> None:
    """A writer that is always at it: every copy is of one state, whether forwarder or keeper writes."""
    made = filled(name)
    done = threading.Event()

    def write() -> None:
        published = made.published
        for turn in range(1, 3000):
            published.sequence += 1
            published.place[C.PLACE_ARRIVING].received = turn
            published.place[C.PLACE_LEAVING + 1].forwarded = turn
            published.sequence += 1
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    with Reader.open(name) as reader:
        seen = set()
        while not done.is_set() or not seen:
            found = by_key(reader)
            assert found["coven_vnf_received_packets_total", ""] == found["coven_vnf_forwarded_packets_total", ""] or (
                found["coven_vnf_received_packets_total", ""] == 100  # before it began
            )
            seen.add(found["coven_vnf_received_packets_total", ""])
    writer.join()
    made.close()


def test_who_died_while_writing_is_no_moment(name: str) -> None:
    made = filled(name)
    made.published.sequence |= 1
    with Reader.open(name) as reader:
        with pytest.raises(TimeoutError, match="half-written"):
            reader.take()
        made.published.sequence += 1
        assert by_key(reader)
    made.close()


def test_a_changed_directory_is_read_anew(name: str) -> None:
    made = filled(name)
    with Reader.open(name) as reader:
        before = reader.figures()
        assert reader.figures() is before
        made.write([], b"")
        assert reader.figures() == ()
    made.close()


def test_another_version_is_said(name: str) -> None:
    made = filled(name)
    made.head.layout += 1
    with pytest.raises(Unreadable, match="terminate and instantiate"):
        Reader.open(name)
    made.close()


def test_names_do_not_collide() -> None:
    base = f"test-{secrets.token_hex(4)}"
    proposed = names(base)
    first = next(proposed)
    assert first == f"/coven-{base}"
    one = Statistics.make("a", 1, first)
    with pytest.raises(FileExistsError):
        Statistics.make("a", 1, first)
    two = Statistics.make("a", 1, next(proposed))
    assert two.name != one.name and str(two.name).startswith(first)
    one.close()
    two.close()


def test_a_dead_keepers_object_goes_and_no_other(name: str) -> None:
    made = filled(name)
    ours = Owner.ourselves()
    assert owner(name) == ours and not ours.gone
    assert not remove_left(name), "it lives"
    assert not remove_left(name, replace(ours, start=ours.start + 1)), "another's"
    assert remove_left(name, ours), "what its journal says is ours"
    assert not remove_left(name, ours), "there is none any more"
    made.name = None
    made.close()
    made = filled(name)
    made.head.keeper_start += 1
    assert name in sweep() and not (SHM / name[1:]).exists()
    made.name = None
    made.close()


def test_another_namespaces_keeper_may_live(name: str) -> None:
    made = filled(name)
    made.head.keeper_pid, made.head.keeper_namespace = 1 << 30, made.head.keeper_namespace + 1
    assert not remove_left(name) and name not in sweep()
    made.close()


def test_one_that_has_no_size_yet_is_its_makers(name: str) -> None:
    (SHM / name[1:]).touch()
    assert not remove_left(name), "somebody may be making it"
    assert remove_left(name, Owner.ourselves()), "the journal of who died says that it was that one"


def test_cells_are_narrow() -> None:
    lows = [0.0, *TIMES_BOUNDS]
    assert len(TIMES_BOUNDS) == C.TIMES_CELLS and sorted(TIMES_BOUNDS) == TIMES_BOUNDS
    for low, high in list(zip(lows, TIMES_BOUNDS, strict=False))[1:-1]:
        assert (high - low) / 2 <= 0.0625 * low, "what is in a cell is within 6.25 % of its middle"
    made = Statistics.make("a", 1)
    for ns in (0, 1023, 1024, 1151, 1152, 20_000_000, 2**36 - 1, 2**36, 2**60):
        times = made.published.chain[0]
        before = list(times.cell)
        count(times, ns)
        [cell] = [i for i, (old, new) in enumerate(zip(before, times.cell, strict=True)) if old != new]
        assert lows[cell] <= ns < TIMES_BOUNDS[cell], ns
    made.close()


def test_labels_are_read_back() -> None:
    figure = Figure("x", r'place="a\"b",reason="c\\d"', "", "", C.FIGURE_COUNTER, (0,))
    assert figure.pairs == {"place": 'a"b', "reason": "c\\d"}
