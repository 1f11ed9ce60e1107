"""Two appliances chained by NSH over VXLAN-GPE, nothing else in between: each is classifier for one direction
and end of the path for the other.

    client -- A: classifier 42, end of 43 == VXLAN-GPE == B: end of 42, classifier 43 -- server

The wire between them leads through a bridge: what AF_XDP takes at an appliance's own interface nobody can
watch.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rigs.keeper import wait_for
from tests.rigs.nsh_lab import SERVER, Appliance, Net
from tests.rigs.packages import FORWARD_C, package

pytestmark = pytest.mark.root

MAC = {
    name: f"02:00:00:00:01:0{n}"
    for n, name in enumerate(("client", "a-in", "a-out", "b-in", "b-out", "server"))
}
MEGABYTES, LONG_MEGABYTES = 30, 1024
INNER_MTU, WIRE_MTU = 1500, 1600

TEXT = """
ports:
  plain: {{nsh: ethernet, address: [{answers}, "{answers6}"]}}
  tunnel: {{nsh: vxlan-gpe, address: {own}}}
vnfcs: {{one: {{source: one.c}}}}
chain: {{plain: one -> tunnel, tunnel: one -> plain}}
classifier:
  - {{port: plain, then: {{chain: main, encap: {{spi: {going}, si: 255}}}}}}
paths:
  - {{spi: {coming}, si: 255, chain: main}}
next_hops:
  - {{spi: {going}, si: 255, port: tunnel, transport: vxlan-gpe, mac: "{mac}", address: {other}, vni: 7}}
  - {{spi: {coming}, si: 254, port: plain, transport: none}}
