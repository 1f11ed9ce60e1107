"""A running VNF becomes another version of its package: nothing is lost, doubled or reordered, figures go on, and what
cannot be done changes nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from coven.lab.network import ADDRESS, IN, OUT
from coven.package.scaffold import new
from itf.mistakes import Refused
from tests.rigs.keeper import ROOT, KeeperRig, wait_for
from tests.rigs.packages import package

PORT = 5002
RATE = 10_000  #: datagrams a second
MANY = 50_000  #: of a long test
OVERLOAD = {"rx_dropped", "full", "hold_full"}  #: drop reasons where a machine is too slow for so many
LANGUAGES = ("c", "python", "javascript", "java", "click", "c++", "exec")

pytestmark = pytest.mark.root

DROPS_NINE = """from vnfc import drop, forward, reason
{reasons}
def handle(packet):
    return drop({drop}) if packet.udp and packet.udp.dport == 9 else forward()
"""


@contextmanager
def numbered(rig: KeeperRig, rate: int = RATE) -> Iterator[list[int]]:
    """Numbered datagrams from client to server meanwhile: all of them arrive, once and in order; where there are too
    many for this machine, but for those that are told to have been dropped for that. Gives how many."""
    words, pipes = (sys.executable, "-m", "tests.rigs.numbered"), {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    sent: list[int] = []
    receiver = rig.lab.server.spawn(*words, "receive", str(PORT), text=True, cwd=ROOT, **pipes)
    try:
        assert receiver.stdout.readline() == "ready\n"
        sender = rig.lab.client.spawn(*words, "send", ADDRESS["server"], str(PORT), str(rate), text=True, cwd=ROOT,
                                      **pipes)  # fmt: skip
        try:
            yield sent
        finally:
            sent.append(int(sender.communicate(timeout=60)[0]))
        told = json.loads(receiver.communicate(timeout=60)[0])
        dropped = settled(rig)["dropped"]
        others = told["came"] + sum(dropped.values()) - sent[0]  # ARP and the like fare as they do
        assert not told["twice"] and not told["late"] and 0 <= others <= (5 if dropped else 0), (told, sent[0], dropped)
        assert {name.partition(".")[2] for name in dropped} <= OVERLOAD, dropped
    finally:
        receiver.kill()
        receiver.communicate()


def plan(rig: KeeperRig, folder: Path, **more: Any) -> dict[str, Any]:
    record = json.loads((rig.folder / "plan.json").read_text())
    return {**record, "package": str(folder), **more}


def upgrade(rig: KeeperRig, folder: Path, **more: Any) -> None:
    rig.keeper.call("upgrade", timeout=120, plan=plan(rig, folder, **more))


def settled(rig: KeeperRig) -> dict[str, Any]:
    """The figures once nothing is on its way and no old process is there."""
    return wait_for(lambda: (s := rig.status())["in_flight"] == 0 and s)  # type: ignore[no-any-return]


def walk(count: int) -> list[int]:
    """From 0 on, so that each of so many follows each other at least once."""
    ways = {(one, other) for one in range(count) for other in range(count) if one != other}
    path = [0]
    while ways:
        to = next((to for at, to in sorted(ways) if at == path[-1]), None)
        path.append(sorted(ways)[0][0] if to is None else to)
        ways.discard((path[-2], path[-1]))
    return path[1:]


@pytest.mark.parametrize(
    ("languages", "rate", "ways"),
    [
        (LANGUAGES, RATE, [1, 2, 3, 4, 5, 6, 0]),
        pytest.param(LANGUAGES, RATE, walk(7), marks=pytest.mark.long),
        pytest.param(LANGUAGES[:-1], MANY, walk(6), marks=pytest.mark.long),
    ],
)
def test_each_language_to_each_other(tmp_path: Path, languages: tuple[str, ...], rate: int, ways: list[int]) -> None:
    folders = [tmp_path / language.replace("+", "p") for language in languages]
    for language, folder in zip(languages, folders, strict=True):
        new(folder, language)
    with KeeperRig(tmp_path / "keeper", folders[0]) as rig:
        rig.call("start")
        rig.wait_ping()
        before = rig.status()
        with numbered(rig, rate) as sent:
            for at in ways:
                upgrade(rig, folders[at])
                assert rig.status()["vnfcs"]["filter"]["language"] == languages[at].replace("c++", "c")
        after = settled(rig)
        assert after["ports"]["in"]["received"] - before["ports"]["in"]["received"] >= sent[0]
        assert json.loads((rig.folder / "plan.json").read_text())["package"] == str(folders[ways[-1]])


def test_a_vnfc_that_pauses_is_waited_for(tmp_path: Path) -> None:
    """As it does where others have its core: it has packets, and for a tenth of a second gives none back."""
    source = """import time
