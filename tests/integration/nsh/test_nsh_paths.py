"""The path table in operators' hands: figures by path, and changes while packets pass."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from coven.keeper.client import Keeper
from coven.lab.demo.main import Api, DemoError, agent
from coven.lab.network import IN, OUT, Lab
from itf.mistakes import Refused
from tests.rigs import nsh_frames as wire
from tests.rigs.keeper import ROOT, wait_for
from tests.rigs.nsh_lab import Appliance, Net
from tests.rigs.packages import FORWARD_C, package

pytestmark = pytest.mark.root

TEXT = """
vnfcs: {one: {source: one.c}}
chain: in -> one -> out
paths: [{spi: 42, chain: main}, {spi: 43, si: 255, chain: main}]
"""
CLIENT = ("client", "eth0", "02:00:00:00:00:01")
SENDER = """
import socket, sys
frame = bytes.fromhex(sys.argv[1])
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as raw:
    raw.setsockopt(socket.SOL_SOCKET, 32, 1 << 24)
    raw.bind(("eth0", 0))
    print(sum(raw.send(frame) == len(frame) for _ in range(int(sys.argv[2]))), flush=True)
"""


class Small(Net):
    def __init__(self, folder: Path):
        super().__init__("client", "sf", "server")
        try:
            self.wire(CLIENT, ("sf", "in0", "02:00:00:00:00:02"))
            self.wire(("server", "eth0", "02:00:00:00:00:03"), ("sf", "out0", "02:00:00:00:00:04"))
            source = package(folder / "package", TEXT, one_c=FORWARD_C)
            self.sf = Appliance(self, "sf", folder / "sf", source, {"in": "in0", "out": "out0"})
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise

    def send(self, spi: int, count: int, si: int = 255) -> subprocess.Popen[str]:
        frame = wire.on_ethernet(wire.md1(spi=spi, si=si), wire.datagram())
        command = [sys.executable, "-c", SENDER, frame.hex(), str(count)]
        return self["client"].spawn(*command, stdout=subprocess.PIPE, text=True)

    def sent(self, spi: int, count: int, si: int = 255) -> None:
        said = self.send(spi, count, si).communicate(timeout=60)[0]
        assert said == f"{count}\n"

    def lost_on_the_wire(self) -> int:
        said = self["client"].run("ip", "-s", "-j", "link", "show", "eth0").stdout
        return int(json.loads(said)[0]["stats64"]["tx"]["dropped"])

    def paths(self) -> dict[int, dict[str, Any]]:
        return {row["spi"]: row for row in self.sf.call("paths")["paths"]}


@pytest.fixture(scope="module")
def net(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Small]:
    with Small(tmp_path_factory.mktemp("paths")) as net:
        yield net


def test_each_path_counts_what_came_by_it(net: Small) -> None:
    net.sent(42, 300)
    net.sent(43, 200)
    net.sent(43, 10, si=254)
    wait_for(lambda: net.paths()[42]["packets"] == 300 and net.paths()[43]["packets"] == 200)
    assert net.paths()[42]["bytes"] == 300 * len(wire.datagram())
    wait_for(lambda: net.sf.status()["dropped"].get("nsh.unknown_path") == 10)


def test_a_change_under_traffic_loses_nothing(net: Small) -> None:
    before, dropped, wire_before = net.paths()[42], net.sf.status()["dropped"], net.lost_on_the_wire()
    sender = net.send(42, 60000)
    table = [{"spi": 42, "chain": "main"}]
    changes = 0
    while sender.poll() is None:
        table = [
            {"spi": 42, "chain": "main", "context": f"{changes:032x}"},
            {"spi": 100 + changes, "chain": "main"},
        ]
        assert net.sf.call("paths", paths=table)["ok"]
        changes += 1
    assert sender.communicate()[0] == "60000\n" and changes >= 3
    after = net.sf.status()

    def counted() -> bool:
        """What the wire or the port lost on a busy machine never came to a path."""
        now = net.sf.status()["dropped"]
        lost = sum(count - dropped.get(name, 0) for name, count in now.items() if name.startswith("in."))
        came = net.paths()[42]["packets"] - before["packets"]
        return bool(came + lost + net.lost_on_the_wire() - wire_before == 60000)

    wait_for(counted)
    new = {name: count - dropped.get(name, 0) for name, count in net.sf.status()["dropped"].items()}
    assert not any(count for name, count in new.items() if name.startswith("nsh.")), (new, after)
    assert net.paths().keys() == {42, 100 + changes - 1} and net.paths()[100 + changes - 1]["packets"] == 0


def test_a_wrong_table_leaves_the_old_one(net: Small) -> None:
    before = net.paths()
    with pytest.raises(Refused) as refused:
        net.sf.call("paths", paths=[{"spi": 2**24, "chain": "main"}, {"spi": 1, "chain": "mein"}, {"si": 3}])
    fields = [mistake.field for mistake in refused.value.mistakes]
    assert fields == ["paths[0].spi", "paths[1].chain", "paths[2].spi", "paths[2].chain"]
    assert net.paths() == before


def started(api: Api) -> bool:
    """Whether the VNF runs and nothing is going on with it."""
    with contextlib.suppress(DemoError):
        api.ask("GET", "/v1/vnfs/sf/paths", show=False)
        operations = api.ask("GET", "/v1/operations", show=False)["operations"]
        rows = operations["operations"] if isinstance(operations, dict) else operations
        return all(row["state"] in ("COMPLETED", "ROLLED_BACK", "FAILED") for row in rows)
    return False


def test_over_rest(tmp_path: Path) -> None:
    source, archive = package(tmp_path / "package", TEXT, one_c=FORWARD_C), tmp_path / "tested.zip"
    subprocess.run(
        [sys.executable, "-m", "coven", "pack", "--zip", source, "-o", archive],
        check=True,
        capture_output=True,
        cwd=ROOT,
    )
    with Lab() as lab, agent(lab, tmp_path) as api:
        row = api.ask("POST", "/v1/packages", file=archive)
        api.ask("POST", "/v1/vnfs", {"name": "sf", "package": row["id"]})
        ports = {"in": {"interface": IN}, "out": {"interface": OUT}}
        api.operate("sf", "instantiate", {"ports": ports, "start": True})
        try:
            before = api.ask("GET", "/v1/vnfs/sf/paths")
            assert [(row["spi"], row["si"], row["packets"]) for row in before["paths"]] == [
                (42, None, 0),
                (43, 255, 0),
            ]
            before["paths"][0]["context"] = "00" * 15 + "07"
            after = api.ask("PUT", "/v1/vnfs/sf/paths", before)
            assert after == before == api.ask("GET", "/v1/vnfs/sf/paths")
            with pytest.raises(DemoError, match=r"(?s)422.*paths\[0\].chain"):
                api.ask("PUT", "/v1/vnfs/sf/paths", {"paths": [{"spi": 1, "chain": "none"}]})
            api.ask("PUT", "/v1/vnfs/sf/paths", {"paths": before["paths"][:1]})
            keeper = Keeper(api.header.parent / "run" / "sf")
            pid = keeper.pid()
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda: keeper.pid() not in (None, pid) and started(api), 60)
            kept = api.ask("GET", "/v1/vnfs/sf/paths")
            assert kept["paths"] == before["paths"][:1], "what was changed outlives the keeper"
            api.operate("sf", "terminate")
            api.operate("sf", "instantiate", {"ports": ports, "start": True})
            assert len(api.ask("GET", "/v1/vnfs/sf/paths")["paths"]) == 2, "the descriptor's once more"
        finally:
            api.operate("sf", "terminate")