"""


class Chained(Net):
    def __init__(self, folder: Path, wire_mtu: int = WIRE_MTU):
        super().__init__("client", "a", "wire", "b", "server")
        try:
            self.wire(("client", "eth0", MAC["client"]), ("a", "in0", MAC["a-in"]), INNER_MTU)
            self.wire(("a", "out0", MAC["a-out"]), ("wire", "a0", "02:00:00:00:02:01"), wire_mtu)
            self.wire(("wire", "b0", "02:00:00:00:02:02"), ("b", "in0", MAC["b-in"]), wire_mtu)
            self["wire"].run("ip", "link", "add", "middle", "mtu", str(wire_mtu), "type", "bridge")
            for interface in ("a0", "b0"):
                self["wire"].run("ip", "link", "set", interface, "master", "middle")
            self["wire"].run("ip", "link", "set", "middle", "up")
            self.wire(("b", "out0", MAC["b-out"]), ("server", "eth0", MAC["server"]), INNER_MTU)
            self.ends()
            self.a = self.appliance(
                folder,
                "a",
                {"plain": "in0", "tunnel": "out0"},
                going=42,
                coming=43,
                own="192.0.2.1",
                other="192.0.2.2",
                mac=MAC["b-in"],
                answers="10.20.0.8",
                answers6="fd20::8",
            )
            self.b = self.appliance(
                folder,
                "b",
                {"plain": "out0", "tunnel": "in0"},
                going=43,
                coming=42,
                own="192.0.2.2",
                other="192.0.2.1",
                mac=MAC["a-out"],
                answers="10.20.0.9",
                answers6="fd20::9",
            )
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise

    def appliance(self, folder: Path, name: str, ports: dict[str, str], **fields: object) -> Appliance:
        source = package(folder / f"{name}-package", TEXT.format(**fields), one_c=FORWARD_C)
        return Appliance(self, name, folder / name, source, ports)


@pytest.fixture(scope="module")
def chained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chained]:
    with Chained(tmp_path_factory.mktemp("chained")) as net:
        wait_for(lambda: net.ping() == 1)
        yield net


def test_a_transfer_survives_both_ways(chained: Chained, long_run: bool) -> None:
    chained.transfer(LONG_MEGABYTES if long_run else MEGABYTES)
    chained.transfer(10, frm="server", to="10.20.0.1", at="client")
    for appliance in (chained.a, chained.b):
        status = appliance.status()
        assert not any(name.startswith("nsh.") for name in status["dropped"]), status["dropped"]
        assert status["vnfcs"]["one"]["received"] > 0


def test_si_counts_down_and_the_path_ends(chained: Chained) -> None:
    watch = chained["wire"].spawn(
        "tshark",
        "-l",
        "-n",
        "-i",
        "a0",
        "-c",
        "4",
        "-a",
        "duration:100",
        "-f",
        "udp port 4790",
        "-T",
        "fields",
        "-e",
        "eth.src",
        "-e",
        "nsh.spi",
        "-e",
        "nsh.si",
        "-e",
        "nsh.ttl",
        "-e",
        "nsh.nextproto",
        "-e",
        "vxlan.vni",
        stdout=-1,
        stderr=-2,
        text=True,
    )
    try:
        assert watch.stdout
        for line in watch.stdout:
            if "Capturing on" in line:
                break
        wait_for(lambda: chained.ping() and watch.poll() is not None)  # it begins a little after it says so
        rows = [line.strip().split("\t") for line in watch.stdout if "\t" in line]
    finally:
        watch.terminate()
        watch.communicate()
    ways = {(MAC["a-out"], "42"), (MAC["b-in"], "43")}
    assert {(row[0].split(",")[0], row[1]) for row in rows} == ways, rows
    # what arrives is at 255; each appliance's own hop counts it down to 254, where its path ends
    assert {(row[2], int(row[3], 0), *row[4:]) for row in rows} == {("255", 63, "3", "7")}, rows


def neighbour(net: Chained, place: str, interface: str, address: str) -> str:
    """What a place knows of an address after it has tried to talk to it."""
    net[place].run("ping", "-n", "-c", "1", "-W", "0.2", address, check=False)
    return str(net[place].run("ip", "neigh", "show", address, "dev", interface).stdout)


@pytest.mark.parametrize(
    ("place", "interface", "own", "asked", "answers"),
    [
        ("client", "eth0", None, "10.20.0.8", "a-in"),
        ("client", "eth0", ("fd20::1/64", "nodad"), "fd20::8", "a-in"),
        ("wire", "middle", ("192.0.2.9/24",), "192.0.2.1", "a-out"),
        ("wire", "middle", ("192.0.2.9/24",), "192.0.2.2", "b-in"),
    ],
)
def test_neighbours_find_the_addresses_of_ports(
    chained: Chained, place: str, interface: str, own: tuple[str, ...] | None, asked: str, answers: str
) -> None:
    """As hosts do, by ARP and neighbour solicitations; the port that has the address answers."""
    if own is not None:
        chained[place].run("ip", "addr", "replace", own[0], "dev", interface, *own[1:])
    wait_for(lambda: MAC[answers] in neighbour(chained, place, interface, asked))
    status = (chained.a if answers.startswith("a") else chained.b).status()
    assert status["consumed"] >= 1 and status["originated"] >= 1


def test_what_does_not_fit_is_dropped_by_name_and_answered(tmp_path: Path) -> None:
    with Chained(tmp_path, wire_mtu=1500) as net:
        wait_for(lambda: net.ping() == 1)
        # 1500 - outer IP 20, UDP 8, VXLAN-GPE 8, NSH 24, inner Ethernet 14
        assert net.ping(size=1426 - 28, patience=30) == 1
        said = (
            net["client"]
            .run("ping", "-n", "-c", "1", "-W", "30", "-M", "do", "-s", "1472", SERVER, check=False)
            .stdout
        )
        assert "From 10.20.0.8" in said and "mtu = 1426" in said, said
        said = net["client"].run("ip", "route", "get", SERVER).stdout
        assert "mtu 1426" in said, said
        net.transfer(5)
        status = net.a.status()
        assert status["dropped"]["nsh.mtu"] >= 1 and status["originated"] >= 1
        net["client"].run("ip", "route", "flush", "cache")
        assert (
            net["client"]
            .run("ping", "-c", "1", "-W", "1", "-M", "dont", "-s", "1472", SERVER, check=False)
            .returncode
        )
        wait_for(lambda: net.a.status()["dropped"].get("nsh.mtu_unanswered", 0) >= 1)