from vnfc import forward
seen = 0
def handle(packet):
    global seen
    seen += 1
    if seen % 200 == 100:
        time.sleep(0.1)
    return forward()
# """
    chain = "vnfcs: {f: {source: f.py}}\nchain: in -> f -> out\n"
    folders = [package(tmp_path / f"v{number}", chain, f_py=f"{source}{number}\n") for number in range(2)]
    with KeeperRig(tmp_path / "keeper", folders[0]) as rig:
        rig.call("start")
        rig.wait_ping()
        with numbered(rig, RATE // 10):
            for at in (1, 0) * 4:
                upgrade(rig, folders[at])


def test_chains_grow_and_shrink(tmp_path: Path) -> None:
    one = package(tmp_path / "one", "vnfcs: {a: {source: a.c}}\nchain: in -> a -> out\n",
                  a_c="#include <coven/vnfc.h>\nVNFC_HANDLE { return VNFC_FORWARD; }\n")  # fmt: skip
    two = package(tmp_path / "two", "vnfcs: {b: {source: b.py}, a: {source: a.c}}\nchain: in -> b -> a -> out\n",
                  a_c="#include <coven/vnfc.h>\nVNFC_HANDLE { return VNFC_FORWARD; }\n",
                  b_py="from vnfc import counter, forward\nseen = counter('seen', 'packets')\n"
                       "def handle(packet):\n    seen.add()\n    return forward()\n")  # fmt: skip
    none = package(tmp_path / "none", "chain: in -> out\n")
    with KeeperRig(tmp_path / "keeper", one) as rig:
        rig.call("start")
        rig.wait_ping()
        pid = rig.vnfc("a")["pid"]
        with numbered(rig):
            upgrade(rig, two)
            assert rig.vnfc("a")["pid"] == pid, "a VNFC that does not differ runs on"
            wait_for(lambda: rig.vnfc("b")["received"] > RATE / 10)
            upgrade(rig, none)
            assert rig.status()["vnfcs"] == {}
            upgrade(rig, two)
            assert list(rig.status()["vnfcs"]) == ["b", "a"]
            wait_for(lambda: rig.vnfc("b")["received"] > RATE / 5)
            upgrade(rig, one)
            upgrade(rig, two)
        b = settled(rig)["vnfcs"]["b"]
        assert b["received"] == b["forwarded"] + sum(b["dropped"].values()) and b["forwarded"] > RATE / 5


def test_reasons_that_moved_are_counted_by_their_names(tmp_path: Path) -> None:
    def version(number: int, reasons: str, drop: str) -> Path:
        source = DROPS_NINE.format(reasons=reasons, drop=drop)
        return package(tmp_path / f"v{number}", "vnfcs: {f: {source: f.py}}\nchain: in -> f -> out\n", f_py=source)

    first = version(1, "nine = reason('nine', 'port 9')\n", "nine")
    second = version(2, "other = reason('other', 'nobody')\nnine = reason('nine', 'port 9')\n", "nine")
    with KeeperRig(tmp_path / "keeper", first) as rig:
        rig.call("start")
        rig.wait_ping()
        for counted, folder in ((10, second), (20, first), (30, second), (40, first)):
            command = "import socket\ns=socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n" \
                      f"for n in range(10): s.sendto(b'x', ('{ADDRESS['server']}', 9))"  # fmt: skip
            rig.lab.client.run(sys.executable, "-c", command)
            wait_for(lambda: rig.status()["dropped"] == {"f.nine": counted})  # noqa: B023 - called at once
            upgrade(rig, folder)
            status = rig.status()
            assert status["dropped"] == {"f.nine": counted} and status["vnfcs"]["f"]["dropped"] == {"nine": counted}


def test_what_does_not_come_up_changes_nothing(tmp_path: Path) -> None:
    good, two_chain = "vnfcs: {a: {source: a.py}}\nchain: in -> a -> out\n", "chain: in -> a -> b -> out\n"
    forwards = "from vnfc import forward\ndef handle(packet):\n    return forward()\n"
    one = package(tmp_path / "one", good, a_py=forwards)
    failing = {
        "compiles not": package(tmp_path / "c", good.replace(".py", ".c"), a_c="int x = ;\n"),
        "comes up not": package(tmp_path / "d", "vnfcs: {a: {source: a.py}, b: {source: b.py}}\n" + two_chain,
                                a_py=forwards + "# other\n", b_py=forwards + "raise SystemExit(3)\n"),
        "no interface": package(tmp_path / "e", "ports: {in: {}, out: {}, more: {}}\n" + good, a_py=forwards),
        "no such file": package(tmp_path / "f", good),
    }  # fmt: skip
    with KeeperRig(tmp_path / "keeper", one) as rig:
        rig.call("start")
        rig.wait_ping()
        before = rig.status()
        ports = json.loads((rig.folder / "plan.json").read_text())["ports"]
        with numbered(rig):
            for why, folder in failing.items():
                more = {"ports": {**ports, "more": {"interface": "nowhere"}}} if why == "no interface" else {}
                with pytest.raises(Refused) as refused:
                    upgrade(rig, folder, **more)
                assert refused.value.mistakes, why
                status = rig.status()
                assert status["vnfcs"]["a"]["pid"] == before["vnfcs"]["a"]["pid"], why
                assert list(status["vnfcs"]) == ["a"] and list(status["ports"]) == ["in", "out"]
        with pytest.raises(Refused) as refused:
            upgrade(rig, one, ports={**ports, "out": {"interface": IN}})
        assert refused.value.mistakes[0].field == "ports.out"
        settled(rig)
        rig.wait_ping()


def test_ports_come_and_go(tmp_path: Path) -> None:
    forwards = "#include <coven/vnfc.h>\nVNFC_HANDLE { return VNFC_FORWARD; }\n"
    chain = "vnfcs: {a: {source: a.c}}\nchain: in -> a -> out\n"
    two = package(tmp_path / "two", chain, a_c=forwards)
    three = package(tmp_path / "three",
                    "ports: {in: {}, more: {}, out: {}}\nvnfcs: {a: {source: a.c}}\n"
                    "chain: {in: [a -> out], more: [a -> out], out: [a -> in]}\n", a_c=forwards)  # fmt: skip
    with KeeperRig(tmp_path / "keeper", two) as rig:
        rig.lab.appliance.run("ip", "link", "add", "more", "type", "veth", "peer", "name", "beyond")
        for link in ("more", "beyond"):  # a neighbour solicitation before the chain is there would be a drop: no_route
            rig.lab.appliance.run("sysctl", "-qw", f"net.ipv6.conf.{link}.disable_ipv6=1")
        rig.lab.appliance.run("ip", "link", "set", "beyond", "up")
        rig.call("start")
        rig.wait_ping()
        ports = json.loads((rig.folder / "plan.json").read_text())["ports"]
        with numbered(rig):
            for _ in range(2):
                upgrade(rig, three, ports={**ports, "more": {"interface": "more"}})
                rig.lab.appliance.run("ip", "link", "set", "more", "up")
                assert rig.status()["ports"]["more"]["backend"] == "af_xdp"
                upgrade(rig, two, ports=ports)
                assert list(rig.status()["ports"]) == ["in", "out"]
        rig.lab.appliance.run("ip", "link", "del", "more")  # it is nobody's again
        assert settled(rig)["ports"]["in"]["interface"] == IN and OUT in str(ports)


def test_stopped_and_then_started(tmp_path: Path) -> None:
    new(tmp_path / "c", "c")
    new(tmp_path / "python", "python")
    with KeeperRig(tmp_path / "keeper", tmp_path / "c") as rig:
        upgrade(rig, tmp_path / "python")
        assert rig.status()["state"] == "STOPPED" and rig.vnfc("filter")["language"] == "python"
        rig.call("start")
        rig.wait_ping()


def test_one_right_after_another_leaves_nothing(tmp_path: Path) -> None:
    """The next begins while processes of the one before still have packets; all that was lent comes back."""
    slow = "# {}\nimport time\nfrom vnfc import forward\ndef handle(packet):\n    if packet.udp:\n" \
           "        time.sleep(2)\n    return forward()\n"  # fmt: skip
    chain = "vnfcs: {f: {source: f.py}}\nchain: in -> f -> out\n"
    folders = [package(tmp_path / f"v{number}", chain, f_py=slow.format(number)) for number in range(2)]
    with KeeperRig(tmp_path / "keeper", folders[0]) as rig:
        rig.call("start")
        rig.wait_ping()

        def lent() -> tuple[int, int, int]:
            pid = rig.process.pid
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            return len(list(Path(f"/proc/{pid}/fd").iterdir())), len(children), len(list(rig.folder.glob("build*")))

        upgrade(rig, folders[1])
        upgrade(rig, folders[0])
        wait_for(lambda: lent()[1] == 2)
        before = lent()
        send = "import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n" \
               f"s.sendto(b'slow', ('{ADDRESS['server']}', {PORT}))\n"  # fmt: skip
        for _ in range(2):
            rig.lab.client.run(sys.executable, "-c", send)
            wait_for(lambda: rig.vnfc("f")["in_flight"] > 0)
            upgrade(rig, folders[1])
            upgrade(rig, folders[0])
        wait_for(lambda: lent()[1] == 2 and rig.status()["in_flight"] == 0)
        wait_for(lambda: lent() == before, 20)
        assert "the keeper failed over it" not in json.dumps(rig.call("logs"))
        rig.wait_ping()
