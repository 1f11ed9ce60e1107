"""Interfaces that change under a VNF, both backends: gone and back, moved, renamed, MTU, offloads, somebody else's.

What is sent arrives, or is a named drop, in exact numbers; what was changed on an interface is as before in the end.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.rigs.agent import ROOT
from tests.rigs.appliance import PACKAGE, Appliance
from tests.rigs.net_rig import COUNT, Net, elsewhere

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes a network namespace: needs root")

both = pytest.mark.parametrize("backend", ["af_xdp", "af_packet"])
#: where it is the keeper that does it, whatever takes the packets
either = pytest.mark.parametrize("backend", ["af_xdp", pytest.param("af_packet", marks=pytest.mark.long)])


@pytest.fixture
def net(appliance: Appliance) -> Net:
    return Net(appliance)


# ---- gone and back ----------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("name", ["in", "out"])
def test_made_anew_while_it_ran(net: Net, backend: str, name: str) -> None:
    net.deploy(backend)
    assert net.across() == COUNT
    net.ip(f"link del {name}0")
    net.await_health("degraded", f"port {name}: {name}0 is gone; it is taken again by itself when it is back (since 20")
    assert net.figures()["ports"][name]["link"] == "gone"
    if name == "out":
        before = net.figures()
        net.run(sys.executable, "-m", "tests.rigs.port_traffic", "frames", "in1", "100", "50")
        net.eventually(lambda: net.figures()["received"] - before["received"] == 50)
        assert net.figures()["dropped"].get("out.closed", 0) - before["dropped"].get("out.closed", 0) == 50
    net.make(name)
    fresh = net.facts(f"{name}0")
    net.await_health("healthy")
    assert net.across() == COUNT
    net.eventually(lambda: bool(net.heals()))  # the agent writes it down once the keeper has told it
    assert [(each["state"], each["progress"]) for each in net.heals()] == [
        ("COMPLETED", f"port {name}: {name}0 was taken again")
    ]
    port = net.figures()["ports"][name]
    assert port["link"] == "up" and port["trouble"] == []
    net.terminate()
    if backend == "af_xdp":  # an interface that is new has not all its flags at once
        assert net.facts(f"{name}0")["disable_ipv6"] == fresh["disable_ipv6"] == "0\n"
    net.eventually(lambda: (facts := net.facts(f"{name}0"))["xdp"] is None and facts["promiscuity"] == 0)


@both
def test_made_anew_while_it_was_stopped(net: Net, backend: str) -> None:
    net.deploy(backend)
    assert net.appliance.coven("stop")[0] == 0
    net.ip("link del in0")
    status, text = net.appliance.coven("start")
    assert status == 1 and "in0: there is no such interface" in text
    net.await_health("degraded", "port in: in0 is gone")
    net.make("in")
    net.eventually(lambda: net.health()["status"] == "stopped", lambda: str(net.health()))
    assert net.appliance.coven("start") == (0, "fw is STARTED\n")
    net.await_health("healthy")
    assert net.across() == COUNT
    net.terminate()


@either
def test_start_opens_what_is_there_now(net: Net, backend: str) -> None:
    """At once, before anybody has told the keeper."""
    net.deploy(backend)
    assert net.appliance.coven("stop")[0] == 0
    net.ip("link del in0")
    net.make("in")
    assert net.appliance.coven("start") == (0, "fw is STARTED\n")
    net.await_health("healthy")
    assert net.across() == COUNT
    net.terminate()


@both
def test_moved_away_and_back(net: Net, backend: str) -> None:
    """With the offloads that it had: what could not be undone while it was away is undone in the end."""
    net.run("ethtool", "-K", "in0", "gro", "on")
    before = net.facts("in0")
    net.deploy(backend)
    with elsewhere() as other:
        net.ip(f"link set in0 netns {other}")
        net.await_health("degraded", "port in: in0 is gone")
        away = ["nsenter", f"--target={other}", "--net", "ip"]
        # our program does not stay with an interface that is somebody else's
        net.eventually(lambda: b"xdp" not in subprocess.run([*away, "link"], check=True, capture_output=True).stdout)
        subprocess.run([*away, "link", "set", "in0", "netns", str(net.appliance.agent.pid)], check=True)
    net.ip("link set in0 up")
    net.await_health("healthy")
    assert net.across() == COUNT
    assert net.appliance.coven("stop")[0] == 0
    assert net.appliance.coven("start")[0] == 0
    assert net.across() == COUNT
    net.terminate()
    net.eventually(lambda: net.facts("in0") == before, lambda: f"{before} {net.facts('in0')}")


@either
def test_taken_by_the_host_meanwhile(net: Net, backend: str) -> None:
    net.deploy(backend)
    net.ip("link del in0")
    net.await_health("degraded", "port in: in0 is gone")
    net.ip("link add in0 type veth peer name in1")
    net.ip("addr add 192.0.2.1/24 dev in0")
    net.ip("link set in0 up")
    net.ip("link set in1 up")
    words = "port in: in0 is there, but not taken: in0 has the address 192.0.2.1 ("
    net.await_health("degraded", words)
    assert net.facts("in0")["promiscuity"] == 0 and "xdp" not in net.ip("link show in0") and net.heals() == []
    assert words in net.appliance.coven("status")[1]
    net.ip("addr del 192.0.2.1/24 dev in0")
    net.await_health("healthy")
    assert net.across() == COUNT
    net.terminate()


@either
def test_the_keeper_dies_while_an_interface_is_gone(net: Net, backend: str) -> None:
    net.deploy(backend)
    net.ip("link del out0")
    net.await_health("degraded", "port out: out0 is gone")
    keeper = net.appliance.keeper()
    assert keeper is not None
    os.kill(keeper, 9)
    assert net.appliance.healed()["state"] == "COMPLETED"
    net.await_health("degraded", "port out: out0 is gone; it is taken again by itself when it is back")
    before = net.figures()
    net.run(sys.executable, "-m", "tests.rigs.port_traffic", "frames", "in1", "100", "50")
    net.eventually(lambda: net.figures()["received"] - before["received"] == 50)
    assert net.figures()["dropped"]["out.closed"] - before["dropped"].get("out.closed", 0) == 50
    net.make("out")
    net.await_health("healthy")
    assert net.across() == COUNT
    net.eventually(lambda: len(net.heals()) > 1)
    assert [each["progress"] for each in net.heals()] == ["port out: out0 was taken again", ""]
    net.terminate()


def test_the_next_agent_records_it_once(net: Net) -> None:
    net.deploy("auto")
    agent = net.appliance.agent
    assert agent is not None
    agent.kill()
    agent.wait()
    net.ip("link del in0")
    net.make("in")
    net.eventually(lambda: "xdp" in net.ip("link show in0"))
    for _ in range(2):
        net.appliance.serve()
        net.eventually(lambda: bool(net.heals()))
        assert net.appliance.agent is not None
        net.appliance.agent.terminate()
        net.appliance.agent.wait()
    net.appliance.serve()
    assert len(net.heals()) == 1
    net.terminate()


@either
def test_the_forwarder_dies_while_an_interface_is_gone(net: Net, backend: str) -> None:
    net.deploy(backend)
    net.ip("link del out0")
    net.await_health("degraded", "port out: out0 is gone")
    dead = net.appliance.get("/v1/vnfs/fw/stats")["forwarder"]["pid"]
    os.kill(dead, 9)
    net.eventually(lambda: net.appliance.get("/v1/vnfs/fw/stats")["forwarder"]["pid"] not in (None, dead))
    before = net.figures()
    net.run(sys.executable, "-m", "tests.rigs.port_traffic", "frames", "in1", "100", "50")
    net.eventually(lambda: net.figures()["received"] - before["received"] == 50)
    assert net.figures()["dropped"]["out.closed"] - before["dropped"].get("out.closed", 0) == 50
    net.make("out")
    net.await_health("healthy")
    assert net.across() == COUNT
    net.terminate()


# ---- changed while it stays --------------------------------------------------------------------------


@both
def test_renamed(net: Net, backend: str) -> None:
    """Followed by its index; given back under its new name, also by whoever comes after a keeper that was killed."""
    net.run("ethtool", "-K", "in0", "gro", "on")
    before = net.facts("in0")
    net.deploy(backend)
    net.ip("link set in0 name wan0")
    net.eventually(lambda: net.figures()["ports"]["in"]["interface"] == "wan0")
    net.await_health("healthy")
    assert net.across() == COUNT
    assert net.appliance.coven("stop")[0] == 0
    assert net.appliance.coven("start")[0] == 0
    assert net.across() == COUNT and net.figures()["ports"]["in"]["interface"] == "wan0"
    net.terminate()
    net.eventually(lambda: _as_called(net.facts("wan0"), "wan0") == _as_called(before, "in0"), lambda: str(before))


def test_another_name_of_an_interface(net: Net) -> None:
    """The guard, what is switched off, and coming back go by it as by the first one."""
    net.ip("link property add dev in0 altname wide-area-0")
    net.ip("route add default dev in0")
    bound = ("--in", "wide-area-0", "--out", "out0")
    status, text = net.appliance.coven("deploy", str(PACKAGE), "--name", "fw", *bound)
    assert status == 1 and "in0 carries the default route" in text
    net.ip("route del default dev in0")
    status, text = net.appliance.coven("deploy", str(PACKAGE), "--name", "fw", *bound)
    assert status == 0, text
    net.await_health("healthy")
    assert net.facts("in0")["disable_ipv6"] == "1\n"
    net.ip("link del in0")
    net.await_health("degraded", "port in: in0 is gone")
    net.ip("link add in0 type veth peer name in1")
    net.set_sysctl("in1", "disable_ipv6", "1")
    net.ip("link property add dev in0 altname wide-area-0")
    net.ip("link set in1 up")
    net.await_health("healthy")
    assert net.across() == COUNT
    net.terminate()


@either
def test_renamed_and_killed(net: Net, backend: str) -> None:
    net.run("ethtool", "-K", "in0", "gro", "on")
    before = net.facts("in0")
    net.deploy(backend)
    agent, keeper = net.appliance.agent, net.appliance.keeper()
    assert agent is not None and keeper is not None
    agent.kill()
    agent.wait()
    net.ip("link set in0 name wan0")
    os.kill(keeper, 9)
    net.eventually(lambda: "wan0" in net.appliance.coven("clean")[1])
    net.eventually(lambda: _as_called(net.facts("wan0"), "wan0") == _as_called(before, "in0"), lambda: str(before))


def _as_called(facts: dict[str, Any], name: str) -> dict[str, Any]:
    return {**facts, "features": facts["features"].replace(name, "NAME")}


def test_cleaned_in_its_own_namespace_only(net: Net) -> None:
    """An interface of the same name and index in another one is not touched, and the journal is kept."""
    before = net.facts("in0")
    net.deploy("af_xdp")
    agent, keeper = net.appliance.agent, net.appliance.keeper()
    assert agent is not None and keeper is not None
    agent.kill()
    agent.wait()
    os.kill(keeper, 9)
    clean = [sys.executable, "-m", "coven", "clean", "--state", str(net.appliance.state)]
    with elsewhere() as other:
        away = ["nsenter", f"--target={other}", "--net"]
        index = str(json.loads(net.ip("-json link show dev in0"))[0]["ifindex"])
        subprocess.run([*away, "ip", "link", "add", "in0", "index", index, "type", "veth"], check=True)
        quiet = [*away, "sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/in0/disable_ipv6; cat"]
        subprocess.run(quiet, check=True, stdin=subprocess.DEVNULL)
        said = subprocess.run([*away, *clean], capture_output=True, text=True, cwd=ROOT).stdout
        assert "in0 is in another network namespace" in said
        kept = subprocess.run([*away, "cat", "/proc/sys/net/ipv6/conf/in0/disable_ipv6"], capture_output=True)
        assert kept.stdout == b"1\n"
    net.run(*clean)
    net.eventually(lambda: net.facts("in0") == before, lambda: f"{before} {net.facts('in0')}")


def longer_is_dropped(net: Net) -> None:
    """The port `out` has MTU 1400, soon: 298 packets of 1401 bytes beside the header leave by it no more."""
    net.eventually(lambda: net.figures()["ports"]["out"]["mtu"] == 1400)
    before = net.figures()
    net.run(sys.executable, "-m", "tests.rigs.port_traffic", "frames", "in1", "1415", "298")
    net.eventually(lambda: net.figures()["received"] - before["received"] == 298)
    after = net.figures()
    assert after["dropped"]["out.oversize"] - before["dropped"].get("out.oversize", 0) == 298
    assert after["forwarded"] == before["forwarded"] and net.health()["status"] == "healthy"


@both
def test_the_mtu_of_an_output_is_followed(net: Net, backend: str) -> None:
    net.deploy(backend)
    assert net.across(size=1514) == COUNT
    net.ip("link set out0 mtu 1400")
    longer_is_dropped(net)
    assert net.across(size=1414) == COUNT
    net.ip("link set out0 mtu 1500")
    net.eventually(lambda: net.figures()["ports"]["out"]["mtu"] == 1500)
    assert net.across(size=1514) == COUNT
    net.terminate()


@pytest.mark.parametrize("away", [False, True])
def test_the_mtu_of_the_other_end_is_followed(net: Net, away: bool) -> None:
    """Which AF_XDP alone would count as sent."""
    with elsewhere() as other:
        there = ("nsenter", f"--target={other}", "--net") if away else ()
        if away:
            net.ip(f"link set out1 netns {other}")
            net.run(*there, "sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/out1/disable_ipv6; ip link set out1 up")
        net.deploy("af_xdp")
        net.run(*there, "ip", "link", "set", "out1", "mtu", "1400")
        longer_is_dropped(net)
        net.run(*there, "ip", "link", "set", "out1", "mtu", "1500")
        net.eventually(lambda: net.figures()["ports"]["out"]["mtu"] == 1500)
        net.terminate()


def test_an_mtu_that_no_frame_holds(net: Net) -> None:
    net.deploy("af_packet")
    net.ip("link set in0 mtu 3000")
    net.await_health("degraded", "port in: in0 has MTU 3000, a frame holds 1578: longer packets are lost"
                     " (ip link set in0 mtu 1578, or terminate and instantiate again) (since 20")  # fmt: skip
    net.ip("link set in0 mtu 1578")
    net.await_health("healthy")
    assert net.across() == COUNT
    net.terminate()


def test_offloads_switched_on_again(net: Net) -> None:
    before = net.facts("in0")
    net.deploy("af_packet")
    net.run("ethtool", "-K", "in0", "gro", "on")
    net.await_health(
        "degraded",
        "port in: rx-gro of in0 was switched on: packets that it merges are dropped as truncated"
        " (ethtool -K in0 rx-gro off, or coven stop and coven start) (since 20",
    )
    assert net.appliance.coven("stop")[0] == 0  # as the words say
    assert net.appliance.coven("start")[0] == 0
    net.await_health("healthy")
    net.run("ethtool", "-K", "in0", "gro", "on")
    net.await_health("degraded", "port in: rx-gro of in0 was switched on")
    net.run("ethtool", "-K", "in0", "rx-gro", "off")
    net.await_health("healthy")
    assert net.across() == COUNT
    net.terminate()
    # as the operator had it when we last took it
    assert "generic-receive-offload: on" in net.facts("in0")["features"]
    assert net.facts("in0")["disable_ipv6"] == before["disable_ipv6"]


@either
def test_links_and_masters_are_told(net: Net, backend: str) -> None:
    net.deploy(backend)
    net.ip("link set in1 down")
    net.await_health("degraded", "port in: in0 has no link: its cable or its other end is down (since 20")
    net.ip("link set in0 down")
    net.await_health("degraded", "port in: in0 is down (ip link set in0 up) (since 20")
    net.ip("link set in0 up")
    net.ip("link set in1 up")
    net.await_health("healthy")
    net.ip("link add br0 type bridge")
    net.ip("link set in0 master br0")
    net.await_health("degraded", "port in: in0 is enslaved to another interface")
    net.ip("link set in0 nomaster")
    net.await_health("healthy")
    assert net.across() == COUNT
    net.terminate()


def test_the_mtu_is_asked_of_the_kernel(net: Net) -> None:
    """Not of a sysfs that shows another namespace: there, in0 is not known, or another one."""
    for interface in ("in0", "in1", "out0", "out1"):
        net.ip(f"link set {interface} mtu 2400")
    here = f"/run/netns/{net.appliance.space}"
    ask = "from coven.keeper.ports.opening import interface_mtu; print(interface_mtu('in0'))"
    said = subprocess.run(["nsenter", f"--net={here}", sys.executable, "-c", ask], check=True, capture_output=True)
    assert said.stdout == b"2400\n"
    net.deploy("auto")
    assert net.figures()["ports"]["in"]["mtu"] == 2400
    assert net.across(size=2414) == COUNT
    net.terminate()
