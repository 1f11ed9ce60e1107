"""The statistics object of a running VNF: read without keeper or agent, it says what both say, goes on whatever ends,
and goes away with the VNF."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from agents.metrics import is_up
from agents.statistics import Distribution, Reader, Value
from coven.keeper.client import STATISTICS
from coven.keeper.recovery import recover
from coven.lab.network import ADDRESS
from itf.statistics import SHM
from tests.rigs.keeper import KeeperRig, wait_for
from tests.rigs.packages import package

SLOW = """
import time
from vnfc import forward, request
took = []

@request("took", "how long it slept, least and most", "ns")
def took_ns():
    return [min(took), max(took)]

def handle(packet):
    began = time.monotonic_ns()
    time.sleep(0.02)
    took.append(time.monotonic_ns() - began)
    return forward()
"""
COUNTS = """
from vnfc import forward, drop, reason, counter, histogram
odd = reason("odd", "an odd length")
seen = counter("seen-all", "all of them", "packets")
sizes = histogram("sizes", "their lengths", "bytes")

def handle(packet):
    seen.add()
    sizes.observe(packet.len)
    if packet.len == 1042:
        return drop(odd)
    return forward()
"""


def vnf(folder: Path, chain: str, **sources: str) -> Path:
    """A package of these Python VNFCs."""
    vnfcs = ", ".join(f"{name}: {{source: {name}.py}}" for name in sources)
    descriptor = f"vnfcs: {{{vnfcs}}}\nchain: {chain}\n"
    return package(folder / "pkg", descriptor, **{f"{name}_py": text for name, text in sources.items()})


def values(reader: Reader) -> dict[tuple[str, str], Value]:
    return {(figure.name, figure.labels): value for figure, value in reader.read()}


def count(reader: Reader, name: str, labels: str = "") -> int:
    value = values(reader)[name, labels]
    assert isinstance(value, int)
    return value


def reader_of(rig: KeeperRig) -> Reader:
    name = rig.status()["statistics"]
    assert isinstance(name, str) and name.startswith(f"/coven-{rig.folder.name}")
    assert (rig.folder / STATISTICS).resolve() == SHM / name[1:]
    return Reader.open(name)


def test_it_says_what_the_status_says(tmp_path: Path) -> None:
    pkg = vnf(tmp_path, "in -> a -> b -> out", a=COUNTS, b=COUNTS)
    with KeeperRig(tmp_path / "fw", pkg) as rig:
        assert rig.call("start")["ok"]
        rig.wait_ping()
        assert rig.ping(40, patience=30) == 40
        rig.lab.client.run("ping", "-n", "-c", "3", "-i", "0.05", "-W", "1", "-s", "1000", "10.20.0.2", check=False)
        with reader_of(rig) as reader:

            def quiet() -> bool:
                before, moment = rig.status(), time.monotonic_ns()
                wait_for(lambda: reader.head.keeper_ns > moment)  # its own part the keeper writes once a second
                return bool(before["received"] == rig.status()["received"] and before["in_flight"] == 0)

            wait_for(quiet)
            status, found = rig.status(), values(reader)
            assert found["coven_unaccounted_packets", ""] == 0
            for sum_ in ("received", "originated", "cloned", "forwarded", "consumed"):
                assert found[f"coven_vnf_{sum_}_packets_total", ""] == status[sum_]
            for name, port in status["ports"].items():
                for way, packets, size in (("in", "received", "bytes_in"), ("out", "sent", "bytes_out")):
                    labels = f'port="{name}",direction="{way}"'
                    assert found["coven_port_packets_total", labels] == port[packets]
                    assert found["coven_port_bytes_total", labels] == port[size]
            drops = {labels: value for (name, labels), value in found.items() if name == "coven_drops_total" and value}
            told = (name.split(".") for name in status["dropped"])
            assert drops == {f'place="{place}",reason="{reason}"': status["dropped"][f"{place}.{reason}"]
                             for place, reason in told}  # fmt: skip
            assert status["dropped"]["a.odd"] >= 3
            for name, vnfc in status["vnfcs"].items():
                ways = [found["coven_vnfc_packets_total", f'vnfc="{name}",output="{way}"'] for way in ("next", "back")]
                assert ways == [vnfc["forwarded"], 0]
                assert found["coven_custom_seen_all_total", f'vnfc="{name}",name="seen-all"'] == vnfc["received"]
                sizes = found["coven_custom_sizes", f'vnfc="{name}"']
                assert isinstance(sizes, Distribution) and sizes.count == vnfc["received"]
                bursts = found["coven_vnfc_burst_packets", f'vnfc="{name}"']
                assert isinstance(bursts, Distribution) and bursts.total == vnfc["received"]
                times = found["coven_vnfc_seconds", f'vnfc="{name}"']
                assert isinstance(times, Distribution) and times.count == (vnfc["received"] + 15) // 16
                assert found["coven_vnfc_up", f'vnfc="{name}"'] == 1
                memory = found["coven_process_resident_memory_bytes", f'role="vnfc",vnfc="{name}"']
                assert isinstance(memory, int) and memory > 1 << 20
            left = sum(port["sent"] for port in status["ports"].values())
            chains = [found["coven_chain_seconds", f'port="{name}"'] for name in ("in", "out")]
            assert sum(each.count for each in chains if isinstance(each, Distribution)) == (left + 15) // 16
            assert is_up(reader)
        name = status["statistics"]
    assert not (SHM / name[1:]).exists(), "it goes away with the VNF"


def test_a_delay_shows_as_it_is(tmp_path: Path) -> None:
    """20 ms for each packet, one at a time: so in the VNFC's histogram, no less in the whole chain's, and for a client,
    whose request and answer both go through it, twice that."""
    pkg = vnf(tmp_path, "in -> slow -> quick -> out", slow=SLOW, quick=COUNTS)
    with KeeperRig(tmp_path / "fw", pkg) as rig:
        assert rig.call("start")["ok"]
        rig.wait_ping()
        with reader_of(rig) as reader:

            def enough() -> bool:
                assert rig.ping(8, patience=30) > 0  # a request and its answer go through it
                times = values(reader)["coven_vnfc_seconds", 'vnfc="slow"']
                return isinstance(times, Distribution) and times.count >= 5

            wait_for(enough)
            found = values(reader)
            slow, quick = (found["coven_vnfc_seconds", f'vnfc="{name}"'] for name in ("slow", "quick"))
            chains = [found["coven_chain_seconds", f'port="{name}"'] for name in ("in", "out")]
            assert isinstance(slow, Distribution) and isinstance(quick, Distribution)
            least, most = rig.call("request", vnfc="slow", name="took", args=[])["value"]
            assert 0.9 * least <= slow.quantile(0.5) <= 1.1 * most, "20 ms, and what a busy machine adds"
            assert quick.quantile(0.5) < 20_000_000 / 2
            for chain in chains:
                assert isinstance(chain, Distribution)
                assert chain.count == 0 or chain.quantile(0.5) >= 0.9 * 20_000_000

            def undisturbed() -> bool:
                """Whether one of some pings took no longer than its way through the VNFC, twice."""
                told = rig.lab.client.run("ping", "-n", "-c", "25", "-i", "0.1", ADDRESS["server"]).stdout
                quickest = float(told.splitlines()[-1].split("=")[1].split("/")[0])
                assert quickest >= 2 * 20, "in ms"
                return quickest < 1.1 * 2 * 20

            wait_for(undisturbed)


def test_no_counter_goes_back(tmp_path: Path) -> None:
    """Over the end of a VNFC's process and of the forwarder's; and who reads needs no keeper that works."""
    pkg = vnf(tmp_path, "in -> a -> out", a=COUNTS)
    with KeeperRig(tmp_path / "fw", pkg) as rig:
        assert rig.call("start")["ok"]
        rig.wait_ping()
        assert rig.ping(20, patience=30) == 20
        status = rig.status()
        with reader_of(rig) as reader:
            def counters() -> dict[tuple[str, str], float]:
                found: dict[tuple[str, str], float] = {}
                for figure, value in reader.read():
                    if figure.name.endswith("_total") and isinstance(value, int | float):
                        found[figure.name, figure.labels] = value
                    elif isinstance(value, Distribution):
                        found[figure.name, figure.labels] = value.count
                return found

            wait_for(lambda: counters()["coven_custom_seen_all_total", 'vnfc="a",name="seen-all"'] >= 20)
            before = counters()
            os.kill(status["vnfcs"]["a"]["pid"], signal.SIGKILL)
            wait_for(lambda: count(reader, "coven_vnfc_restarts_total", 'vnfc="a"') == 1)
            rig.wait_ping()
            os.kill(status["forwarder"]["pid"], signal.SIGKILL)

            def restarted() -> bool:
                with suppress(TimeoutError):  # it may have died while it was publishing
                    return count(reader, "coven_forwarder_restarts_total") == 1
                return False

            wait_for(restarted)
            rig.wait_ping()
            after = counters()
            assert [key for key in before if after.get(key, -1) < before[key]] == []
            assert after["coven_custom_sizes", 'vnfc="a"'] >= before["coven_custom_sizes", 'vnfc="a"']
            # a keeper that hangs: the forwarder's figures are told all the same
            os.kill(rig.process.pid, signal.SIGSTOP)
            try:
                received = count(reader, "coven_vnf_received_packets_total")
                assert rig.ping(4, patience=30) == 4
                wait_for(lambda: count(reader, "coven_vnf_received_packets_total") >= received + 8)
                wait_for(lambda: not is_up(reader))
            finally:
                os.kill(rig.process.pid, signal.SIGCONT)
            wait_for(lambda: is_up(reader))


def test_what_a_killed_keeper_left_is_removed(tmp_path: Path) -> None:
    pkg = vnf(tmp_path, "in -> a -> out", a=COUNTS)
    with KeeperRig(tmp_path / "fw", pkg) as rig:
        name = rig.status()["statistics"]
        with Reader.open(name) as reader:
            assert not reader.owner.gone
            rig.process.kill()
            rig.process.wait()
            assert reader.owner.gone and not is_up(reader)
        rig.said = {}
        left = recover(rig.folder)
        assert f"removed the statistics object {name}" in left.undone
        assert not (SHM / name[1:]).exists()


def test_two_of_one_name_have_two(tmp_path: Path) -> None:
    pkg = vnf(tmp_path, "in -> a -> out", a=COUNTS)
    with KeeperRig(tmp_path / "one" / "fw", pkg) as one, KeeperRig(tmp_path / "two" / "fw", pkg) as two:
        objects = [rig.status()["statistics"] for rig in (one, two)]
        assert objects[0] != objects[1] and all((SHM / name[1:]).exists() for name in objects)
        for rig in (one, two):
            with Reader.open(rig.folder / STATISTICS) as reader:
                assert reader.owner.pid == rig.process.pid
