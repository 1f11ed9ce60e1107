"""What the host has above an interface keeps it from being a port; the other end of its cable does not."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.rigs.appliance import PACKAGE, Appliance
from tests.rigs.net_rig import Net

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes a network namespace: needs root")


@pytest.fixture
def net(appliance: Appliance) -> Net:
    return Net(appliance)


ABOVE = {
    "macvlan": (
        ["link add mac0 link in0 type macvlan mode bridge", "link set mac0 up", "addr add 192.0.2.1/24 dev mac0"],
        ["mac0, which is above in0, has the address 192.0.2.1"],
    ),
    "default route": (
        ["link add mac0 link in0 type macvlan", "link set mac0 up", "route add default dev mac0"],
        ["mac0, which is above in0, carries the default route"],
    ),
    "bridge": (
        ["link add br0 type bridge", "link set in0 master br0", "link set br0 up", "addr add 192.0.2.1/24 dev br0"],
        ["in0 is enslaved to br0", "br0, which is above in0, has the address 192.0.2.1"],
    ),
    "macvlan in a bridge": (
        ["link add br0 type bridge", "link add mac0 link in0 type macvlan", "link set mac0 master br0",
         "link set br0 up", "addr add 192.0.2.1/24 dev br0"],
        ["mac0, which is above in0, is enslaved to br0", "br0, which is above in0, has the address 192.0.2.1"],
    ),
    "tunnel": (
        ["link add vx0 type vxlan id 5 dev in0 dstport 4789", "link set vx0 up", "addr add 192.0.2.1/24 dev vx0"],
        ["vx0, which is above in0, has the address 192.0.2.1"],
    ),
    "vlan": (
        ["link add link in0 name in0.100 type vlan id 100", "addr add 192.0.2.1/24 dev in0.100"],
        ["in0.100, which is above in0, has the address 192.0.2.1"],
    ),
    "vrf": (
        ["link add vrf0 type vrf table 10", "link set in0 master vrf0", "addr add 192.0.2.1/24 dev vrf0"],
        ["in0 is enslaved to vrf0", "vrf0, which is above in0, has the address 192.0.2.1"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("above", ABOVE)
def test_what_the_host_has_above_an_interface(net: Net, above: str) -> None:
    commands, reasons = ABOVE[above]
    try:
        for command in commands:
            net.ip(command)
    except subprocess.CalledProcessError as error:
        assert "Unknown device type" in error.stderr, error.stderr
        pytest.skip(f"this kernel has no {above}")
    status, text = net.appliance.coven("deploy", str(PACKAGE), "--name", "fw", "--in", "in0", "--out", "out0")
    assert status == 1, text
    for reason in reasons:
        assert reason in text
    assert "has the address 192.0.2.1" not in text or text.count("192.0.2.1") == 1
    bound = ("--in", "in0", "--out", "out0", "--take")
    assert net.appliance.coven("deploy", str(PACKAGE), "--name", "taken", *bound)[0] == 0
    assert net.appliance.coven("terminate", "taken")[0] == 0


def test_the_other_end_of_a_cable_is_not_above(net: Net) -> None:
    net.ip("addr add 192.0.2.1/24 dev in1")
    net.deploy("auto")
    net.terminate()
