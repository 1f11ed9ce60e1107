"""The original prototype's EMS brings up a chain of its components, and packets pass it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rigs.appliance import Appliance
from tests.rigs.keeper import wait_for
from tests.rigs.original import Ems, component, script, zipped

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes a network namespace: needs root")

#: it drops UDP to port 7
FILTER = component(8012, 8022, 'packet[36:38] != b"\\0\\7"')
PACKAGE = zipped({
    "one.py": component(8010, 8020), "parts/filter.py": FILTER,
    "Scripts/install.yaml": script(("one.py", 8010, 8020), ("NFPackages/fw/parts/filter.py", 8012, 8022)),
})  # fmt: skip
_SEND = """
import socket, sys
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(("in1", 0))
for number, port in enumerate(map(int, sys.argv[1:])):
    frame = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02") / IP(src="192.0.2.1", dst="192.0.2.2", id=number)
    out.send(bytes(frame / UDP(dport=port) / (b"x" * 40)))
"""


@pytest.fixture
def driven(tmp_path: Path) -> Iterator[tuple[Appliance, Ems]]:
    appliance = Appliance(tmp_path / "state")
    try:
        appliance.serve("--coven-compat", "--vnf", "fw")
        yield appliance, Ems(space=appliance.space)
    finally:
        appliance.clean()


def sent(appliance: Appliance, *ports: int) -> tuple[int, int]:
    """How many of these packets come out, and how many the filter keeps."""

    def figures() -> tuple[int, int]:
        stats = appliance.get("/v1/vnfs/fw/stats")
        assert stats["unaccounted"] == 0
        kept = sum(each["dropped"].get("not_sent_on", 0) for each in stats["vnfcs"].values())
        return stats["ports"]["out"]["sent"], kept

    before = figures()
    subprocess.run(appliance.inside("-c", _SEND, *map(str, ports)), check=True)
    wait_for(lambda: sum(figures()) >= sum(before) + len(ports))
    after = figures()
    return after[0] - before[0], after[1] - before[1]


def test_the_ems_of_the_prototype_drives_a_real_chain(driven: tuple[Appliance, Ems]) -> None:
    appliance, ems = driven
    assert ems.send("setup", "fw.coven", PACKAGE) == "200|SUCCESFULLY EXECUTED THE INSTALL OPERATION"
    assert ems.say("launch|fw.coven") == "200|0"
    assert ems.say("status") == "200|On"
    assert sent(appliance, 7, 8, 9, 7, 10) == (3, 2)
    assert ems.say("request|one.py|Packets|") == "200|5"
    assert ems.ask("POST", "/ma/request/filter.py/Packets") == (200, "5")
    assert ems.ask("GET", "/ma/request/filter.py/Two%20lines") == (200, "two lines")
    assert ems.ask("GET", "/ma/list")[1].count("  - [request]: Packets\n  - [request]: Two lines\n") == 2
    checked = ems.ask("GET", "/ma/check")[1]
    assert checked.index("one.py") < checked.index("filter.py") and checked.count(": success") == 4
    assert ems.say("stop") == "200|0"
    assert ems.post("/start/") == "0"
    assert sent(appliance, 7, 8) == (1, 1)
    assert ems.post("/stop/") == "0" and ems.post("/reset/") == "0"
    assert appliance.get("/v1/vnfs")["vnfs"] == []


def test_failures_of_what_is_real(driven: tuple[Appliance, Ems]) -> None:
    _, ems = driven
    silent = "import socket\nserver = socket.create_server(('localhost', 8010))\nserver.accept()\n"
    no_agent = component(8010, 9).replace("target=agent", "target=print")
    mute = component(8010, 8020).replace("client.send(", "client.recv(1); (")
    broken = zipped({"one.py": silent + "raise SystemExit(3)\n", "two.py": no_agent, "mute.py": mute})
    assert ems.post("/setup/fw/", broken) == "0"
    assert ems.post("/configure/", script(("one.py", 8010, None))) == "-4"  # it does not come up
    assert ems.post("/configure/", script(("two.py", 8010, None), into="eth77")) == "-5"  # no such interface
    assert ems.post("/launch/", script(("two.py", 8010, 9))) == "0"
    assert ems.ask("GET", "/ma/request/two.py/Packets") == (200, "ERROR: COULD NOT CONNECT THE EXTEND AGENT!!")
    assert ems.post("/stop/") == "0" and ems.post("/reset/") == "0"
    assert ems.post("/launch/", script(("mute.py", 8010, 8020))) == "0"
    assert ems.ask("GET", "/ma/request/mute.py/Packets") == (200, "ERROR: THE EXTEND AGENT DID NOT ANSWER!!")


def test_frameworks_arguments_and_one_interface(driven: tuple[Appliance, Ems]) -> None:
    appliance, ems = driven
    text = "#!/usr/bin/env python3\nimport sys\nassert sys.argv[1:] == ['a b', '7'], sys.argv\n" + component(8010, 8020)
    assert ems.post("/setup/fw/", zipped({"bin/one": text})) == "0"
    one_armed = script(("bin/one", 8010, 8020), out="in0").replace("Python3", "Exe").replace(
        "        Order: 1\n", "        Order: 1\n        Arguments: [a b, 7]\n")  # fmt: skip
    assert ems.post("/launch/", one_armed) == "0"
    subprocess.run(appliance.inside("-c", _SEND, "1", "2"), check=True)
    wait_for(lambda: appliance.get("/v1/vnfs/fw/stats")["ports"]["in"]["sent"] == 2)
